"""What the `command.py` of every package is made of: the `Command` it describes itself with, and the options commands share.

Importing this module is cheap, and so is importing a `command.py`: `facewire --help` reads them all. Whatever a command needs to do
its work is imported when it runs.
"""

from __future__ import annotations

import argparse
import difflib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

from facewire.errors import InputError
from facewire.files import same_file

MAX_NUMBER = 1_000_000_000
AXES = ("yaw", "pitch", "roll")
"""Of a free view, in the order of `facewire.FreeView`."""

METAVARS = {
    "CLIP": "a video with a face, or a camera's number",
    "VIDEO": "a video file, a camera's number, or a word that `--help` lists",
    "PICTURE": "a picture file with a face",
    "FILE": "any other file",
    "FOLDER": "a folder; it is made if it is written to",
    "ROOM": "the name of a room",
    "URL": "an address, scheme included",
    "TEXT": "any text",
    "NAME": "the name of a device or of a group of people",
    "SOUND": "a microphone, a file, or a word that `--help` lists",
    "SINK": "where pictures go: a file or a word that `--help` lists",
    "N": "a number, of what the option's name says",
    "MS": "milliseconds",
    "SECONDS": "seconds",
    "MINUTES": "minutes",
    "KBPS": "1000 bits per second",
    "DEGREES": "an angle from -180 to 180",
    "PX": "pixels",
    "SHARE": "a number from 0 to 1",
    "SHARE|PATTERN": "a number from 0 to 1, or which packets arrive, such as 1101",
    "FACTOR": "a number that something is multiplied by",
    "LOSS=W": "the name of a loss and its weight",
}
"""The word that stands for a value in every command's help, and its meaning: one word for one thing."""

WRITTEN = ("out", "json", "crop_video", "speaker", "recordings")
"""Options that name what is written; whatever file another option names is read, and must not be overwritten."""

NOT_FILES = ("command", "commands", "configured")
"""What a command's options hold besides."""

SECRET_VARIABLE, TURN_SECRET_VARIABLE = "FACEWIRE_SECRET", "FACEWIRE_TURN_SECRET"
"""Of the environment: a server's secrets, where no file has them."""

MAX_MINUTES = 7 * 24 * 60
"""How long a token or an invitation may last: a week."""

Group = argparse._ActionsContainer
"""A parser, or a group of its options."""


def _always(options: argparse.Namespace) -> bool:
    return True


@dataclass(frozen=True)
class Need:
    """Modules that a command imports and that come with an extra of facewire."""

    extra: str
    modules: tuple[str, ...]
    when: Callable[[argparse.Namespace], bool] = _always
    """Whether the command needs them with these options."""


@dataclass(frozen=True)
class Command:
    """One command: `facewire NAME`."""

    name: str
    line: str
    """What it does, for the list of commands."""
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]
    examples: str = ""
    """Printed below the options."""
    needs: tuple[Need, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    """Options that a variable of the environment can also give, and its name. It overrides the configuration file."""
    reads_settings: bool = True
    """Whether the configuration file has defaults for it; a command without them works whatever the file says."""

    def check_needs(self, options: argparse.Namespace) -> None:
        """InputError that names the modules which are not installed, and the command that installs them."""
        for need in self.needs:
            missing = [name for name in need.modules if not installed(name)] if need.when(options) else []
            if missing:
                raise InputError(f"{self.name} needs {', '.join(missing)}: {install_line(need.extra)}")


def installed(module: str) -> bool:
    """Whether a top-level module can be imported; it is not imported for that."""
    return importlib.util.find_spec(module) is not None


def install_line(extra: str) -> str:
    """The command that installs an extra."""
    return f"pip install 'facewire[{extra}]'"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ "; did you mean X?" if one of the known words looks like this one, else nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def check_apart(options: argparse.Namespace) -> None:
    """InputError if a file to write is one that the same command line names for reading, or for another purpose."""
    written = {name: Path(str(value)) for name in WRITTEN if (value := getattr(options, name, None)) is not None}
    others = {name: value for name, value in vars(options).items() if name not in WRITTEN and name not in NOT_FILES}
    named = [Path(str(one)) for value in others.values() for one in (value if isinstance(value, list) else [value])]
    read = [path for path in named if _is_file(path)]
    for name, path in written.items():
        for other in read:
            if same_file(path, other):
                raise InputError(
                    f"--{name.replace('_', '-')} {path}: would replace {other}, which is read; choose another name"
                )
    files = [(name, path) for name, path in written.items() if path.suffix]
    for at, (name, path) in enumerate(files):
        for earlier, other in files[:at]:
            if same_file(path, other):
                raise InputError(
                    f"--{name.replace('_', '-')} {path}: --{earlier.replace('_', '-')} is written there too"
                )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # too long for a name: it is something else
        return False


# --- the types of arguments


def number(text: str) -> int:
    """A whole number from 0."""
    value = int(text) if text.isdecimal() and len(text) < 20 else -1
    if not 0 <= value <= MAX_NUMBER:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {MAX_NUMBER}")
    return value


def count(text: str) -> int:
    """A whole number from 1."""
    value = number(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value


def share(text: str) -> float:
    """A number above 0, at most 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError("a number above 0, at most 1")
    return value


def port(text: str) -> int:
    """A TCP port, 0 for any free one."""
    value = number(text)
    if value > 65535:
        raise argparse.ArgumentTypeError("a port is at most 65535")
    return value


def week_of_minutes(text: str) -> int:
    """A whole number of minutes from 1, up to `MAX_MINUTES`."""
    value = count(text)
    if value > MAX_MINUTES:
        raise argparse.ArgumentTypeError(f"at most a week, {MAX_MINUTES} minutes")
    return value


# --- options of several commands


def add_json(group: Group) -> None:
    group.add_argument(
        "--json",
        metavar="FILE",
        nargs="?",
        const="-",
        help="write the figures as JSON to FILE; without FILE, or with -, print them in place of the table",
    )


def add_weights(group: Group) -> None:
    group.add_argument("--weights", type=Path, metavar="FOLDER", help="weight bundle (default: the one that ships)")


def add_networks(group: Group) -> None:
    """`--weights` and `--backend`."""
    from facewire.models.config import BACKENDS

    add_weights(group)
    group.add_argument(
        "--backend",
        choices=BACKENDS,
        default="auto",
        help="what runs the networks (default: the fastest one installed; `facewire info` names it)",
    )


def add_preset(group: Group, *others: str) -> None:
    """others: choices besides the codec's presets."""
    from facewire.codec import PRESETS

    names = (*(preset.name for preset in PRESETS), *others)
    group.add_argument("--preset", choices=names, default="default", help="quality of the motion (default: default)")


def add_input(group: Group) -> None:
    """`--stream` and `--rotate`, of a video that is read."""
    group.add_argument(
        "--stream",
        type=number,
        metavar="N",
        help="which video of a file that holds several, counted from 0 (default: the one that players show)",
    )
    group.add_argument(
        "--rotate",
        type=int,
        choices=(90, 180, 270),
        default=0,
        help="turn the video clockwise by so many degrees, where the face is on its side or upside down",
    )


def add_source_frame(group: Group) -> None:
    group.add_argument(
        "--source-frame",
        type=number,
        metavar="N",
        help="frame to send as the first picture (default: the first with the face to the front, eyes open, well lit)",
    )


def add_sources(group: Group) -> None:
    from facewire.codec import DEFAULT_SOURCES, MAX_SOURCES

    group.add_argument(
        "--sources",
        type=count,
        default=DEFAULT_SOURCES,
        choices=range(1, MAX_SOURCES + 1),
        metavar="N",
        help=f"pictures of the face in use at a time, 1 to {MAX_SOURCES}: with more than one, another is sent where they show "
        f"too little (default {DEFAULT_SOURCES})",
    )


def add_max_frames(group: Group) -> None:
    group.add_argument("--max-frames", type=count, metavar="N", help="stop after N frames")


VIEW_SMEARS_DEGREES = 30.0


def add_view(group: Group) -> None:
    """`--yaw`, `--pitch` and `--roll`; `view_degrees` reads them."""
    for axis, line in zip(AXES, ("seen from further to the side", "from above or below", "tilted"), strict=True):
        group.add_argument(f"--{axis}", type=float, default=0.0, metavar="DEGREES", help=f"free view: the head {line}")


def view_degrees(options: argparse.Namespace) -> tuple[float, float, float]:
    """Yaw, pitch and roll of `add_view`, zero where a command has no such options; InputError for no such angle."""
    degrees: list[float] = []
    for axis in AXES:
        angle = getattr(options, axis, 0.0)
        if not isfinite(angle) or abs(angle) > 180:
            raise InputError(f"--{axis} {angle}: an angle from -180 to 180 degrees")
        if abs(angle) > VIEW_SMEARS_DEGREES:
            note = f"--{axis} {angle:g}: the face smears beyond about {VIEW_SMEARS_DEGREES:g} degrees"
            print(f"facewire: {note}", file=sys.stderr, flush=True)
        degrees.append(angle)
    return degrees[0], degrees[1], degrees[2]


def add_portrait(group: Group) -> None:
    group.add_argument(
        "--portrait",
        type=Path,
        metavar="PICTURE",
        help="move the face of this picture instead; use pictures of people who agreed to it",
    )


def add_listening(group: Group) -> None:
    """`--host` and `--port`, of a server."""
    group.add_argument("--host", default="127.0.0.1", metavar="NAME", help="address to listen on (default 127.0.0.1)")
    group.add_argument(
        "--port", type=port, default=8787, metavar="N", help="TCP port, 0 for any free one (default 8787)"
    )


def add_secret(group: Group, signs: str, default: str = "") -> None:
    """`--secret-file`. signs: what with. default: where the secret is if neither the file nor the variable is given."""
    group.add_argument(
        "--secret-file",
        type=Path,
        metavar="FILE",
        help=f"the secret that signs {signs}, at least 32 bytes (default: ${SECRET_VARIABLE}{default})",
    )


def add_ice(group: Group) -> None:
    """`--ice` and `--turn-secret-file`."""
    group.add_argument(
        "--ice",
        action="append",
        default=[],
        metavar="URL",
        help="STUN or TURN server, such as turn:turn.example:3478?transport=udp; may be repeated",
    )
    group.add_argument(
        "--turn-secret-file",
        type=Path,
        metavar="FILE",
        help=f"coturn's static-auth-secret (default: ${TURN_SECRET_VARIABLE})",
    )


def add_deployment(group: Group, shares: str, schemes: str) -> None:
    """`--redis`, `--tls-cert`, `--tls-key` and `--behind-proxy`. shares: what with which servers. schemes: served with TLS."""
    group.add_argument("--redis", metavar="URL", help=f"share {shares}, such as redis://host:6379/0")
    group.add_argument("--tls-cert", type=Path, metavar="FILE", help=f"PEM certificate chain: serve {schemes}")
    group.add_argument("--tls-key", type=Path, metavar="FILE", help="its PEM key")
    group.add_argument(
        "--behind-proxy",
        action="store_true",
        help="take clients' addresses from the X-Forwarded-For that a reverse proxy sets; without one, clients could fake it",
    )
