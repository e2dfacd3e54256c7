"""Which picture the other side is shown: the one synthesised from motion, or the camera's own as ordinary video.

`live` tells it about every picture (faces, how like the camera's picture the synthesised one is), and sends what it says. It is
pure and has no clock. Both ways it waits until it is sure, and longer after every change that did not last, so that a hand that
comes and goes makes no flicker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # the command line knows the modes without numpy
    from facewire.codec.pixels import Layer

PictureMode = Literal["auto", "motion", "camera"]
PICTURE_MODES: tuple[PictureMode, ...] = ("auto", "motion", "camera")
"""What the user wants to be shown: whatever is right, always the synthesised picture, always the camera's."""
Why = Literal["", "asked", "no-face", "two-faces", "unlike", "path", "other-side"]
"""Why the camera's picture is shown; or, with the layer "motion", why it is not although it should be: the path carries too
little, or the other side cannot draw it."""

UNLIKE = 0.5
"""Below this likeness the synthesised picture is another one than the camera's. On 14 validation clips the least is 0.67; single
looks at the bundled clip, where a landscape passes by, go down to 0.55."""
LIKE = 0.6
"""And above this one it is the same again."""
SURE_MS = 70.0
"""A face must be missing, or two be there, for so long: two looks of the detector."""
UNLIKE_MS = 200.0
"""And two looks so far apart must find the pictures unlike: after the first, a further source frame may have helped."""
UNLIKE_KBPS = 14.0
"""Where video has less than this of the wire, what is merely unlike is no worse than such video."""
STALE_MS = 4000.0
"""A look says nothing any more after so long."""
ALONE_MS = 1000.0
"""One face, and likeness, must be back for so long before motion takes over again."""
RELAPSE_MS = 6000.0
"""If the last change to motion did not last this long, the next one waits twice as long,"""
MOST_ALONE_MS = 8000.0
"""but no longer than this."""


@dataclass(frozen=True)
class Choice:
    """What to show, and why."""

    layer: Layer = "motion"
    why: Why = ""


class PictureChoice:
    """Decides for one sender. Times are capture times in ms and do not decrease."""

    def __init__(self, mode: PictureMode = "auto") -> None:
        self.mode = mode
        """May be changed at any time."""
        self._shown = Choice()
        self._since: dict[Why, float] = {}
        """Since when there is each of the reasons for the camera's picture."""
        self._alone_since: float | None = None
        self._alone_ms = ALONE_MS
        self._changed_ms = float("-inf")
        self._unlike = False
        self._doubted_ms: float | None = None
        """When the first of the looks in a row was that found the pictures unlike."""
        self._looked_ms = float("-inf")

    @property
    def shown(self) -> Choice:
        """The last decision."""
        return self._shown

    def looked(self, time_ms: float, likeness: float) -> None:
        """How like the synthesised picture is to the camera's, 0 to 1, for the picture captured then."""
        self._looked_ms = time_ms
        if likeness >= (LIKE if self._unlike else UNLIKE):
            self._unlike, self._doubted_ms = False, None
        elif self._doubted_ms is None:
            self._doubted_ms = time_ms
        else:
            self._unlike = self._unlike or time_ms - self._doubted_ms >= UNLIKE_MS

    def decide(
        self, time_ms: float, faces: int, *, can_send: bool, can_draw: bool | None = True, sharp: bool = True
    ) -> Choice:
        """What to show for the picture captured then.

        faces: in the picture, when last looked for. can_send: the path has room for video. can_draw: the other side can
        draw it; None while that is not known. sharp: video would have enough of the path to replace what is merely unlike.
        """
        why = self._why(time_ms, faces, sharp=sharp)
        if why and not can_draw:
            choice = Choice("motion", "" if can_draw is None else "other-side")
        elif why and not can_send:
            choice = Choice("motion", "path")
        else:
            choice = Choice("camera", why) if why else Choice()
        if choice.layer != self._shown.layer:
            relapsed = choice.layer == "camera" and time_ms - self._changed_ms < RELAPSE_MS and why != "asked"
            if choice.layer == "camera":
                self._alone_ms = min(2 * self._alone_ms, MOST_ALONE_MS) if relapsed else ALONE_MS
            self._changed_ms = time_ms
        self._shown = choice
        return choice

    def _why(self, time_ms: float, faces: int, *, sharp: bool) -> Why:
        """Why the camera's picture is due; empty if it is not."""
        if time_ms - self._looked_ms > STALE_MS:
            self._unlike, self._doubted_ms = False, None
        present: dict[Why, bool] = {
            "no-face": faces == 0,
            "two-faces": faces > 1,
            "unlike": self._unlike and sharp and faces == 1,
        }
        self._since = {why: self._since.get(why, time_ms) for why, there in present.items() if there}
        self._alone_since = None if self._since else (time_ms if self._alone_since is None else self._alone_since)
        if self.mode != "auto":
            return "asked" if self.mode == "camera" else ""
        before = self._shown.why if self._shown.layer == "camera" and self._shown.why != "asked" else ""
        sure = [why for why, since in self._since.items() if why == "unlike" or time_ms - since >= SURE_MS]
        if sure:
            return sure[0]
        if before and (self._alone_since is None or time_ms - self._alone_since < self._alone_ms):
            return before
        return ""
