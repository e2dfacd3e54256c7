"""Judges a codec's pictures against the camera's, by every figure installed here.

Gives figures by name. The camera's pictures are analysed once per clip. A figure whose package is missing is left out, and
`missing` says how to get it.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from facewire.benchmark.bandwidth.clip import Clip
from facewire.benchmark.bandwidth.codec import Picture
from facewire.benchmark.bandwidth.config import Config
from facewire.benchmark.bandwidth.rivals import to_yuv
from facewire.errors import FacewireError
from facewire.metrics import teacher_files
from facewire.metrics.quality import EYES_MOVE, MOUTH_MOVES, Face, FaceMesh, agreement, jitter, ms_ssim, psnr, ssim
from facewire.models.backends import quiet_openvino

if TYPE_CHECKING:
    from torch import Tensor

FEWEST_OPENINGS = 5
"""The fewest pictures with a face in both from which a correlation is taken."""
MIN_MS_SSIM_SIDE = 176

Figures = dict[str, float]


@dataclass(frozen=True)
class Figure:
    """What a figure is called, and what it sees."""

    label: str
    better: int
    """1 if more is better, -1 if less is."""
    digits: int
    sees: str
    blind: str


FIGURES: dict[str, Figure] = {
    "st_lpips": Figure(
        "ST-LPIPS",
        -1,
        3,
        "blur, texture, halos: a blur of one pixel alone costs .10 to .17",
        "places: it forgives shifts, so a still photograph scores well",
    ),
    "akd": Figure(
        "AKD, px at 256",
        -1,
        2,
        "place of head, lips, lids, brows: 468 face-mesh points; a picture without a face counts as the source frame held",
        "texture, teeth, gaze, all that is not face",
    ),
    "psnr": Figure(
        "PSNR, dB", 1, 2, "colour and place of every pixel", "rewards blur, punishes a head one pixel aside"
    ),
    "ssim": Figure("SSIM", 1, 3, "local structure of luma", "colour; rewards blur"),
    "ms_ssim": Figure("MS-SSIM", 1, 3, "the same at five octaves", "colour; rewards blur even more"),
    "vmaf": Figure(
        "VMAF",
        1,
        1,
        "detail and contrast, as trained on television of 1080 lines",
        "colour; what synthesis does; it never saw 256 pixels",
    ),
    "identity": Figure("identity, cosine", 1, 3, "whose face it is", "place, expression"),
    "mouth_r": Figure("mouth opening, r", 1, 3, "speech, where the mouth moves", "how far it opens"),
    "eye_r": Figure("eye opening, r", 1, 3, "blinks, where the eyes move", "how far they close"),
    "face_missing": Figure("no face found", -1, 3, "pictures in which the mesh no longer finds the camera's face", ""),
    "jitter": Figure(
        "jitter, camera = 1", -1, 2, "trembling of the face mesh", "flicker of texture; a frozen face is steady"
    ),
}


def missing(config: Config) -> list[str]:
    """One line per figure that will be left out, and how to get it."""
    lines = [line for line in teacher_files.missing() if config.learned and not line.startswith("Fréchet")]
    if config.learned and importlib.util.find_spec("torch") is None:
        lines = ["ST-LPIPS and identity: not measured; to get them: pip install 'facewire[train,metrics]'"]
    if not FaceMesh.installed():
        lines.append(
            "face mesh (AKD, openings, jitter, identity): not measured; docs/evaluation.md says how to install it"
        )
    if config.vmaf and importlib.util.find_spec("imageio_ffmpeg") is None:
        lines.append("VMAF: not measured; to get it: pip install 'facewire[bench]'")
    return lines


@cache
def _mesh() -> FaceMesh | None:
    return FaceMesh() if FaceMesh.installed() else None


class _Networks:
    """The frozen networks, each None where it is not installed."""

    def __init__(self) -> None:
        import torch

        from facewire.metrics.teachers import Identity, StLpips

        torch.set_num_threads(1)
        self._torch = torch
        identity, stlpips = teacher_files.identity_file(), teacher_files.stlpips_file()
        self._identity = Identity(identity) if identity else None
        self._stlpips = StLpips(stlpips) if stlpips else None
        self._taps: Callable[[Tensor], list[Tensor]] | None = self._fast_taps() if self._stlpips else None

    def taps(self, picture: Picture) -> list[Tensor] | None:
        """Of ST-LPIPS."""
        with self._torch.inference_mode():
            return self._taps(self._tensor(picture)) if self._taps else None

    def distance(self, a: list[Tensor], b: list[Tensor]) -> float:
        """ST-LPIPS from two pictures' taps."""
        assert self._stlpips is not None
        with self._torch.inference_mode():
            return float(self._stlpips.between(a, b))

    def who(self, picture: Picture, face: Face) -> Tensor | None:
        """Identity vector of a face, (256,), of unit length."""
        from facewire.metrics.teachers import FIVE, align

        if self._identity is None:
            return None
        five = self._torch.tensor(np.stack([face.landmarks[list(group), :2].mean(0) for group in FIVE]))[None]
        with self._torch.inference_mode():
            return self._identity(align(self._tensor(picture), five))[0]  # type: ignore[no-any-return]

    def _tensor(self, picture: Picture) -> Tensor:
        return self._torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255

    def _fast_taps(self) -> Callable[[Tensor], list[Tensor]]:
        """Runs on OpenVINO where it is installed: equal to 2e-6, in less than half the time."""
        assert self._stlpips is not None
        if importlib.util.find_spec("openvino") is None:
            return self._stlpips.features
        import torch

        openvino = quiet_openvino()
        network = self._stlpips

        class Taps(torch.nn.Module):
            def forward(self, x: Tensor) -> tuple[Tensor, ...]:
                return tuple(network.features(x))

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of sizes that tracing turns into constants
            model = openvino.convert_model(Taps(), example_input=torch.zeros(1, 3, 64, 64))
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "ENABLE_CPU_PINNING": False}
        compiled = openvino.Core().compile_model(model, "CPU", settings)

        def taps(x: Tensor) -> list[Tensor]:
            found = compiled(x.numpy())
            return [torch.from_numpy(found[index].copy()) for index in range(5)]

        return taps


@cache
def _networks() -> _Networks | None:
    if importlib.util.find_spec("torch") is None:
        return None
    there = teacher_files.identity_file() or teacher_files.stlpips_file()
    return _Networks() if there else None


@dataclass(frozen=True)
class _Truth:
    """What is found in one of the camera's pictures."""

    face: Face | None
    held_px: float
    """AKD of the source frame."""
    taps: list[Tensor] | None
    who: Tensor | None


class Referee:
    """Judges pictures of one clip.

    clip: the camera's. source: our source frame as the other side has it, which stands in for a picture without a face.
    """

    def __init__(self, clip: Clip, config: Config, source: Picture) -> None:
        cv2.setNumThreads(1)
        self._clip, self._config = clip, config
        self._mesh = _mesh()
        self._networks = _networks() if config.learned else None
        count = len(clip.pictures)
        self.slow = list(range(1, count, config.every))
        self.quick = sorted({*range(1, count, config.faces_every), *self.slow})
        run = min(config.jitter_frames, count - 1)
        self.run = list(range((count - run) // 2, (count - run) // 2 + run)) if run >= 3 else []
        held = self._look(source)
        self._truths = {number: self._truth(number, held) for number in self.quick}
        self._steady = self._points(clip.pictures) if self._mesh else None
        self._raw = _raw(clip.pictures) if config.vmaf else b""

    @property
    def numbers(self) -> set[int]:
        """The pictures at which figures other than VMAF look."""
        return {*self.quick, *self.run}

    def judge(self, pictures: Sequence[Picture]) -> tuple[Figures, list[tuple[int, float]]]:
        """Figures of all of a codec's pictures of the clip, and ST-LPIPS (else PSNR) per picture, as number and value."""
        rows: list[Figures] = []
        moments: list[tuple[int, float]] = []
        faces: list[tuple[Face, Face]] = []
        for number in self.quick:
            truth, picture = self._truths[number], pictures[number]
            face = self._look(picture) if truth.face is not None else None
            row = self._pixels(picture, self._clip.pictures[number])
            if truth.face is not None:
                row["face_missing"] = float(face is None)
                row["akd"] = truth.held_px if face is None else _distance(face, truth.face)
                if face is not None:
                    faces.append((truth.face, face))
            if number in self.slow:
                row |= self._slow(picture, face, truth)
                moments.append((number, row.get("st_lpips", row["psnr"])))
            rows.append(row)
        figures = _means(rows) | _openings(faces)
        if self._steady is not None and (shaking := jitter(self._steady, self._points(pictures))) is not None:
            figures["jitter"] = shaking
        if self._raw and (score := vmaf(self._raw, pictures, self._config.faces_every)) is not None:
            figures["vmaf"] = score
        return figures, moments

    def _truth(self, number: int, held: Face | None) -> _Truth:
        picture = self._clip.pictures[number]
        face = self._look(picture)
        slow = number in self.slow and self._networks is not None
        return _Truth(
            face,
            _distance(held, face) if held is not None and face is not None else float("nan"),
            self._networks.taps(picture) if slow and self._networks else None,
            self._networks.who(picture, face) if slow and self._networks and face else None,
        )

    def _look(self, picture: Picture) -> Face | None:
        return self._mesh.look(picture) if self._mesh is not None else None

    @staticmethod
    def _pixels(picture: Picture, true: Picture) -> Figures:
        figures = {"psnr": psnr(picture, true), "ssim": ssim(picture, true)}
        if min(picture.shape[:2]) >= MIN_MS_SSIM_SIDE:
            figures["ms_ssim"] = ms_ssim(picture, true)
        return figures

    def _slow(self, picture: Picture, face: Face | None, truth: _Truth) -> Figures:
        figures: Figures = {}
        if self._networks is None:
            return figures
        if truth.taps is not None and (taps := self._networks.taps(picture)) is not None:
            figures["st_lpips"] = self._networks.distance(taps, truth.taps)
        if truth.who is not None and face is not None and (who := self._networks.who(picture, face)) is not None:
            figures["identity"] = float(who @ truth.who)
        return figures

    def _points(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        """Face-mesh points (n, 468, 2) of the consecutive pictures for jitter, NaN where no face is found."""
        gap = np.full((468, 2), np.nan, np.float32)
        seen = [self._look(pictures[number]) for number in self.run]
        return np.array([gap if face is None else face.points for face in seen], np.float32).reshape(-1, 468, 2)


def _distance(a: Face, b: Face) -> float:
    return float(np.linalg.norm(a.points - b.points, axis=1).mean())


def _means(rows: Sequence[Figures]) -> Figures:
    """Mean of every figure over the pictures that have it."""
    names = {name for row in rows for name in row}
    values = {name: np.array([row[name] for row in rows if name in row]) for name in names}
    return {name: float(np.nanmean(found)) for name, found in values.items() if np.isfinite(found).any()}


def _openings(faces: Sequence[tuple[Face, Face]]) -> Figures:
    """Correlation and slope of mouth and eyes against the camera's, where those move."""
    figures: Figures = {}
    if len(faces) < FEWEST_OPENINGS:
        return figures
    for part, least in (("mouth", MOUTH_MOVES), ("eyes", EYES_MOVE)):
        true, ours = (np.array([getattr(pair[side], part) for pair in faces]) for side in (0, 1))
        if true.std() >= least:
            name = part.removesuffix("s")
            figures[f"{name}_r"], figures[f"{name}_slope"] = agreement(true, ours)
    return figures


def vmaf(camera: bytes, pictures: Sequence[Picture], every: int) -> float | None:
    """Mean VMAF of every n-th picture against the camera's (raw 4:2:0), by imageio-ffmpeg's libvmaf; None without it."""
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        return None
    from imageio_ffmpeg import get_ffmpeg_exe

    height, width = pictures[0].shape[:2]
    raw = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}", "-r", "25", "-threads", "1"]
    with tempfile.TemporaryDirectory() as folder:
        true, log = Path(folder) / "true.yuv", Path(folder) / "log.json"
        true.write_bytes(camera)
        measure = f"[0][1]libvmaf=n_threads=1:n_subsample={every}:log_fmt=json:log_path={log}"
        command = [get_ffmpeg_exe(), "-v", "error", *raw, "-i", "pipe:0", *raw, "-i", str(true), "-lavfi", measure]
        done = subprocess.run([*command, "-f", "null", "-"], input=_raw(pictures), capture_output=True, check=False)
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip().splitlines()
            raise FacewireError(f"VMAF could not be measured ({words[-1] if words else done.returncode})")
        return float(json.loads(log.read_text())["pooled_metrics"]["vmaf"]["mean"])


def _raw(pictures: Sequence[Picture]) -> bytes:
    return b"".join(to_yuv(picture).to_ndarray().tobytes() for picture in pictures)
