"""The adversary: multi-scale patch discriminators with hinge loss and feature matching (paper, section 3.3; Wang et al. 2018).

From synthesised and true pictures it computes losses for the networks. The discriminators are trained here, with their own
optimiser. `joint_stage` uses the adversary and keeps its state in the run's checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from facewire.training.ranks import average_gradients, share_weights

WIDTHS = (24, 48, 96)
SCALES = 2
LEARNING_RATE = 4e-4


class PatchDiscriminator(nn.Module):
    """Pictures (B, 3, S, S) in [0, 1] -> scores (B, 1, S/8, S/8) of overlapping patches of 38 pixels, and features."""

    def __init__(self) -> None:
        super().__init__()
        layers, inputs = [], 3
        for width in WIDTHS:
            layers.append(spectral_norm(nn.Conv2d(inputs, width, 4, 2, 1)))
            inputs = width
        self.layers = nn.ModuleList(layers)
        self.score = spectral_norm(nn.Conv2d(inputs, 1, 3, 1, 1))

    def forward(self, picture: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Scores, and a feature map of each layer."""
        features = []
        x = picture * 2 - 1
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.score(x), features


@dataclass(frozen=True)
class AdversaryLosses:
    """What the networks learn from the adversary."""

    feature_matching: Tensor
    """Mean distance of the discriminators' features."""
    adversarial: Tensor
    """Hinge loss −D(ours)."""


class Adversary:
    """Discriminators at full and half size, with their training."""

    def __init__(self, device: torch.device) -> None:
        self.networks = nn.ModuleList(PatchDiscriminator() for _ in range(SCALES)).to(device)
        share_weights(self.networks)
        self.optimiser = torch.optim.Adam(self.networks.parameters(), LEARNING_RATE, (0.5, 0.999))

    def views(self, picture: Tensor) -> list[tuple[Tensor, list[Tensor]]]:
        """Scores and features at each scale."""
        return [net(functional.avg_pool2d(picture, 2**i) if i else picture) for i, net in enumerate(self.networks)]

    def learn(self, ours: Tensor, true: Tensor) -> Tensor:
        """Train the discriminators for one step: true patches above 1, ours below −1. Returns the hinge loss; 2 is a guess."""
        self.networks.requires_grad_(True)
        loss = ours.new_zeros(())
        for (score_true, _), (score_ours, _) in zip(self.views(true), self.views(ours.detach()), strict=True):
            loss = (
                loss + functional.relu(1 - score_true.float()).mean() + functional.relu(1 + score_ours.float()).mean()
            )
        loss = loss / SCALES
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        loss = average_gradients(list(self.networks.parameters()), loss)
        if torch.isfinite(loss):
            self.optimiser.step()
        return loss.detach()

    def losses(self, ours: Tensor, true: Tensor) -> AdversaryLosses:
        """Losses of synthesised against true pictures, with the discriminators frozen."""
        self.networks.requires_grad_(False)
        adversarial = feature_matching = ours.new_zeros(())
        with torch.no_grad():
            wanted = self.views(true)
        for (score, found), (_, theirs) in zip(self.views(ours), wanted, strict=True):
            adversarial = adversarial - score.float().mean() / SCALES
            for a, b in zip(found, theirs, strict=True):
                near = (a.float() - b.float()).abs().mean() / (b.float().abs().mean() + 1e-6)
                feature_matching = feature_matching + near / (SCALES * len(WIDTHS))
        return AdversaryLosses(feature_matching, adversarial)

    def state_dict(self) -> dict[str, Any]:
        """For the run's checkpoint."""
        return {"networks": self.networks.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore from a checkpoint."""
        self.networks.load_state_dict(state["networks"])
        self.optimiser.load_state_dict(state["optimiser"])
