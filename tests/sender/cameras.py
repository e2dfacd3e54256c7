"""Stand-ins for cameras."""

from __future__ import annotations

from collections.abc import Iterator

from facewire.sender.media import Frame, VideoSource


class Camera(VideoSource):
    """A camera whose pictures the test supplies."""

    name, fps, live, duration_s = "camera", 25.0, True, None
    remarks: list[str] = []  # noqa: RUF012

    def __exit__(self, *_: object) -> None:
        """There is nothing to close."""

    def __iter__(self) -> Iterator[Frame]:
        return iter(())

    def looks(self, per_second: float, seconds: float) -> Iterator[Frame]:
        return iter(())
