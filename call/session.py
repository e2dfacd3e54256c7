"""A call: two people, one room, both directions of media, and recovery when the network goes away.

A program makes `Ends` (`ends.open_ends`, or parts of its own), something to find the other side with (`facewire.signaling`),
and runs a `Session`. The rules of recovery: after 1 s of silence the call counts as stalled, which is only shown; after 3 s
another connection is made in the same room, while the old one may still come back (`connections`). The call goes on when
the signaling server goes away.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from facewire.call.connections import STALL_S, Connections, Signaling
from facewire.call.conversation import Conversation
from facewire.call.ends import Ends
from facewire.call.link import LinkState
from facewire.call.listener import Listener
from facewire.call.options import SessionOptions
from facewire.call.rate import Rate
from facewire.call.rate_loop import RateLoop
from facewire.call.states import CallState, EndCode, Ending, SessionStats
from facewire.call.tasks import Tasks
from facewire.call.traffic import Traffic
from facewire.models.bundle import Bundle
from facewire.sender.picture_choice import PictureMode
from facewire.signaling import Refused, ServerBack, ServerGone

TICK_S = 0.005
"""How often outgoing messages are looked at."""
CHECK_S = 0.05
"""How often the state of the call is."""
BYE_S = 0.4
"""Time for the last message to leave."""
NO_PATH_S = 12.0
"""Without a connection for so long, though the other side is there, there may be no path to it: one attempt takes 10 s."""
NO_PATH = (
    "the other side is in the room, but no path to it is found: a firewall may block UDP. What helps is a TURN server that the "
    "signaling server names (facewire serve --ice turn:…), or another network"
)
MAX_REASON_CHARACTERS = 200


class Session:
    """One call in one room.

    signaling: joined, or joining. bundle: weights of both ends. ends: `run` starts and stops them. InputError for options that
    nothing fits in. Except for what `Uplink` does, all belongs to the event loop of `run`.
    """

    def __init__(
        self,
        signaling: Signaling,
        bundle: Bundle,
        ends: Ends,
        options: SessionOptions | None = None,
        listener: Listener | None = None,
    ) -> None:
        self._signaling = signaling
        self._options = options or SessionOptions()
        self._listener = listener or Listener()
        self.ends = ends
        self.stats = SessionStats()
        self.state: CallState = "waiting"
        self._tasks = Tasks(self._listener.notice)
        self._conversation = Conversation(
            bundle, ends, self._options, self.stats, self._listener, self._tasks, self._end
        )
        self.outgoing, self.other = self._conversation.outgoing, self._conversation.other
        self.texts = self._conversation.texts
        self._connections = Connections(
            signaling, self._conversation, self.stats, self._tasks, relay_only=self._options.relay_only
        )
        self._rate_loop = RateLoop(self._options, ends, self._conversation, self._connections)
        self._ending: asyncio.Future[Ending] | None = None
        self._camera_on = True
        self._started_at = 0.0
        self._stalled_at: float | None = None
        self._said_no_path = False

    # --- what the user wants

    def mute(self, muted: bool) -> None:
        """Microphone off or on."""
        self._conversation.mute(muted)

    @property
    def muted(self) -> bool:
        return self._conversation.muted

    def camera(self, on: bool) -> None:
        """Camera off or on."""
        self._camera_on = on
        if self.ends.live is not None:
            self.ends.live.pause(not on)

    @property
    def camera_on(self) -> bool:
        return self._camera_on

    def show(self, picture: PictureMode) -> None:
        """Which picture the other side is shown of this one."""
        if self.ends.live is not None:
            self.ends.live.show(picture)

    def set_budget(self, max_kbps: float | None) -> None:
        """Changes the bandwidth limit; InputError for one that nothing fits in. The rate starts low again."""
        self._rate_loop.set_budget(max_kbps)

    def write(self, text: str) -> None:
        """Writes a line to the other person, who gets it now or once they can be reached; `texts` says which. InputError for one
        that cannot be sent.
        """
        self._conversation.write(text)

    def tell_recording(self, step: str) -> None:
        """Tells the other side about recordings: see `messages.Recording`."""
        self._conversation.tell_recording(step)

    def end(self, reason: str = "", *, failed: bool = False, code: EndCode = "left") -> None:
        """Ends the call; `run` returns once the other side was told."""
        self._end(Ending(reason, failed, code))

    def _end(self, ending: Ending) -> None:
        if self._ending is not None and not self._ending.done():
            self._ending.set_result(ending)

    # --- how things stand

    @property
    def rate(self) -> Rate:
        """What the rate control has chosen."""
        return self._rate_loop.rate

    @property
    def link(self) -> LinkState:
        """The path as it is now, or as it was when there last was one."""
        return self._connections.link

    @property
    def server_there(self) -> bool:
        return self._connections.server_there

    @property
    def fingerprints(self) -> tuple[bytes, bytes] | None:
        """SHA-256 of the certificates of the connection in use, this side's first; None while there is none."""
        current = self._connections.current
        return current.peer.fingerprints if current is not None else None

    def traffic(self) -> Traffic:
        """All connections of this call together."""
        return self._connections.traffic()

    @property
    def open_s(self) -> float | None:
        """Seconds since the call first opened; None before."""
        opened_at = self._conversation.opened_at
        return None if opened_at is None else time.monotonic() - opened_at

    def end_to_end_ms(self) -> float | None:
        """From the capture of the picture now shown to its showing; None while that is not known.

        Right to some milliseconds where the path is alike both ways and the greeting was not lost at first.
        """
        rtt_ms = self.link.rtt_ms
        shown = self.ends.playout.stats() if self.ends.playout is not None else None
        if shown is None or shown.shown_capture_ms is None or shown.shown_at_s is None or rtt_ms is None:
            return None
        captured_s = self.other.captured_s(shown.shown_capture_ms)
        return None if captured_s is None else 1000 * (shown.shown_at_s - captured_s) + rtt_ms / 2

    # --- the call

    async def run(self) -> Ending:
        """Holds the call until somebody ends it. Starts the ends and stops them."""
        self._ending = asyncio.get_running_loop().create_future()
        self._started_at = time.monotonic()
        self._conversation.start()
        self._rate_loop.start()
        work = [asyncio.create_task(step()) for step in (self._listen, self._tick, self._rate_loop.run)]
        try:
            self.ends.start()
            awaited: list[asyncio.Future[Any]] = [self._ending, *work]
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            for task in work:
                if task.done():
                    task.result()  # raises what ended it
            lost = Ending("the signaling ended", failed=True, code="server")
            ending = self._ending.result() if self._ending.done() else lost
            if self._conversation.say_goodbye(ending.reason[:MAX_REASON_CHARACTERS] if ending.failed else ""):
                await asyncio.sleep(BYE_S)
            return ending
        finally:
            self.state = "ended"
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            await self._tasks.close()
            await self._connections.close()
            await self.ends.stop(self._listener.notice)

    async def _listen(self) -> None:
        async for event in self._signaling:
            self._connections.take(event)
            match event:
                case ServerGone():
                    self._listener.notice("the signaling server is gone; the call goes on without it")
                case ServerBack():
                    self._listener.notice("the signaling server is back")
                case Refused():
                    self.end(event.reason, failed=True, code=event.code)
                    return

    async def _tick(self) -> None:
        checked_at = 0.0
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            self.outgoing.tick(now)
            if now - checked_at < CHECK_S:
                continue
            checked_at = now
            self._follow_silence(now)
            self._rate_loop.follow_layer()
            self.state = self._current_state()
            self._note_firsts(now)
            self._connections.check(now)
            self._conversation.begin_files()
            self._check_end(now)

    def _current_state(self) -> CallState:
        connections = self._connections
        if connections.current is None:
            tried = connections.pending is not None or (self.stats.attempts and connections.present_at is not None)
            return "connecting" if tried else "waiting"
        if self._stalled_at is not None:
            return "stalled"
        if connections.current.inbox.greeted:
            return "connected"
        return self.state  # a new connection that the other side has not greeted over yet

    def _follow_silence(self, now: float) -> None:
        """Notes when a stall begins and ends. Without a connection, a stall that began before goes on."""
        silence = self._connections.silence()
        if silence is None:
            return
        self.stats.longest_silence_s = max(self.stats.longest_silence_s, silence)
        if silence >= STALL_S and self._stalled_at is None:
            self.stats.stalls += 1
            self._stalled_at = now
            self._listener.notice("nothing comes from the other side any more; the call goes on when it does")
        elif silence < STALL_S and self._stalled_at is not None:
            stalled_s, self._stalled_at = now - self._stalled_at, None
            self.stats.stalled_s += stalled_s
            self._listener.notice(f"the other side is back after {stalled_s + STALL_S:.1f} s")

    def _note_firsts(self, now: float) -> None:
        """How long it took until there was something to hear or see."""
        present_at, playout, media_at = (
            self._connections.present_at,
            self.ends.playout,
            self._conversation.first_media_at,
        )
        if present_at is None:
            return
        if self.stats.first_media_s is None and media_at is not None:
            self.stats.first_media_s = media_at - present_at
        if self.stats.first_picture_s is None and playout is not None and playout.stats().shown:
            self.stats.first_picture_s = now - present_at

    def _check_end(self, now: float) -> None:
        options, opened_at, silence = self._options, self._conversation.opened_at, self._connections.silence()
        if opened_at is None:
            present_at = self._connections.present_at
            waited = options.wait_s is not None and now - self._started_at >= options.wait_s
            if waited and present_at is None:
                self.end(f"nobody came within {options.wait_s:g} s", failed=True, code="nobody")
            elif waited:
                self.end(f"no connection within {options.wait_s:g} s: {NO_PATH}", failed=True)
            elif present_at is not None and now - present_at >= NO_PATH_S and not self._said_no_path:
                self._said_no_path = True
                self._listener.notice(f"{NO_PATH}; trying on")
            return
        if options.seconds is not None and now - opened_at >= options.seconds:
            self.end(code="time")
        if self._connections.other_left and (silence is None or silence >= STALL_S):
            self.end("the other side left", code="other-left")
