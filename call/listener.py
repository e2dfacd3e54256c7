"""What a session tells the program that holds it."""

from __future__ import annotations


class Listener:
    """Override what you want to hear; by default nothing is shown, and nobody may record.

    A session calls these methods in its event loop.
    """

    def notice(self, text: str) -> None:
        """Something the user may want to know, in words."""

    def greeted(self, same: bool) -> None:
        """The other side greeted over a new connection. same: it is the program that was there before."""

    def written(self, name: str, text: str) -> None:
        """The other person writes. name: theirs, which may be empty. text: one line, without control characters."""
        self.notice(f"{name or 'the other side'} writes: {text}")

    def recording(self, step: str) -> str | None:
        """The other side says something about recordings (see `messages.Recording`). Returns the reply, if there is one.

        By default the other side may not record, since nobody can be asked.
        """
        if step == "ask":
            self.notice("the other side asked to record the call; refused, since this program cannot ask you")
            return "unable"
        if step == "on":
            self.notice("the other side is recording the call")
        return None
