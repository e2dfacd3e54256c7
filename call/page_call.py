"""The process behind the page: lobby, call, end, and the next call.

`command` runs one `PageCall` for the whole process. The page's messages (`page_messages`) come in from `page_http`; what
they ask for is done, and the page is told what changed (`page_news`, docs/page.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Literal

from facewire.call import page_news as news
from facewire.call.messages import MAX_NAME_CHARACTERS
from facewire.call.options import CallOptions, PageOptions
from facewire.call.page_devices import PageDevices, frame_portrait
from facewire.call.page_http import PageHandler, Send
from facewire.call.page_kept import Kept, NothingKept
from facewire.call.page_messages import (
    Badge,
    Budget,
    CameraSwitch,
    Consent,
    Invite,
    JoinRoom,
    Keep,
    LeaveRoom,
    Microphone,
    NewSource,
    Offer,
    PageMessage,
    PictureShown,
    PortraitSwitch,
    Quit,
    Record,
    View,
    Write,
)
from facewire.call.page_news import MAX_DETAIL_CHARACTERS, Values
from facewire.call.page_outbox import News, PageOutbox
from facewire.call.page_server import PageServer
from facewire.call.page_settings import PageSettings
from facewire.call.tasks import Tasks
from facewire.errors import DecodeError, FacewireError, InputError

if TYPE_CHECKING:  # the page is there before these are imported
    from facewire.call.ends import EndNetworks
    from facewire.call.held_call import HeldCall
    from facewire.call.room import RoomClient
    from facewire.call.session import Session
    from facewire.call.states import Ending

TELL_EVERY_S = 0.1
FIGURES_EVERY_S = 0.5
INVITATION_S = 24 * 3600
PAGE_AWAY_S = 20.0
"""A page that was there and went away may come back for this long (a reload); then the process ends."""

Phase = Literal["loading", "lobby", "joining", "call", "ended", "broken"]

_log = logging.getLogger(__name__)


class PageCall(PageHandler):
    """One page and its calls.

    tell_terminal: told, in words, what the terminal may show too. networks: where they come from, called in a thread; by default
    they are loaded. client: makes the signaling of each call from the person's name; by default a client of the server that the
    options name. The gateway gives the last two.
    """

    def __init__(
        self,
        options: CallOptions,
        page: PageOptions,
        tell_terminal: Callable[[str], None] = lambda text: None,
        *,
        networks: Callable[[], EndNetworks] | None = None,
        client: Callable[[str], RoomClient] | None = None,
    ) -> None:
        self._options, self._page, self._tell_terminal = options, page, tell_terminal
        self._get_networks, self._client = networks or (lambda: _load_networks(options)), client
        self._outbox, self._settings = PageOutbox(), PageSettings(options, page)
        self._devices = PageDevices(page.guest)
        self._kept = Kept() if page.guest is None else NothingKept()
        if not self._settings.name:
            self._settings.name = self._kept.values.get("name", "")[:MAX_NAME_CHARACTERS]
        self._sources = self._new_sources()
        self._phase: Values = {}
        self.phase_since_s = 0.0
        self._enter("loading")
        self._networks: EndNetworks | None = None
        self._held: HeldCall | None = None
        self._calling: asyncio.Task[Ending] | None = None
        self._join_wanted, self._over = asyncio.Event(), asyncio.Event()
        self._away: asyncio.TimerHandle | None = None
        self._invitation: str | None = None
        """The last link made for somebody else; empty before one is asked for, None where the server makes none."""
        self._tasks = Tasks(self._tell_terminal)
        self.outcome: Values | None = None
        """Figures of the last call, for JSON."""
        self.failed = ""
        """Why the last call, or everything, failed, in words."""

    # --- the process

    @property
    def phase(self) -> Phase:
        """Where the page is; `phase_since_s` says since when, by `time.monotonic`."""
        phase: Phase = self._phase["phase"]
        return phase

    def quit(self) -> None:
        """Ends the call, if one is held, and then `run`."""
        self._over.set()
        self._leave()

    async def run(self) -> None:
        """From loading to the end of the process. What goes wrong is not raised: the page is told, as phase `broken`."""
        telling = asyncio.create_task(self._tell_always())
        if self._page.guest is None:
            self._tasks.spawn(self._ask_for_gateway)
        try:
            await self._load()
            while not self._over.is_set():
                await _either(self._join_wanted, self._over)
                if self._join_wanted.is_set() and not self._over.is_set():
                    self._join_wanted.clear()
                    await self._call()
        finally:
            await self._close()
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            await self._tasks.close()

    async def _load(self) -> None:
        try:
            self._networks = await asyncio.to_thread(self._get_networks)
            await self._open_ends(self._networks)
        except FacewireError as error:
            self._break(error)
            return
        self._enter("lobby")

    async def _open_ends(self, networks: EndNetworks) -> None:
        ends = await asyncio.to_thread(self._devices.open_ends, self._options, self._page, networks)
        self._settings.use(ends)
        if ends.live is not None:
            for remark in ends.live.remarks:
                self._tell_terminal(remark)
            ends.live.start()  # the lobby shows what would be sent

    def _break(self, error: FacewireError) -> None:
        self.failed = str(error)
        self._tell_terminal(self.failed)
        self._enter("broken", "other", self.failed)

    async def _close(self) -> None:
        if self._calling is not None:
            self._calling.cancel()
            await asyncio.wait([self._calling])
        ends = self._settings.ends
        if ends is not None and ends.live is not None:
            await asyncio.to_thread(ends.live.stop)
        await self._devices.close()
        if self._away is not None:
            self._away.cancel()

    # --- one call

    async def _call(self) -> None:
        """Holds a call, tells the page how it ended, and opens the ends for the next one."""
        assert self._networks is not None
        self._enter("joining")
        self._calling = asyncio.create_task(self._hold(self._networks))
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
        elif isinstance(error, FacewireError):
            self.failed = str(error)
            from facewire.signaling.client import ServerUnreachable

            self._enter("ended", "server" if isinstance(error, ServerUnreachable) else "refused", self.failed)
        else:
            _log.error("the call failed", exc_info=error)
            self.failed = f"the call failed ({type(error).__name__})"
            self._enter("ended", "other", self.failed)
        once = self._options.session.seconds is not None or self._options.session.wait_s is not None
        if once and self._page.guest is None:
            self._over.set()
        if self._settings.ends is None and not self._over.is_set():
            try:
                await self._open_ends(self._networks)
            except FacewireError as error:
                self._break(error)

    async def _hold(self, networks: EndNetworks) -> Ending:
        """The call itself. The lobby's ends become its own once the room is joined."""
        from facewire.call.held_call import HeldCall

        ends = self._settings.ends
        assert ends is not None
        options = replace(self._options, session=self._settings.session_options())
        client = self._client(options.session.name) if self._client is not None else None
        held = HeldCall(options, self._page, networks.bundle, ends, self._tasks, self._problem, client)
        async with held.client:
            self._held, self._sources, self._devices.recording = held, self._new_sources(), held.recordings
            self._settings.use(ends, held.session)
            self._settings.new_source()  # the other side sees how it is now, not when the lobby was opened
            self._enter("call")
            try:
                return await held.session.run()
            finally:
                self.outcome = held.stats.values()
                self._held = self._devices.recording = None
                self._settings.use(None)
                held.recordings.close()

    def _leave(self) -> None:
        if self._held is not None:
            self._held.session.end()
        elif self._calling is not None:
            self._calling.cancel()

    # --- the page

    def page_opened(self, send: Send) -> None:
        if self._away is not None:
            self._away.cancel()
            self._away = None
        self._outbox.connect(send)
        send(news.hello(self._options, self._page, self._settings.name, self._kept.values))
        self._settings.page_there(True)
        self._tell()

    def page_closed(self) -> None:
        self._outbox.disconnect()
        self._devices.burnt = False
        self._settings.page_there(False)
        if self._over.is_set():
            return
        self._tasks.spawn(self._devices.close)
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
                self._settings.switch_microphone(message.on)
                self._devices.microphone_on = message.on
            case CameraSwitch():
                self._settings.switch_camera(message.on)
            case View():
                self._settings.look_from(message)
            case Badge():
                self._devices.burnt = message.burnt
            case Budget():
                self._settings.set_budget(message.max_kbps)
            case Write() if self._held is not None:
                self._write(self._held.session, message.text)
            case Record() | PortraitSwitch() if self._page.guest is not None:
                raise DecodeError("guests appear as they are, and record nothing here")
            case PictureShown():
                self._settings.show(message.mode)
            case Record() if self._held is not None:
                self._held.recordings.record(message.on)
            case Consent() if self._held is not None:
                self._held.recordings.consent(message.allow)
            case PortraitSwitch():
                self._settings.appear(message.on)
            case NewSource():
                self._settings.new_source()
            case Keep():
                self._kept.keep(message)
            case Invite() if self._invitation is not None:
                self._tasks.spawn(self._invite)
            case Quit():
                self.quit()
            case _:
                raise DecodeError("that has no meaning now")
        self._tell()

    async def _answer(self, sdp: str) -> None:
        try:
            answer = await self._devices.answer(sdp)
        except DecodeError as error:
            self._outbox.say({"type": "problem", "code": "webrtc", "detail": str(error)})
            return
        self._outbox.say({"type": "answer", "sdp": answer})

    async def _ask_for_gateway(self) -> None:
        from facewire.signaling import inviting

        if await inviting.is_gateway(inviting.gateway_url(self._options.server)):
            self._invitation = ""
            self._tell()

    async def _invite(self) -> None:
        """A link for one person, by the right of this one to be in the room."""
        from facewire.signaling import inviting

        token = self._held.client.token if self._held is not None else self._options.token
        gateway = inviting.gateway_url(self._options.server)
        try:
            link = await inviting.invite(gateway, token, self._options.room, INVITATION_S)
        except InputError as error:
            self._problem("notice", str(error))
            return
        self._invitation = str(link)
        self._tell()

    def _write(self, session: Session, text: str) -> None:
        try:
            session.write(text)
        except InputError as error:
            self._problem("notice", str(error))

    def _join(self, name: str) -> None:
        if self._phase["phase"] not in ("lobby", "ended"):
            raise DecodeError(f"the room cannot be joined in phase {self._phase['phase']}")
        self._settings.name = name
        self._kept.keep(Keep("name", name))
        self._enter("joining")
        self._join_wanted.set()

    def speaks_from(self, address: str) -> None:
        """A guest's browser is at this IP address; its next connection leads there."""
        self._devices.address = address

    async def take_portrait(self, data: bytes) -> None:
        if self._page.guest is not None:
            raise InputError("guests appear as they are")
        if self._networks is None:
            raise InputError("the networks are still being loaded: try again in a moment")
        self._settings.set_portrait(await asyncio.to_thread(frame_portrait, data, self._networks.bundle.picture_size))
        self._tell()

    def picture(self, whose: str, name: str | None) -> bytes | None:
        if self._settings.ends is None or self._networks is None:
            return None
        return news.real_picture(self._settings.ends, whose, self._networks.bundle.picture_size, name)

    # --- what the page is told

    def _enter(self, phase: Phase, code: str = "", detail: str = "") -> None:
        if self._phase.get("phase") != phase:
            self.phase_since_s = time.monotonic()
        self._phase = {"type": "phase", "phase": phase, "code": code, "detail": detail[:MAX_DETAIL_CHARACTERS]}
        self._tell()

    def _problem(self, code: str, text: str) -> None:
        if code == "notice":
            self._tell_terminal(text)
        self._outbox.say({"type": "problem", "code": code, "detail": text[:MAX_DETAIL_CHARACTERS]})

    def _tell(self) -> None:
        if self._outbox.open:
            self._outbox.tell(self._news())

    async def _tell_always(self) -> None:
        figures_at = 0.0
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            now, held = time.monotonic(), self._held
            if held is not None:
                held.follow()
            self._tell()
            if held is not None and now - figures_at >= FIGURES_EVERY_S:
                figures_at = now
                held.stats.look()
                self._outbox.say(news.figures(held.session, held.stats, self._devices.h264))

    def _new_sources(self) -> news.Sources:
        return news.Sources(self._page.guest.path if self._page.guest is not None else "")

    def _news(self) -> list[News]:
        """All that the page is to know now."""
        settings, ends, held = self._settings, self._settings.ends, self._held
        own = news.own(ends, camera_on=settings.camera_on, microphone_on=settings.microphone_on)
        words = held.safety_words if held is not None else ()
        all_news = [
            News("phase", self._phase),
            News("own", own | {"portrait": settings.portrait is not None}),
            News("view", {"type": "view", **asdict(settings.view)}),
            News("picture", {"type": "picture", "mode": settings.picture}),
            News("budget", {"type": "budget", "max_kbps": settings.max_kbps}),
            News("safety", {"type": "safety", "words": list(words) or None}),
        ]
        if self._invitation is not None:
            all_news.append(News("invitation", {"type": "invitation", "link": self._invitation or None}))
        if held is not None:
            all_news.append(News("call", news.call(held.session), ("seconds",)))
            all_news.append(News("texts", news.texts(held.session)))
            all_news.append(News("recording", news.recording(held.recordings), ("seconds",)))
        for whose in ("own", "other"):
            session = held.session if held is not None else None
            source = self._sources.news(whose, ends, session) if ends is not None else None
            if source is not None:
                all_news.append(News(f"source {whose}", source))
        return all_news


async def hold(call: PageCall, opened: Callable[[PageServer], None]) -> None:
    """Serves the page and holds its calls until the person ends the process. opened: told once the page can be opened."""
    server = PageServer(call)
    await server.start()
    try:
        opened(server)
        await call.run()
    finally:
        with contextlib.suppress(ConnectionError):
            await server.stop()


async def _either(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


def _load_networks(options: CallOptions) -> EndNetworks:
    from facewire.call.ends import EndNetworks
    from facewire.models.bundle import load_bundle

    return EndNetworks(load_bundle(options.weights), options.threads, options.backend)
