"""The six networks in torch: their output before training, and growing from 128 to 256 pixels."""

import torch
from torch.nn import functional

from facewire.models.config import ModelConfig
from facewire.models.face_codec import FaceCodec
from facewire.models.receiver_networks import grown
from facewire.models.sender_networks import fit_similarity, undo_similarity


def untrained(size: int) -> FaceCodec:
    torch.manual_seed(0)
    codec = FaceCodec(ModelConfig(picture_size=size)).eval()
    codec.sender.template.copy_(torch.randn(codec.sender.template.shape) * 0.3)
    codec.face.mean.copy_(torch.randn(codec.face.mean.shape) * 0.3)
    return codec


def test_untrained_receiver_without_motion_shows_the_source() -> None:
    codec = untrained(128)
    picture = functional.interpolate(torch.rand(1, 3, 8, 8), size=128, mode="bilinear")
    motion = torch.zeros(1, 26)
    with torch.no_grad():
        out = codec.synthesise(picture, torch.zeros(1, 40), motion, motion, torch.zeros(1, 8))
    torch.testing.assert_close(out.warped, picture, atol=4e-3, rtol=0)


def test_several_drivings_of_a_source_agree_with_single_ones() -> None:
    codec = untrained(128)
    pictures, shapes = torch.rand(2, 3, 128, 128), torch.randn(2, 40)
    source, driving = torch.randn(2, 26) * 0.1, torch.randn(4, 26) * 0.1
    codec.scene.basis.copy_(torch.randn(codec.scene.basis.shape))
    scene = torch.randn(4, 8) * 0.05
    with torch.no_grad():
        together = codec.synthesise(pictures, shapes, source, driving, scene).frame
        for index in range(4):
            s = slice(index % 2, index % 2 + 1)
            one = slice(index, index + 1)
            alone = codec.synthesise(pictures[s], shapes[s], source[s], driving[one], scene[one]).frame
            torch.testing.assert_close(together[index : index + 1], alone, atol=1e-4, rtol=1e-4)


def test_grown_weights_agree_on_the_averaged_picture() -> None:
    small, large = untrained(128), untrained(256)
    target = large.state_dict()
    large.load_state_dict({n: grown(v, target[n].shape) for n, v in small.state_dict().items()})
    picture = torch.rand(1, 3, 256, 256)
    with torch.no_grad():
        a = small.receiver.appearance(functional.avg_pool2d(picture, 2))
        b = large.receiver.appearance(picture)
    torch.testing.assert_close(a.volume, b.volume, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(a.skip128, b.skip128, atol=1e-4, rtol=1e-4)


def test_similarity_is_recovered_and_undone() -> None:
    template = torch.randn(45, 2) * 0.3
    turn, x, y, scale = 0.3, 0.1, -0.2, 0.15
    c, s = torch.tensor(turn).cos(), torch.tensor(turn).sin()
    matrix = torch.stack([torch.stack([c, -s]), torch.stack([s, c])]) * torch.tensor(scale).exp()
    points = (template @ matrix.T + torch.tensor([x, y]))[None]
    frame = fit_similarity(points, template)
    torch.testing.assert_close(frame[0], torch.tensor([turn, x, y, scale]), atol=1e-4, rtol=0)
    torch.testing.assert_close(undo_similarity(points, frame)[0], template, atol=1e-4, rtol=0)


def test_untrained_pose_head_starts_at_identity() -> None:
    codec = untrained(256)
    with torch.no_grad():
        reading = codec.read(torch.rand(2, 3, 256, 256))
    assert reading.pose[:, :2].abs().max() < 1e-3
    assert (reading.expression == 0).all()
    assert (reading.shape == 0).all()
