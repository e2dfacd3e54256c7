"""The call as the page sees it: lobby, call, end, again; what the page asks for is done, and what changes is told.

Comes in: messages of the page (`page_messages`) from `page_server`, and its media from `page_media`. Goes out: the messages of
docs/page.md, and the same `Session` that a call without a page is. `command` runs one `PageCall` for the whole process.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from math import radians
from typing import TYPE_CHECKING, Any, Literal

from facewire.call import page_news as news
from facewire.call.page_messages import (
    Badge,
    Budget,
    CameraSwitch,
    Consent,
    JoinRoom,
    LeaveRoom,
    Microphone,
    NewSource,
    Offer,
    PageMessage,
    PortraitSwitch,
    Quit,
    Record,
    View,
)
from facewire.call.page_news import MAX_DETAIL_CHARACTERS, MAX_KBPS, MIN_KBPS, Values
from facewire.call.page_server import PageHandler, PageServer, Send
from facewire.errors import DecodeError, FacewireError, InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from facewire.call.command import CallOptions
    from facewire.call.page_media import LocalLeg, PageCamera, PageMicrophone
    from facewire.call.recording import Recording
    from facewire.call.rival import H264Watch
    from facewire.call.session import Ending, Ends, Session
    from facewire.call.stats import CallStats
    from facewire.models.bundle import Bundle
    from facewire.models.runtime import Networks

TELL_EVERY_S = 0.1
FIGURES_EVERY_S = 0.5
PAGE_AWAY_S = 20.0
"""A page that was there and went away may come back for so long (a reload); then the process ends."""
PORTRAIT_FORMATS = ("PNG", "JPEG", "WEBP")

Phase = Literal["loading", "lobby", "joining", "call", "ended", "broken"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Loaded:
    """What is read once for all calls. sending and receiving do not wait for each other's networks."""

    bundle: Bundle
    sending: Networks
    receiving: Networks


class PageCall(PageHandler):
    """One process with a page. options: of `facewire call`. notice: told, in words, what the terminal may show too."""

    def __init__(self, options: CallOptions, notice: Callable[[str], None] = lambda text: None) -> None:
        self._options = options
        self._tell_terminal = notice
        self._send: Send | None = None
        self._told: dict[str, Values] = {}
        self._phase: Phase = "loading"
        self._code = self._detail = ""
        self._name = options.name
        self._budget = options.max_kbps
        self._camera_on = self._microphone_on = True
        self._view = View(*options.degrees, frontal=False)
        self._burnt = False
        self._portrait: NDArray[np.uint8] | None = None
        self._portrait_on = False

        self._loaded: _Loaded | None = None
        self._ends: Ends | None = None
        self._leg: LocalLeg | None = None
        self._camera: PageCamera | None = None
        self._microphone: PageMicrophone | None = None
        self._watch: H264Watch | None = None
        self._session: Session | None = None
        self._stats: CallStats | None = None
        self._recording: Recording | None = None
        self._words: tuple[tuple[bytes, bytes], tuple[str, ...]] | None = None
        self._sources = news.Sources()

        self._join_wanted, self._over = asyncio.Event(), asyncio.Event()
        self._calling: asyncio.Task[Ending] | None = None
        self._away: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.outcome: Values | None = None
        """Figures of the last call, for JSON."""
        self.failed = ""
        """Why the last call, or everything, failed, in words."""

    # --- the process

    def quit(self) -> None:
        """Ends the call, if one is held, and then `run`."""
        self._over.set()
        self._leave()

    async def run(self) -> None:
        """From loading to the end of the process. Never fails: what is wrong is told to the page, as phase `broken`."""
        telling = asyncio.create_task(self._tell_always())
        try:
            await self._load()
            while not self._over.is_set():
                await self._either(self._join_wanted, self._over)
                if self._join_wanted.is_set() and not self._over.is_set():
                    self._join_wanted.clear()
                    await self._hold_call()
        finally:
            await self._close()
            telling.cancel()
            await asyncio.gather(telling, *self._tasks, return_exceptions=True)

    @staticmethod
    async def _either(*events: asyncio.Event) -> None:
        waits = [asyncio.create_task(event.wait()) for event in events]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _load(self) -> None:
        try:
            self._loaded = await asyncio.to_thread(self._read_networks)
            await self._open_ends()
        except FacewireError as error:
            self._break(error)
            return
        self._enter("lobby")

    def _break(self, error: FacewireError) -> None:
        self.failed = str(error)
        self._tell_terminal(self.failed)
        self._enter("broken", "other", self.failed)

    def _read_networks(self) -> _Loaded:
        from facewire.models.bundle import load_bundle
        from facewire.models.runtime import Networks, networks_for_drawing

        bundle = load_bundle(self._options.weights)
        threads, backend = self._options.threads, self._options.backend
        sending = Networks(bundle, threads or 1, backend)  # as in `command`
        return _Loaded(bundle, sending, networks_for_drawing(bundle, threads, backend))

    async def _close(self) -> None:
        if self._calling is not None:
            self._calling.cancel()
            await asyncio.wait([self._calling])
        if self._ends is not None and self._ends.live is not None:
            await asyncio.to_thread(self._ends.live.stop)
        if self._leg is not None:
            await self._leg.close()
        if self._away is not None:
            self._away.cancel()

    # --- one call

    async def _hold_call(self) -> None:
        self._enter("joining")
        self._calling = asyncio.create_task(self._call())
        await asyncio.wait([self._calling])  # unlike awaiting it, this tells its cancellation from that of the process
        calling, self._calling = self._calling, None
        error = None if calling.cancelled() else calling.exception()
        self.failed = ""
        if calling.cancelled():
            self._enter("ended", "left")
        elif error is None:
            ending = calling.result()
            self.failed = ending.reason if ending.failed else ""
            self._enter("ended", ending.code, ending.reason)
        else:
            self.failed = (
                str(error) if isinstance(error, FacewireError) else f"the call failed ({type(error).__name__})"
            )
            if not isinstance(error, FacewireError):
                _log.error("the call failed", exc_info=error)
            self._enter("ended", "server" if isinstance(error, FacewireError) else "other", self.failed)
        if self._options.seconds is not None or self._options.wait_s is not None:
            self._over.set()
        if self._ends is None and not self._over.is_set():
            try:
                await self._open_ends()
            except FacewireError as error:
                self._break(error)

    async def _call(self) -> Ending:
        from facewire.call.recording import Recording
        from facewire.call.session import Session, SessionOptions
        from facewire.call.stats import CallStats
        from facewire.signaling import SignalingClient

        options, loaded = self._options, self._loaded
        assert loaded is not None
        assert self._ends is not None
        client = SignalingClient(options.server, options.room, options.token, self._name)
        session = Session(
            client,
            loaded.bundle,
            SessionOptions(self._name, self._budget, options.relay_only, options.seconds, options.wait_s, options.fps),
        )
        session.notice = self._notice
        async with client:
            session.ends, self._ends = self._ends, None
            recording = Recording(
                options.recordings,
                options.room,
                session.tell_recording,
                partial(self._in_loop, asyncio.get_running_loop(), self._recording_failed),
            )
            session.recording_step, session.greeted = recording.step, recording.greeted
            self._session, self._recording, self._stats = session, recording, CallStats(session)
            self._sources = news.Sources()
            self._switch()
            if session.ends.live is not None:
                session.ends.live.new_source()  # the other side gets to see how it is now, not when the lobby was opened
            self._enter("call")
            try:
                return await session.run()
            finally:
                self.outcome = self._stats.values()
                self._session = self._recording = self._stats = None
                recording.close()

    def _leave(self) -> None:
        if self._session is not None:
            self._session.end()
        elif self._calling is not None:
            self._calling.cancel()

    async def _open_ends(self) -> None:
        self._ends = await asyncio.to_thread(self._make_ends)
        if self._ends.live is not None:
            self._ends.live.start()  # the lobby shows what would be sent
        self._switch()
        self._look()

    def _make_ends(self) -> Ends:
        """Camera, microphone and player of one call."""
        from facewire.call.ends import open_portrait, open_sound, open_video
        from facewire.call.page_media import PageCamera, PageMicrophone, PagePicture
        from facewire.call.rival import H264Watch
        from facewire.call.session import Ends
        from facewire.receiver.playout import Playout, PlayoutOptions
        from facewire.receiver.sinks import PacedSound

        loaded, options = self._loaded, self._options
        assert loaded is not None
        ends = Ends()
        self._watch = H264Watch()
        camera, microphone = PageCamera(), PageMicrophone(ends.clock)
        self._camera, self._microphone = camera, microphone
        ends.live = open_video(
            options,
            loaded.sending,
            ends.clock,
            lambda source: self._to_session("source_ready", source),
            lambda packet, at_ms: self._to_session("motion_ready", packet, at_ms),
            lambda state: self._to_session("camera_state", state),
            page=camera,
            on_square=self._watch.take,
        )
        if self._portrait_on and ends.live is not None:
            ends.live.appear_as(self._portrait)
        ends.sound = open_sound(
            options, ends.clock, lambda packet, at_ms: self._to_session("sound_ready", packet, at_ms), page=microphone
        )
        portrait = None
        if options.portrait is not None:
            portrait = open_portrait(options.portrait, loaded.bundle.picture_size, None)
        ends.playout = Playout(
            loaded.receiving,
            PagePicture(self._show),
            PacedSound(self._play),
            PlayoutOptions(portrait=portrait),
            on_end=lambda reason: self._to_session("ended_by_sink", reason),
        )
        return ends

    def _to_session(self, method: str, *arguments: object) -> None:
        """From the threads of the ends; in the lobby there is nobody to tell."""
        session = self._session
        if session is not None:
            getattr(session, method)(*arguments)

    @staticmethod
    def _in_loop(loop: asyncio.AbstractEventLoop, call: Callable[[str], None], text: str) -> None:
        loop.call_soon_threadsafe(call, text)

    def _show(self, picture: NDArray[np.uint8], at_s: float) -> None:
        from facewire.call.badge import stamp

        leg, recording = self._leg, self._recording  # the event loop may take them away meanwhile
        if leg is not None:
            leg.show(stamp(picture) if self._burnt else picture, at_s)
        if recording is not None:
            recording.show(picture, at_s)

    def _play(self, samples: NDArray[np.int16], at_s: float) -> None:
        leg, recording = self._leg, self._recording
        if leg is not None:
            leg.play(samples)
        if recording is not None:
            recording.hear(samples, at_s)

    # --- the page

    def page_opened(self, send: Send) -> None:
        if self._away is not None:
            self._away.cancel()
            self._away = None
        self._send, self._told = send, {}
        send(news.hello(self._options, self._name))
        self._switch()
        self._tell()

    def page_closed(self) -> None:
        self._send = None
        self._burnt = False
        self._switch()
        if self._leg is not None:
            self._spawn(self._leg.close())
        self._away = asyncio.get_running_loop().call_later(PAGE_AWAY_S, self.quit)

    async def page_message(self, message: PageMessage) -> None:
        match message:
            case Offer():
                await self._answer(message.sdp)
            case JoinRoom():
                self._join(message.name)
            case LeaveRoom():
                self._leave()
            case Microphone():
                self._microphone_on = message.on
                self._switch()
            case CameraSwitch():
                self._camera_on = message.on
                self._switch()
            case View():
                self._view = message
                self._look()
            case Badge():
                self._burnt = message.burnt
            case Budget():
                self._set_budget(message.max_kbps)
            case Record() if self._recording is not None:
                self._recording.record(message.on)
            case Consent() if self._recording is not None:
                self._recording.consent(message.allow)
            case PortraitSwitch():
                self._appear(message.on)
            case NewSource():
                if (ends := self._current_ends()) is not None and ends.live is not None:
                    ends.live.new_source()
            case Quit():
                self.quit()
            case _:
                raise DecodeError("that has no meaning now")
        self._tell()

    async def _answer(self, sdp: str) -> None:
        if self._leg is None:
            leg_module = await asyncio.to_thread(_page_media)
            self._leg = leg_module.LocalLeg(self._camera_frame, self._microphone_frame)
        try:
            answer = await self._leg.answer(sdp)
        except DecodeError as error:
            self._say({"type": "problem", "code": "webrtc", "detail": str(error)})
            return
        self._say({"type": "answer", "sdp": answer})

    def _camera_frame(self, frame: Any) -> None:
        if self._camera is not None:
            self._camera.put(frame)

    def _microphone_frame(self, frame: Any) -> None:
        if self._microphone is not None:
            self._microphone.put(frame)
        if self._recording is not None and self._microphone_on:
            self._recording.say(_page_media().mono(frame))

    def _join(self, name: str) -> None:
        if self._phase not in ("lobby", "ended"):
            raise DecodeError(f"the room cannot be joined in phase {self._phase}")
        self._name = name
        self._enter("joining")
        self._join_wanted.set()

    def _switch(self) -> None:
        """Camera and microphone as the person wants them; both off while no page is there."""
        camera, microphone = self._camera_on, self._microphone_on
        if self._send is None:
            camera = camera and not self._options.page_camera  # a file plays on
            microphone = microphone and not self._options.page_microphone
        if self._session is not None:
            self._session.camera(camera)
            self._session.mute(not microphone)
        elif self._ends is not None and self._ends.live is not None:
            self._ends.live.pause(not camera)

    def _look(self) -> None:
        ends = self._current_ends()
        if ends is not None and ends.playout is not None:
            view = self._view
            ends.playout.free_view(radians(view.yaw), radians(view.pitch), radians(view.roll), frontal=view.frontal)

    def _set_budget(self, max_kbps: float | None) -> None:
        if max_kbps is not None and not MIN_KBPS <= max_kbps <= MAX_KBPS:
            raise DecodeError(f"max_kbps is to be from {MIN_KBPS:g} to {MAX_KBPS:g}")
        self._budget = max_kbps
        if self._session is not None:
            self._session.set_budget(max_kbps)

    def _appear(self, on: bool) -> None:
        if on and self._portrait is None:
            raise DecodeError("no portrait was posted")
        self._portrait_on = on
        ends = self._current_ends()
        if ends is not None and ends.live is not None:
            ends.live.appear_as(self._portrait if on else None)

    async def take_portrait(self, data: bytes) -> None:
        def framed() -> NDArray[np.uint8]:
            from facewire.sender.face_detector import FaceDetector
            from facewire.sender.framing import frame_picture
            from facewire.sender.media import decode_picture

            if self._loaded is None:
                raise InputError("the networks are still being read: try again in a moment")
            picture = decode_picture(io.BytesIO(data), "the picture", PORTRAIT_FORMATS)
            framing = frame_picture(picture, FaceDetector()).framing
            return framing.cut(picture, self._loaded.bundle.picture_size)

        self._portrait = await asyncio.to_thread(framed)
        if self._portrait_on:
            self._appear(True)
        self._tell()

    def picture(self, whose: str) -> bytes | None:
        ends = self._current_ends()
        if ends is None or self._loaded is None:
            return None
        return news.real_picture(ends, whose, self._loaded.bundle.picture_size)

    # --- what the page is told

    def _enter(self, phase: Phase, code: str = "", detail: str = "") -> None:
        self._phase, self._code, self._detail = phase, code, detail[:MAX_DETAIL_CHARACTERS]
        self._tell()

    def _notice(self, text: str) -> None:
        self._tell_terminal(text)
        self._say({"type": "problem", "code": "notice", "detail": text[:MAX_DETAIL_CHARACTERS]})

    def _recording_failed(self, text: str) -> None:
        if self._recording is not None:
            self._recording.failed()
        self._say({"type": "problem", "code": "disk", "detail": text[:MAX_DETAIL_CHARACTERS]})

    def _say(self, message: Values) -> None:
        if self._send is not None:
            self._send(message)

    def _tell(self) -> None:
        """Every message whose content is another than when it was last sent."""
        for key, message, ignored in self._state():
            known = {name: value for name, value in message.items() if name not in ignored}
            if self._send is not None and self._told.get(key) != known:
                self._told[key] = known
                self._send(message)

    async def _tell_always(self) -> None:
        figures_at = 0.0
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            now = time.monotonic()
            self._follow_session()
            self._tell()
            if self._session is not None and self._stats is not None and now - figures_at >= FIGURES_EVERY_S:
                figures_at = now
                self._stats.look()
                figures = self._watch.figures if self._watch is not None else None
                self._say(news.figures(self._session, self._stats, figures))

    def _follow_session(self) -> None:
        """What follows from how the session stands: the kind of a recording, the safety words of the connection."""
        session, recording = self._session, self._recording
        if session is None or recording is None:
            return
        theirs = session.peer_state.picture if session.peer_state is not None else "live"
        recording.portrait = self._options.portrait is not None or theirs == "portrait"
        fingerprints = session.fingerprints
        if fingerprints is not None and (self._words is None or self._words[0] != fingerprints):
            self._words = fingerprints, ()
            self._spawn(self._find_words(fingerprints))

    async def _find_words(self, fingerprints: tuple[bytes, bytes]) -> None:
        from facewire.call.safety import safety_words

        self._words = fingerprints, await asyncio.to_thread(safety_words, *fingerprints)

    def _state(self) -> list[tuple[str, Values, tuple[str, ...]]]:
        """All that the page is to know now: a key, the message, and its fields that change by themselves."""
        ends = self._current_ends()
        own = news.own(ends, camera_on=self._camera_on, microphone_on=self._microphone_on)
        state: list[tuple[str, Values, tuple[str, ...]]] = [
            ("phase", {"type": "phase", "phase": self._phase, "code": self._code, "detail": self._detail}, ()),
            ("own", own | {"portrait": self._portrait is not None}, ()),
            ("view", {"type": "view", **asdict(self._view)}, ()),
            ("budget", {"type": "budget", "max_kbps": self._budget}, ()),
            ("safety", {"type": "safety", "words": self._safety()}, ()),
        ]
        if self._session is not None:
            state.append(("call", news.call(self._session), ("seconds",)))
        if self._recording is not None:
            state.append(("recording", news.recording(self._recording), ("seconds",)))
        for whose in ("own", "other"):
            source = self._sources.news(whose, ends, self._session) if ends is not None else None
            if source is not None:
                state.append((f"source {whose}", source, ()))
        return state

    def _safety(self) -> list[str] | None:
        connected = self._session is not None and self._session.fingerprints is not None
        return list(self._words[1]) if connected and self._words is not None and self._words[1] else None

    # --- small things

    def _current_ends(self) -> Ends | None:
        return self._session.ends if self._session is not None else self._ends

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def hold(call: PageCall, opened: Callable[[PageServer], None]) -> None:
    """Serves the page and holds its calls until the person ends the process. opened: told once the page can be had."""
    server = PageServer(call)
    await server.start()
    try:
        opened(server)
        await call.run()
    finally:
        with contextlib.suppress(ConnectionError):
            await server.stop()


def _page_media() -> Any:
    """aiortc takes a second to import: not before the page is there."""
    from facewire.call import page_media

    return page_media
