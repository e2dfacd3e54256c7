"""Every error that facewire raises on purpose, and how somebody else's error is quoted in one.

FacewireError                 all of ours; the command prints it as one line and exits with 2
├── InputError                a file, camera, picture or option of the user's cannot be used
│   └── NoFaceError           the picture holds no face that could be framed
├── DecodeError               bytes that are not a facewire stream, are damaged, or are of another version
└── WeightsError              a weight bundle is missing, damaged or of another version than the stream
"""


class FacewireError(Exception):
    """Root of all errors raised on purpose; its text is one line for the user."""


class InputError(FacewireError):
    """A file, camera, picture or option cannot be used."""


class NoFaceError(InputError):
    """The picture holds no face that could be framed."""


class DecodeError(FacewireError):
    """Bytes that are not ours, are damaged, or are of another version."""


class WeightsError(FacewireError):
    """A weight bundle is missing, damaged or of another version."""


def reason(error: BaseException) -> str:
    """What an error of the operating system's or a library's says, in one line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
