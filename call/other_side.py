"""What the other side says of itself."""

from __future__ import annotations

import time

from facewire.call.messages import Hello, State


class OtherSide:
    """The program at the other end, as far as it is known; outlives connections. Times are those of `time.monotonic`."""

    def __init__(self) -> None:
        self.hello: Hello | None = None
        """Its last greeting; None before the first."""
        self.state: State | None = None
        """Its camera and microphone; None before it told."""
        self._clock_offset_s: float | None = None
        """Our clock when its capture clock began, less the travel time of its greeting."""

    @property
    def name(self) -> str:
        return self.hello.name if self.hello is not None else ""

    @property
    def through(self) -> str:
        """The server that speaks for it, and sees and hears all of the call; empty where there is none."""
        return self.hello.through if self.hello is not None else ""

    def greeted(self, hello: Hello, now: float) -> bool:
        """Takes a greeting. Returns whether it is the same program as before, with all its state."""
        same = self.hello is not None and self.hello.session == hello.session
        offset_s = now - hello.clock_ms / 1000
        if same and self._clock_offset_s is not None:
            offset_s = min(offset_s, self._clock_offset_s)
        self.hello, self._clock_offset_s = hello, offset_s
        return same

    def captured_s(self, capture_ms: float) -> float | None:
        """When the other side captured something, by our clock; None while that is not known.

        The clocks are compared by the greeting, as if it had taken no time: the result is late by its travel time, about
        half a round trip.
        """
        return None if self._clock_offset_s is None else self._clock_offset_s + capture_ms / 1000

    def captured_at(self, capture_ms: float) -> float | None:
        """The same in seconds since 1970."""
        captured_s = self.captured_s(capture_ms)
        return None if captured_s is None else time.time() - time.monotonic() + captured_s
