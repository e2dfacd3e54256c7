"""The receiver's three networks F, M and G: from a source frame and two motions to a synthesised frame.

    source frame ─► F ─► volume f_s 16x8x32x32, skips at 128 and 64, the source at twice its size        (once per source)
                          │
    x_s, x_d ──► M ──► K+1 masks ─► 3-D flow, 2-D flow ─┐  fine flow at lips, lids, brows (analytic, from 92 detail points)
                  └──► occlusion                        ▼
                          warp(f_s), warp(skips), warp(source RGB) ─► G ─► α, RGB ─► y = α·warp(source) + (1 − α)·RGB

All flows of M share A = (s_s/s_d) R_s R_d⁻¹, so w_k(p) = x_s,k + A (p − x_d,k) (paper, section 3.2, eq. 3). Whatever follows no
keypoint follows the scene: w_0(p) = p + S(p), where the paper has w_0(p) = p. Geometry and grids run in float32, whatever the
convolutions run in. The points come from `geometry.FaceModel`. Trained by `training.receiver_stage` and `training.joint_stage`;
exported by `models.export`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from facewire.models import face_points as fp
from facewire.models.blocks import Residual, act, conv, conv3d, float32_region, linear
from facewire.models.config import CORE, ModelConfig
from facewire.models.geometry import GROUP_SIGMA, FaceModel, base_grid

K, D = len(fp.KEYPOINTS), len(fp.DETAILS)
VOLUME_SIZE = 32
MASK_SIZE = 16
KEYPOINT_SIGMA = 0.15
"""Width of the masks' prior around each keypoint, with which an untrained M interpolates the motion of the keypoints."""
HEAT_GROUPS = len(fp.DETAIL_GROUPS) + 2
"""Heat map channels for G: the eight groups of detail points and two irises."""
HEAT_SIGMA = 0.025
SKIP_128, SKIP_64 = 12, 24


@dataclass(frozen=True)
class Appearance:
    """What F makes of a source frame of size S. volume: (B, Cv, D, 32, 32); skip64: (B, 24, 64, 64); skip128: (B, 12, 128, 128).

    texture: of `enlarged`, (B, 3, 2·S, 2·S), in [0, 1] but for overshoots.
    """

    volume: Tensor
    skip64: Tensor
    skip128: Tensor
    texture: Tensor


@dataclass(frozen=True)
class Geometry:
    """Points of source and driving frame, in picture coordinates, float32.

    turn: A (B, 3, 3). source, driving: keypoints x_s, x_d (B, K, 3). source_details, driving_details: pushed (B, D, 2).
    source_marks, driving_marks: unpushed detail and iris points for heat maps (B, D + 10, 2).
    code: (B, 2E + 12) both expressions and poses, for FiLM. scene: S (B, 2, 16, 16), what has moved other than the head.
    """

    turn: Tensor
    source: Tensor
    driving: Tensor
    source_details: Tensor
    driving_details: Tensor
    driving_marks: Tensor
    code: Tensor
    scene: Tensor

    @property
    def offset(self) -> Tensor:
        """b_k = x_s,k − A x_d,k (B, K, 3): w_k(p) = A p + b_k."""
        return self.source - self.driving @ self.turn.transpose(1, 2)

    @property
    def plane_turn(self) -> Tensor:
        """A in the picture plane, each keypoint at its own depth (B, 2, 2)."""
        return self.turn[:, :2, :2]

    @property
    def plane_offset(self) -> Tensor:
        """b_k in the picture plane (B, K, 2)."""
        return self.source[..., :2] - self.driving[..., :2] @ self.plane_turn.transpose(1, 2)

    def still(self, grid: Tensor, size: int, depth: int = 0) -> Tensor:
        """w_0 of the points of a `plane_grid` of that size: (2, N), or (3, N) with depth, to (B, 2 or 3, N)."""
        moved = functional.interpolate(self.scene, size=(size, size), mode="bilinear", align_corners=False)
        moved = moved.flatten(2)
        if depth:
            moved = functional.pad(moved.repeat(1, 1, depth), (0, 0, 0, 1))
        return grid + moved


def geometry(face: FaceModel, shape: Tensor, source: Tensor, driving: Tensor, scene: Tensor) -> Geometry:
    """Place the face model in both frames; shape: (B, C), source and driving motions: (B, 6 + E), scene: (B, 2, 16, 16)."""
    a, b = face.head_frame(shape, source[:, 6:]), face.head_frame(shape, driving[:, 6:])
    marks = face.place(b[:, K : K + D + len(fp.IRISES)], driving)
    return Geometry(
        turn=face.relative_turn(source, driving),
        source=face.place(a[:, :K], source),
        driving=face.place(b[:, :K], driving),
        source_details=face.place(face.pushed(a), source)[..., :2],
        driving_details=face.place(face.pushed(b), driving)[..., :2],
        driving_marks=marks[..., :2],
        code=torch.cat([source, driving], 1),
        scene=scene,
    )


class AppearanceExtractor(nn.Module):
    """F: source frame (B, 3, S, S) in [0, 1] -> appearance volume and skips; sub-pixels of sizes above 128 enter as channels."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.ratio = config.picture_size // CORE
        w128, w64, w32 = config.width_128, config.width_64, config.width_32
        self.channels, self.depth = config.volume_channels, config.volume_depth
        self.stem = conv(3 * self.ratio**2, w128)
        self.block128 = Residual(w128)
        self.down64 = conv(w128, w64, 3, 2)
        self.block64 = Residual(w64)
        self.down32 = conv(w64, w32, 3, 2)
        self.blocks32 = nn.ModuleList(Residual(w32) for _ in range(2))
        self.lift = conv(w32, self.channels * self.depth, 1)
        self.block3d = Residual(self.channels, volume=True)
        self.skip64 = conv(w64, SKIP_64, 1)
        self.skip128 = conv(w128, SKIP_128, 1)

    def forward(self, picture: Tensor) -> Appearance:
        """picture: (B, 3, 128·ratio, 128·ratio)."""
        x = functional.pixel_unshuffle(picture * 2 - 1, self.ratio) if self.ratio > 1 else picture * 2 - 1
        x128 = self.block128(self.stem(x))
        x64 = self.block64(self.down64(act(x128)))
        x32 = self.down32(act(x64))
        for block in self.blocks32:
            x32 = block(x32)
        volume = self.lift(act(x32)).unflatten(1, (self.channels, self.depth))
        volume = self.block3d(volume)
        return Appearance(volume, self.skip64(act(x64)), self.skip128(act(x128)), enlarged(picture))


def enlarged(picture: Tensor) -> Tensor:
    """A source frame (B, 3, S, S) at twice its size, cubic: sampled between pixels, it stays as sharp as it is.

    Bilinear samples of the frame itself are blurred by up to half of what is finest in it. On 14 validation clips with one source
    frame this takes ST-LPIPS from .60 to .54 of "repeat", on the six in which hardly anything moves from .96 to .71, for .1 dB of
    PSNR. Three times the size brings nothing more, nor does sharpening, and both cost PSNR.
    """
    return functional.interpolate(picture, scale_factor=2.0, mode="bicubic", align_corners=False)


@dataclass(frozen=True)
class MotionField:
    """M's output. flow3d: (B, 3, D, 32, 32); flow2d: (B, 2, 32, 32); occlusion: (B, 1, 32, 32) in [0, 1]."""

    flow3d: Tensor
    flow2d: Tensor
    occlusion: Tensor


def plane_grid(height: int, width: int, depth: int = 0) -> Tensor:
    """`base_grid` as planes, one for each coordinate: (2, H·W) or with depth (3, D·H·W). Backends are fast with planes."""
    return base_grid(height, width, depth).flatten(0, -2).T.contiguous()


def blend(masks: Tensor, offset: Tensor) -> Tensor:
    """What a composed flow needs of its masks: the share m_0 of the scene, and Σ m_k b_k with b_k = x_s,k − A x_d,k.

    masks: (B, N, K+1) summing to one; offset: b_k (B, K, n). Returns (B, 1 + n, N). It is linear in the masks, and small
    enough to be interpolated, which K+1 masks are not.
    """
    return torch.cat([masks[..., :1], masks[..., 1:] @ offset], -1).transpose(1, 2)


def compose(blended: Tensor, turn: Tensor, grid: Tensor, still: Tensor) -> Tensor:
    """w(p) = m_0 w_0(p) + Σ m_k (x_s,k + A (p − x_d,k)) without building K+1 flows: all but w_0 are linear in p.

    blended: of `blend` (B, 1 + n, N); turn: A (B, n, n); grid: (n, N) points; still: w_0 (B, n, N). Returns (B, n, N); n is 3 in
    the volume and 2 in the picture plane.
    """
    keep = blended[:, :1]
    return keep * still + (1 - keep) * (turn @ grid) + blended[:, 1:]


class MotionFieldEstimator(nn.Module):
    """M: f_s and both keypoint sets -> flow composition masks (softmax over K+1) in 3-D and 2-D, and an occlusion mask.

    f_s ─pool─► 4x8x16x16 ─ warped by each of K+1 flows ─┐
    Gaussians at x_d − Gaussians at x_s ─────────────────┴► 3-D hourglass ─► logits + prior around each x_d ─► masks
    """

    grid3d_small: Tensor
    grid3d: Tensor
    grid2d: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.depth = config.volume_depth
        w = config.motion_width
        self.squeeze = nn.Conv3d(config.volume_channels, 4, 1)
        self.enter = conv3d((K + 1) * 5, w, 1)
        self.down1 = conv3d(w, w + w // 2)
        self.down2 = conv3d(w + w // 2, 2 * w)
        self.middle = Residual(2 * w, volume=True)
        self.up2 = conv3d(2 * w, w + w // 2, 1)
        self.up1 = conv3d(w + w // 2, w, 1)
        self.leave = conv3d(w, w)
        self.masks3d = conv3d(w, K + 1, 1, zero=True)
        self.flatten = conv(w * self.depth, 64, 1)
        self.refine = conv(64, 48)
        self.masks2d = conv(48, K + 2, zero=True)
        self.background = nn.Parameter(torch.tensor(-5.0))
        nn.init.constant_(self.masks2d.bias[-1:], 2.0)  # type: ignore[index]
        self.register_buffer("grid3d_small", plane_grid(MASK_SIZE, MASK_SIZE, self.depth), persistent=False)
        self.register_buffer("grid3d", plane_grid(VOLUME_SIZE, VOLUME_SIZE, self.depth), persistent=False)
        self.register_buffer("grid2d", plane_grid(VOLUME_SIZE, VOLUME_SIZE), persistent=False)

    def evidence(self, volume: Tensor, geo: Geometry) -> Tensor:
        """(B, (K+1)·5, D, 16, 16): the squeezed volume warped by each flow, and keypoint Gaussians."""
        small = functional.avg_pool3d(self.squeeze(volume).float(), (1, 2, 2))
        b = small.shape[0]
        grid = self.grid3d_small
        moving = (geo.turn @ grid)[:, :, None] + geo.offset.transpose(1, 2)[..., None]
        flows = torch.cat([geo.still(grid, MASK_SIZE, self.depth)[:, :, None], moving], 2)
        warped = sample_volume(small, flows.view(b, 3, (K + 1) * self.depth, MASK_SIZE, MASK_SIZE))
        warped = warped.view(b, 4 * (K + 1), self.depth, MASK_SIZE, MASK_SIZE)
        bumps = self._bump(geo.driving, grid) - self._bump(geo.source, grid)
        bumps = torch.cat([torch.zeros_like(bumps[:, :1]), bumps], 1).view(b, K + 1, self.depth, MASK_SIZE, MASK_SIZE)
        return torch.cat([warped, bumps], 1)

    @staticmethod
    def _bump(points: Tensor, grid: Tensor) -> Tensor:
        distance = points.square().sum(-1)[:, :, None] - 2 * points @ grid + grid.square().sum(0)
        return (-0.5 * distance / 0.1**2).exp()

    def _prior(self, points: Tensor, grid: Tensor) -> Tensor:
        """Logits (B, N, K+1): minus half the squared distance to each keypoint in sigmas, a constant for the background."""
        squares = points.square().sum(-1)[:, None] + grid.square().sum(0)[:, None]
        distance = squares - 2 * grid.T @ points.transpose(1, 2)
        near = -0.5 * distance / KEYPOINT_SIGMA**2
        return torch.cat([self.background.expand_as(near[..., :1]), near], -1)

    def forward(self, volume: Tensor, geo: Geometry) -> MotionField:
        """volume: f_s (B, Cv, D, 32, 32)."""
        with float32_region(volume):
            evidence = self.evidence(volume, geo)
        x0 = act(self.enter(evidence))
        x1 = act(self.down1(functional.avg_pool3d(x0, (1, 2, 2))))
        x2 = self.middle(act(self.down2(functional.avg_pool3d(x1, 2))))
        x1 = x1 + functional.interpolate(self.up2(act(x2)), scale_factor=2.0)
        x0 = x0 + functional.interpolate(self.up1(act(x1)), scale_factor=(1.0, 2.0, 2.0))
        x0 = act(self.leave(x0))
        logits3d = self.masks3d(x0)
        flat = act(self._flatten(x0))
        flat = functional.interpolate(flat, scale_factor=2.0, mode="bilinear", align_corners=False)
        logits2d = self.masks2d(act(self.refine(flat)))
        with float32_region(volume):
            b = volume.shape[0]
            logits3d = logits3d.float().permute(0, 2, 3, 4, 1).flatten(1, 3) + self._prior(
                geo.driving, self.grid3d_small
            )
            blended = blend(logits3d.softmax(-1), geo.offset).reshape(b, 4 * self.depth, MASK_SIZE, MASK_SIZE)
            blended = functional.interpolate(blended, scale_factor=2.0, mode="bilinear", align_corners=False)
            still = geo.still(self.grid3d, VOLUME_SIZE, self.depth)
            flow3d = compose(blended.view(b, 4, -1), geo.turn, self.grid3d, still)
            logits2d = logits2d.float()
            masks2d = logits2d[:, :-1].flatten(2).transpose(1, 2) + self._prior(geo.driving[..., :2], self.grid2d)
            blended = blend(masks2d.softmax(-1), geo.plane_offset)
            flow2d = compose(blended, geo.plane_turn, self.grid2d, geo.still(self.grid2d, VOLUME_SIZE))
            return MotionField(
                flow3d.view(b, 3, self.depth, VOLUME_SIZE, VOLUME_SIZE),
                flow2d.view(b, 2, VOLUME_SIZE, VOLUME_SIZE),
                logits2d[:, -1:].sigmoid(),
            )

    def _flatten(self, x: Tensor) -> Tensor:
        """The 1x1 convolution over all depths of (B, w, D, 16, 16) at once, done as a 3-D one to save a copy to another layout."""
        weight = self.flatten.weight.view(-1, x.shape[1], self.depth, 1, 1)
        return functional.conv3d(x, weight, self.flatten.bias)[:, :, 0]


class FineFlow(nn.Module):
    """Analytic flow at lips, lids and brows: f = (Σ g_k w_k + c₀ f_M) / (Σ g_k + c₀), g_k Gaussians at the driving points.

    The Gaussians are separable, so the sums over 92 points are small matrix products. Only the widths and c₀ are learnt.
    """

    xs: Tensor

    def __init__(self) -> None:
        super().__init__()
        sigmas = [s for group, s in zip(fp.DETAIL_GROUPS, GROUP_SIGMA, strict=True) for _ in group]
        self.log_sigma = nn.Parameter(torch.tensor(sigmas).log())
        self.log_rest = nn.Parameter(torch.tensor(math.log(0.1)))
        self.register_buffer("xs", base_grid(1, CORE)[0, :, 0].clone(), persistent=False)

    def forward(self, flow: Tensor, geo: Geometry) -> Tensor:
        """flow: f_M at 128 (B, 2, 128, 128); returns the refined flow of the same shape."""
        sigma = self.log_sigma.exp()[None, :, None]
        gx = (-0.5 * ((self.xs - geo.driving_details[..., :1]) / sigma).square()).exp()
        gy = (-0.5 * ((self.xs - geo.driving_details[..., 1:]) / sigma).square()).exp().transpose(1, 2)
        plane = geo.plane_turn
        offset = (geo.source_details - geo.driving_details @ plane.transpose(1, 2)).transpose(1, 2)[..., None]
        weight = (gy @ gx)[:, None]
        sums = gy[:, None] @ (gx[:, None] * offset)
        moved = plane[:, :, :1, None] * self.xs + plane[:, :, 1:, None] * self.xs[:, None]
        rest = self.log_rest.exp()
        return (weight * moved + sums + rest * flow) / (weight + rest)


def heat_maps(geo: Geometry, xs: Tensor) -> Tensor:
    """Gaussian sums of each group of detail points and the irises, (B, 10, N, N) for N = len(xs) pixel centres."""
    gx = (-0.5 * ((xs - geo.driving_marks[..., :1]) / HEAT_SIGMA).square()).exp()
    gy = (-0.5 * ((xs - geo.driving_marks[..., 1:]) / HEAT_SIGMA).square()).exp()
    maps, start = [], 0
    for count in [len(group) for group in fp.DETAIL_GROUPS] + [5, 5]:
        maps.append(gy[:, start : start + count].transpose(1, 2) @ gx[:, start : start + count])
        start += count
    return torch.stack(maps, 1).clamp(max=1.5)


class Generator(nn.Module):
    """G: warped volume, warped skips, warped source and heat maps of lips and lids -> RGB, α and a small residual flow.

    y = α·warp(source) + (1 − α)·RGB: real pixels keep the picture sharp, and what was hidden is painted. G is modulated by both
    expression codes and poses (FiLM), for what no warp can bring: teeth, closed lids, gaze.
    """

    spread: Tensor
    xs64: Tensor
    xs128: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.ratio = config.picture_size // CORE
        w128, w64, w32 = config.width_128, config.width_64, config.width_32
        self.enter = conv(config.volume_channels * config.volume_depth, w32, 1)
        self.code = linear(2 * (config.expression_size + 6), 64)
        self.film32 = nn.ModuleList(linear(64, 2 * w32, zero=True) for _ in range(2))
        self.film64 = linear(64, 2 * w64, zero=True)
        self.film128 = linear(64, 2 * w128, zero=True)
        self.blocks32 = nn.ModuleList(Residual(w32) for _ in range(2))
        self.up64 = conv(w32, 4 * w64, 1)
        self.merge64 = conv(w64 + SKIP_64 + HEAT_GROUPS, w64)
        self.block64 = Residual(w64)
        self.residual_flow = conv(w64, 2, zero=True)
        self.up128 = conv(w64, 4 * w128, 1)
        self.merge128 = conv(w128 + SKIP_128 + HEAT_GROUPS + 3 * self.ratio**2, w128)
        self.block128 = Residual(w128)
        self.head = conv(w128, 4 * self.ratio**2)
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.bias[3 * self.ratio**2 :] = 1.0  # type: ignore[index]
        self.register_buffer("spread", spread(self.ratio), persistent=False)
        self.register_buffer("xs64", base_grid(1, 64)[0, :, 0].clone(), persistent=False)
        self.register_buffer("xs128", base_grid(1, CORE)[0, :, 0].clone(), persistent=False)

    def forward(
        self, volume: Tensor, appearance: Appearance, flow: Tensor, geo: Geometry
    ) -> tuple[Tensor, Tensor, Tensor]:
        """volume: warped and occluded, (B, Cv·D, 32, 32); flow: (B, 2, 128, 128).

        Returns frame, α and the warped source as sub-pixel planes, (B, 3·r², 128, 128), which `pixel_shuffle` turns into pictures.
        """
        with float32_region(volume):
            heat64, heat128 = heat_maps(geo, self.xs64), heat_maps(geo, self.xs128)
            skip64 = warp(appearance.skip64.float(), functional.avg_pool2d(flow, 2))
            code = act(self.code(geo.code))
        x = self.enter(volume)
        for block, film in zip(self.blocks32, self.film32, strict=True):
            x = block(x, film(code))
        x = functional.pixel_shuffle(self.up64(act(x)), 2)
        x = conv_of_parts(self.merge64, x, torch.cat([skip64, heat64], 1))
        x = self.block64(act(x), self.film64(code))
        with float32_region(volume):
            residual = 0.1 * self.residual_flow(act(x)).float()
            fine = flow + functional.interpolate(residual, scale_factor=2.0, mode="bilinear", align_corners=False)
            skip128 = warp(appearance.skip128.float(), fine)
            warped = warp(appearance.texture.float(), self.spread @ fine @ self.spread.T)
            warped = warped.view(-1, 3, self.ratio, CORE, self.ratio, CORE).transpose(3, 4).flatten(1, 3)
        x = functional.pixel_shuffle(self.up128(act(x)), 2)
        x = conv_of_parts(self.merge128, x, torch.cat([skip128, heat128, warped * 2 - 1], 1))
        x = self.block128(act(x), self.film128(code))
        out = self.head(act(x)).float()
        planes = self.ratio**2
        colour, alpha = out[:, : 3 * planes], out[:, 3 * planes :].sigmoid().repeat(1, 3, 1, 1)
        return alpha * warped + (1 - alpha) * (colour + 0.5), alpha, warped


def spread(ratio: int) -> Tensor:
    """Bilinear enlargement of 128 rows as a matrix S (128·r, 128), the rows of each sub-pixel together.

    S @ flow @ Sᵀ is an enlarged flow in r² blocks, so that what is sampled with it already lies in sub-pixel planes.
    """
    rows = functional.interpolate(torch.eye(CORE)[None], scale_factor=float(ratio), mode="linear", align_corners=False)
    return rows[0].T.reshape(CORE, ratio, CORE).transpose(0, 1).reshape(ratio * CORE, CORE)


def conv_of_parts(layer: nn.Conv2d, first: Tensor, second: Tensor) -> Tensor:
    """layer(cat([first, second])) without the copy, so that first and second can keep their own layouts."""
    n = first.shape[1]
    pad = layer.padding
    y = functional.conv2d(first, layer.weight[:, :n], layer.bias, padding=pad)
    return y + functional.conv2d(second, layer.weight[:, n:], padding=pad)


def sample_volume(volume: Tensor, flow: Tensor) -> Tensor:
    """Sample volume (B, C, D, H, W) at flow (B, 3, d, h, w) in [-1, 1], border repeated, float32.

    The same as a five-dimensional grid sample, which few backends have and none has fast. Neighbouring slices are paired as
    channels and the pairs are stacked into one tall picture; it is sampled once, and each sample blends its pair by depth.
    """
    b, c, depth, height, _ = volume.shape
    pairs = torch.cat([volume[:, :, :-1], volume[:, :, 1:]], 1).flatten(2, 3)
    x, y, z = flow[:, :1].flatten(2, 3), flow[:, 1:2].flatten(2, 3), flow[:, 2:].flatten(2, 3)
    z = (((z + 1) * depth - 1) / 2).clamp(0, depth - 1)
    lower = z.floor().clamp(max=depth - 2)
    row = (((y + 1) * height - 1) / 2).clamp(0, height - 1) + lower * height
    both = warp(pairs, torch.cat([x, (2 * row + 1) / ((depth - 1) * height) - 1], 1))
    near, far = both[:, :c], both[:, c:]
    return (near + (far - near) * (z - lower)).view(b, c, *flow.shape[2:])


def warp(picture: Tensor, flow: Tensor) -> Tensor:
    """Sample picture (B, C, H, W) at flow (B, 2, h, w) in [-1, 1], border repeated, float32."""
    return functional.grid_sample(picture, flow.permute(0, 2, 3, 1), align_corners=False, padding_mode="border")


@dataclass(frozen=True)
class Synthesis:
    """frame: (B, 3, S, S) about [0, 1]; warped: the source moved by the flow alone; alpha: (B, 1, S, S)."""

    frame: Tensor
    warped: Tensor
    alpha: Tensor


class ReceiverNetworks(nn.Module):
    """F, M, fine flow and G: everything that the receiver runs."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.appearance = AppearanceExtractor(config)
        self.motion_field = MotionFieldEstimator(config)
        self.fine_flow = FineFlow()
        self.generator = Generator(config)

    def planes(self, appearance: Appearance, geo: Geometry) -> tuple[Tensor, Tensor, Tensor]:
        """What `Generator` returns: frame, α and warped source as sub-pixel planes."""
        field = self.motion_field(appearance.volume, geo)
        with float32_region(appearance.volume):
            volume = sample_volume(appearance.volume.float(), field.flow3d)
            volume = volume.flatten(1, 2) * field.occlusion
            flow = functional.interpolate(field.flow2d, scale_factor=4.0, mode="bilinear", align_corners=False)
            flow = self.fine_flow(flow, geo)
        frame, alpha, warped = self.generator(volume, appearance, flow, geo)
        return frame, alpha, warped

    def render(self, appearance: Appearance, geo: Geometry) -> Synthesis:
        """The picture of a source frame in which the head and the scene have moved."""
        ratio = self.generator.ratio
        frame, alpha, warped = (functional.pixel_shuffle(x, ratio) for x in self.planes(appearance, geo))
        return Synthesis(frame, warped, alpha[:, :1])


def grown(weight: Tensor, shape: torch.Size) -> Tensor:
    """Weights trained at 128 pixels, widened for sub-pixel planes such that the function on area-averaged pictures stays the same.

    Only the three layers that touch pictures differ between sizes: F's stem, G's merge (inputs) and G's head (outputs).
    """
    if weight.shape == shape:
        return weight
    if weight.ndim == 1 or weight.shape[1:] == shape[1:]:  # head: each output plane repeated
        return weight.repeat_interleave(shape[0] // weight.shape[0], 0)
    if weight.shape[1] == 3:  # stem: each input plane shared among its sub-pixels
        factor = shape[1] // 3
        return weight.repeat_interleave(factor, 1) / factor
    extra = shape[1] - (weight.shape[1] - 3)  # merge: the last three inputs are the warped picture
    planes = weight[:, -3:].repeat_interleave(extra // 3, 1) / (extra // 3)
    return torch.cat([weight[:, :-3], planes], 1)
