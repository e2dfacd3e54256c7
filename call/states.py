"""The states of a call, how it ended, and its totals."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from facewire.signaling.events import RefusalCode

CallState = Literal["waiting", "connecting", "connected", "stalled", "ended"]
EndCode = RefusalCode | Literal["left", "other-left", "other-ended", "server", "versions", "time", "nobody", "other"]
"""Why a call ended: the signaling server refused (`RefusalCode`); this side left; the other side left the room, or ended the
call; the signaling server cannot be reached; the two programs do not match; the time limit was reached; nobody came; anything
else.
"""


@dataclass(frozen=True)
class Ending:
    """How a call ended."""

    reason: str
    """In words; empty where there is nothing to say."""
    failed: bool = False
    """The call did not end because somebody wanted it to."""
    code: EndCode = "other"


@dataclass
class SessionStats:
    """Totals over the whole call."""

    connections: int = 0
    """How often a connection opened."""
    attempts: int = 0
    stalls: int = 0
    stalled_s: float = 0.0
    longest_silence_s: float = 0.0
    sources_received: int = 0
    """Complete source messages, previews included: a call begins with a small preview and then the source frame itself."""
    first_open_s: float | None = None
    """From the moment the other side was in the room to the first open connection."""
    first_media_s: float | None = None
    """The same to its first motion or sound."""
    first_picture_s: float | None = None
    """The same to the first picture of it that was shown."""
    refused: Counter[str] = field(default_factory=Counter)
    """Messages that were rejected, by reason: malformed, repeated, flood, undecodable."""
