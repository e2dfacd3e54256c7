"""What the person at the page has chosen: applied to the lobby's ends and to the session alike, and kept from call to call."""

from __future__ import annotations

from dataclasses import replace
from math import radians
from typing import TYPE_CHECKING

from facewire.call.options import CallOptions, PageOptions, SessionOptions
from facewire.call.page_messages import View
from facewire.call.page_news import MAX_KBPS, MIN_KBPS
from facewire.errors import DecodeError
from facewire.sender.picture_choice import PictureMode

if TYPE_CHECKING:  # the page is there before these are imported
    import numpy as np
    from numpy.typing import NDArray

    from facewire.call.ends import Ends
    from facewire.call.session import Session


class PageSettings:
    """The switches of one page. Changes take effect at once, on the ends and session given to `use`."""

    def __init__(self, options: CallOptions, page: PageOptions) -> None:
        self._options, self._page = options.session, page
        self.name = options.session.name
        self.max_kbps = options.session.max_kbps
        self.camera_on = self.microphone_on = True
        self.view = View(*options.media.degrees, frontal=False)
        self.picture: PictureMode = options.media.picture
        self.portrait: NDArray[np.uint8] | None = None
        """A picture that the person can appear as, framed; uint8 RGB (S, S, 3)."""
        self._portrait_on = False
        self._page_there = False
        self.ends: Ends | None = None
        self._session: Session | None = None

    def session_options(self) -> SessionOptions:
        """For the next call."""
        return replace(self._options, name=self.name, max_kbps=self.max_kbps)

    def use(self, ends: Ends | None, session: Session | None = None) -> None:
        """Applies everything to these from now on. session: None in the lobby."""
        self.ends, self._session = ends, session
        self._switch()
        self._look()
        self.show(self.picture)
        if self._portrait_on:
            self._appear()

    def page_there(self, there: bool) -> None:
        """Without a page its camera and microphone are off."""
        self._page_there = there
        self._switch()

    def switch_camera(self, on: bool) -> None:
        self.camera_on = on
        self._switch()

    def switch_microphone(self, on: bool) -> None:
        self.microphone_on = on
        self._switch()

    def look_from(self, view: View) -> None:
        self.view = view
        self._look()

    def show(self, picture: PictureMode) -> None:
        """Which picture the other side is shown."""
        self.picture = picture
        if self.ends is not None and self.ends.live is not None:
            self.ends.live.show(picture)

    def set_budget(self, max_kbps: float | None) -> None:
        """DecodeError for a limit outside of what the page may set."""
        if max_kbps is not None and not MIN_KBPS <= max_kbps <= MAX_KBPS:
            raise DecodeError(f"max_kbps must be from {MIN_KBPS:g} to {MAX_KBPS:g}")
        self.max_kbps = max_kbps
        if self._session is not None:
            self._session.set_budget(max_kbps)

    def appear(self, as_portrait: bool) -> None:
        """Appear as the portrait or as oneself; DecodeError if there is no portrait."""
        if as_portrait and self.portrait is None:
            raise DecodeError("no portrait was posted")
        self._portrait_on = as_portrait
        self._appear()

    def set_portrait(self, portrait: NDArray[np.uint8]) -> None:
        self.portrait = portrait
        if self._portrait_on:
            self._appear()

    def new_source(self) -> None:
        """A new source frame of the person, as soon as there is a good one."""
        if self.ends is not None and self.ends.live is not None:
            self.ends.live.new_source()

    def _appear(self) -> None:
        if self.ends is not None and self.ends.live is not None:
            self.ends.live.appear_as(self.portrait if self._portrait_on else None)

    def _switch(self) -> None:
        camera, microphone = self.camera_on, self.microphone_on
        if not self._page_there:  # a file plays on
            camera = camera and not self._page.camera
            microphone = microphone and not self._page.microphone
        if self._session is not None:
            self._session.camera(camera)
            self._session.mute(not microphone)
        elif self.ends is not None and self.ends.live is not None:
            self.ends.live.pause(not camera)

    def _look(self) -> None:
        if self.ends is not None and self.ends.playout is not None:
            yaw, pitch, roll = (radians(angle) for angle in (self.view.yaw, self.view.pitch, self.view.roll))
            self.ends.playout.free_view(yaw, pitch, roll, frontal=self.view.frontal)
