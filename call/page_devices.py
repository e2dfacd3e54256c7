"""The browser as camera, microphone, screen and loudspeaker of this process, from call to call.

The page's media come through a `BrowserLeg`; `open_ends` makes each call's ends from them. What is shown and played goes to the
page and to the recording, if there is one.
"""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any

from facewire.call.options import CallOptions, GuestOptions, PageOptions

if TYPE_CHECKING:  # the page is there before these are imported
    import numpy as np
    from numpy.typing import NDArray

    from facewire.call.ends import EndNetworks, Ends
    from facewire.call.page_media import BrowserLeg, PageCamera, PageMicrophone
    from facewire.call.recording import Recording
    from facewire.call.rival import H264Figures, H264Watch
    from facewire.codec.pixels import Layer

PORTRAIT_FORMATS = ("PNG", "JPEG", "WEBP")


class PageDevices:
    """One page's devices. guest: the page is elsewhere, and so the badge is always drawn in."""

    def __init__(self, guest: GuestOptions | None = None) -> None:
        self._guest = guest
        self.address = ""
        """Of a guest's browser, as it was last seen."""
        self.burnt = False
        """The badge is drawn into the pictures that the page shows."""
        self.microphone_on = True
        self.recording: Recording | None = None
        """Gets what is shown and heard. The event loop may set it to None at any time."""
        self._leg: BrowserLeg | None = None
        self._camera: PageCamera | None = None
        self._microphone: PageMicrophone | None = None
        self._watch: H264Watch | None = None

    @property
    def h264(self) -> H264Figures | None:
        """What H.264 would take for the pictures sent; None before the first measurement."""
        return self._watch.figures if self._watch is not None else None

    def open_ends(self, options: CallOptions, page: PageOptions, networks: EndNetworks) -> Ends:
        """Camera, microphone and playout of one call; takes a second, so call it in a thread. Errors as in `ends.open_ends`."""
        from facewire.call.ends import PageMedia, Uplink, open_ends
        from facewire.call.page_media import PageCamera, PageMicrophone, PagePicture
        from facewire.call.rival import H264Watch
        from facewire.receiver.sinks import PacedSound

        uplink = Uplink()
        self._camera, self._microphone = PageCamera(), PageMicrophone(uplink.clock)
        self._watch = H264Watch() if self._guest is None else None
        media = PageMedia(
            picture=PagePicture(self._show),
            sound=PacedSound(self._play),
            camera=self._camera if page.camera else None,
            microphone=self._microphone if page.microphone else None,
            on_square=self._watch.take if self._watch is not None else None,
        )
        return open_ends(options.media, networks, options.session.fps, page=media, uplink=uplink)

    # --- the local connection

    async def answer(self, offer: str) -> str:
        """Answers the page's offer; DecodeError if it cannot be used."""
        page_media = await asyncio.to_thread(_import_page_media)
        if self._leg is None:
            self._leg = page_media.BrowserLeg(self._camera_frame, self._microphone_frame)
        if self._guest is None:
            return await self._leg.answer(offer)
        return await self._leg.answer(offer, page_media.guest_connection(self._guest.ice_servers, self.address))

    async def close(self) -> None:
        """Closes the connection, if there is one."""
        if self._leg is not None:
            await self._leg.close()

    def _camera_frame(self, frame: Any) -> None:
        if self._camera is not None:
            self._camera.put(frame)

    def _microphone_frame(self, frame: Any) -> None:
        if self._microphone is not None:
            self._microphone.put(frame)
        if self.recording is not None and self.microphone_on:
            self.recording.say(_import_page_media().mono(frame))

    # --- called by the threads of the playout

    def _show(self, picture: NDArray[np.uint8], at_s: float, layer: Layer) -> None:
        from facewire.call.badge import stamp

        leg, recording = self._leg, self.recording
        if leg is not None:
            guest = self._guest is not None  # whose page has the name in the lower corner
            leg.show(stamp(picture, layer, top=guest) if self.burnt or guest else picture, at_s)
        if recording is not None:
            recording.show(picture, at_s, layer)

    def _play(self, samples: NDArray[np.int16], at_s: float) -> None:
        leg, recording = self._leg, self.recording
        if leg is not None:
            leg.play(samples)
        if recording is not None:
            recording.hear(samples, at_s)


def _import_page_media() -> Any:
    """aiortc takes a second to import: not before the page is there."""
    from facewire.call import page_media

    return page_media


def frame_portrait(data: bytes, size: int) -> NDArray[np.uint8]:
    """The face of a posted picture, uint8 RGB (size, size, 3). InputError or NoFaceError if it cannot be used."""
    from facewire.sender.face_detector import FaceDetector
    from facewire.sender.framing import frame_picture
    from facewire.sender.media import decode_picture

    picture = decode_picture(io.BytesIO(data), "the picture", PORTRAIT_FORMATS)
    return frame_picture(picture, FaceDetector()).framing.cut(picture, size)
