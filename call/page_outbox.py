"""What the page has been told: everything once, and again when it changes."""

from __future__ import annotations

from dataclasses import dataclass

from facewire.call.page_http import Send
from facewire.call.page_news import Values


@dataclass(frozen=True)
class News:
    """A message of which the page is to know the newest."""

    key: str
    """Messages with the same key take each other's place."""
    message: Values
    ignored: tuple[str, ...] = ()
    """Fields that change by themselves: alone, they are not news."""


class PageOutbox:
    """The way to the page while one is there."""

    def __init__(self) -> None:
        self._send: Send | None = None
        self._told: dict[str, Values] = {}

    @property
    def open(self) -> bool:
        """A page is there."""
        return self._send is not None

    def connect(self, send: Send) -> None:
        """A page came that knows nothing yet."""
        self._send, self._told = send, {}

    def disconnect(self) -> None:
        self._send = None

    def say(self, message: Values) -> None:
        """Sends a message as it is."""
        if self._send is not None:
            self._send(message)

    def tell(self, news: list[News]) -> None:
        """Sends those messages whose content is not what the page was told last."""
        for item in news:
            content = {name: value for name, value in item.message.items() if name not in item.ignored}
            if self._send is not None and self._told.get(item.key) != content:
                self._told[item.key] = content
                self._send(item.message)
