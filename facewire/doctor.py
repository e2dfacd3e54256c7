"""What of facewire works on this machine, what is missing, and the command that mends it.

Every probe stands alone and may fail as it likes: what it raises is its finding. Nothing is opened that a person would notice.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import sys
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from facewire import __version__
from facewire.arguments import Command, install_line, installed
from facewire.errors import InputError, reason
from facewire.parser import build_parser
from facewire.settings import read_settings, settings_path

State = Literal["ok", "missing", "unknown"]
FILE_ENCODERS = {"libx264": ".mp4", "ffv1": ".mkv", "aac": "sound of .mp4"}
"""Encoders that facewire writes files with."""
DEVELOPMENT = ("test", "docs", "release")
"""Extras for those who change facewire."""
ALTERNATIVES = ("cpu", "gpu", "openvino")
"""Extras of which one is enough."""
MESH_MODEL = "modules/face_landmark/face_landmark.tflite"
REQUIREMENT = re.compile(r"\s*([A-Za-z0-9._-]+)")
EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


@dataclass(frozen=True)
class Finding:
    """What a probe found."""

    subject: str
    state: State
    detail: str
    remedy: str = ""
    """The command, or else the step, that gets what is missing or makes better what is there."""


Probe = Callable[[], Iterator[Finding]]


def examine(commands: Sequence[Command], weights: Path | None = None) -> list[Finding]:
    """Runs all probes. commands: all of the command line, to check the configuration file. weights: a bundle other than ours."""
    probes: tuple[tuple[str, Probe], ...] = (
        ("python", _python),
        ("configuration", lambda: _configuration(commands)),
        ("backend", _backend),
        ("weights", lambda: _weights(weights)),
        ("packages", _packages),
        ("cameras", _cameras),
        ("sound", _sound),
        ("screen", _screen),
        ("browser", _browser),
        ("player", _player),
        ("encoders", _encoders),
        ("face mesh", _face_mesh),
        ("figures", _teachers),
    )
    return [finding for subject, probe in probes for finding in _guarded(subject, probe)]


def _guarded(subject: str, probe: Probe) -> Iterator[Finding]:
    try:
        yield from probe()
    except Exception as error:  # a library that is half installed raises anything
        yield Finding(subject, "unknown", f"could not be examined: {reason(error)}")


def _python() -> Iterator[Finding]:
    yield Finding("facewire", "ok", f"{__version__} in {Path(__file__).parent}")
    yield Finding("python", "ok", f"{platform.python_version()}, {platform.platform()}, {os.cpu_count()} processors")


def _configuration(commands: Sequence[Command]) -> Iterator[Finding]:
    path = settings_path()
    settings = read_settings()
    if not path.is_file():
        yield Finding("configuration", "ok", f"none; {path} would be read")
        return
    _, parsers = build_parser(commands)
    for command in commands:
        settings.apply(command, parsers[command.name], commands)
    yield Finding("configuration", "ok", f"{path}: {', '.join(settings.sections) or 'empty'}")


def _backend() -> Iterator[Finding]:
    from facewire.models.backends import NOTHING_INSTALLED, advice, backend

    if _version("onnxruntime") and _version("onnxruntime-gpu"):
        yield Finding(
            "backend",
            "missing",
            "onnxruntime and onnxruntime-gpu share one folder, and the last one installed wins",
            f"pip uninstall onnxruntime onnxruntime-gpu && {install_line('gpu')}",
        )
    if not installed("onnxruntime") and not installed("openvino"):
        yield Finding("backend", "missing", NOTHING_INSTALLED, install_line("openvino"))
        return
    chosen = backend()
    detail = f"{chosen.name} on {chosen.device}, {chosen.precision}: {chosen.why}"
    faster = advice(chosen)
    yield Finding("backend", "ok", detail, f"faster: {faster}" if faster else "")


def _weights(folder: Path | None) -> Iterator[Finding]:
    from facewire.models.bundle import load_bundle

    bundle = load_bundle(folder)
    yield Finding(
        "weights", "ok", f"{bundle.name} ({bundle.hash.hex()}), {bundle.picture_size} pixels, {bundle.folder}"
    )


def _packages() -> Iterator[Finding]:
    """Of each extra: which of its packages are here."""
    extras: dict[str, list[str]] = {}
    for requirement in requires("facewire") or ():
        if (name := REQUIREMENT.match(requirement)) is not None:
            condition = EXTRA.search(requirement)
            extras.setdefault(condition[1] if condition else "", []).append(name[1])
    for extra, packages in extras.items():
        if extra in DEVELOPMENT:
            continue
        here = {package: _version(package) for package in packages}
        missing = [package for package, found in here.items() if not found]
        present = ", ".join(f"{package} {number}" for package, number in here.items() if number)
        subject = f"extra {extra}" if extra else "packages"
        if not missing:
            yield Finding(subject, "ok", present)
        elif extra in ALTERNATIVES:
            yield Finding(subject, "ok", "not installed; one backend is enough")
        else:
            detail = f"without {', '.join(missing)}{'; ' + present if present else ''}"
            yield Finding(subject, "missing", detail, install_line(extra) if extra else "pip install facewire")


def _cameras() -> Iterator[Finding]:
    if not sys.platform.startswith("linux"):
        yield Finding("cameras", "unknown", "listed on Linux only")
        return
    names = []
    for device in sorted(Path("/dev").glob("video[0-9]*")):
        label = Path("/sys/class/video4linux") / device.name / "name"
        name = label.read_text().strip() if label.is_file() else "camera"
        names.append(f"{device.name.removeprefix('video')}: {name}")
    if names:
        yield Finding("cameras", "ok", ", ".join(names))
    else:
        yield Finding("cameras", "missing", "no camera", "plug one in, or send a file: facewire call ROOM --video FILE")


def _sound() -> Iterator[Finding]:
    """Only a call without its page needs this; in the page the browser has the microphone."""
    if not installed("sounddevice"):
        yield Finding("sound", "missing", "no microphone or loudspeaker outside the page", install_line("sound"))
        return
    try:
        import sounddevice
    except OSError:
        remedy = "apt install libportaudio2" if sys.platform.startswith("linux") else "install PortAudio"
        yield Finding("sound", "missing", "PortAudio is not on this system", remedy)
        return
    devices = [device["name"] for device in sounddevice.query_devices()]
    if devices:
        yield Finding("sound", "ok", ", ".join(devices))
    else:
        yield Finding("sound", "missing", "PortAudio finds no sound device", "facewire call ROOM --sound FILE")


def _screen() -> Iterator[Finding]:
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        yield Finding("screen", "missing", "no screen for --out window", "facewire receive ROOM --out talk.mkv")
    else:
        yield Finding("screen", "ok", "--out window can be shown")


def _browser() -> Iterator[Finding]:
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        remedy = "facewire call ROOM --no-browser prints an address to open"
        yield Finding("browser", "missing", "no browser that Python can open", remedy)
    else:
        yield Finding("browser", "ok", getattr(found, "name", "") or type(found).__name__)


def _player() -> Iterator[Finding]:
    from facewire.browser.files import FOLDER, INSTALL, runtime_folder

    try:
        yield Finding("player", "ok", f"onnxruntime-web for facewire play in {runtime_folder()}")
    except InputError:
        yield Finding("player", "missing", "onnxruntime-web, which facewire play needs", INSTALL.format(FOLDER))


def _encoders() -> Iterator[Finding]:
    """Encoders of the FFmpeg that PyAV brings: ours for files, and those that `facewire bench` compares with."""
    import av

    from facewire.benchmark.bandwidth.rivals import RIVALS

    wanted = [*FILE_ENCODERS, *sorted({rival.encoder for rival in RIVALS.values()} - FILE_ENCODERS.keys())]
    missing = [name for name in wanted if name not in av.codecs_available]
    if missing:
        remedy = "pip install --force-reinstall --only-binary av 'av>=14,<19'"
        yield Finding("encoders", "missing", f"PyAV {av.__version__} lacks {', '.join(missing)}", remedy)
    else:
        yield Finding("encoders", "ok", f"PyAV {av.__version__}: {', '.join(wanted)}")


def _face_mesh() -> Iterator[Finding]:
    """MediaPipe judges face points in loopback, bench and evaluate, and labels clips in prepare. Newer ones bring no models."""
    from facewire.training.face_labels import INSTALL

    spec = importlib.util.find_spec("mediapipe")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    if any((folder / MESH_MODEL).is_file() for folder in folders):
        yield Finding("face mesh", "ok", f"MediaPipe {_version('mediapipe')}")
    else:
        what = "MediaPipe without its face mesh" if folders else "no MediaPipe"
        yield Finding("face mesh", "missing", f"{what}: face points are not measured, clips not labelled", INSTALL)


def _teachers() -> Iterator[Finding]:
    from facewire.metrics.teacher_files import missing

    lines = missing()
    for line in lines:
        figure, _, remedy = line.partition(": not measured; to get it: ")
        yield Finding("figures", "missing", f"{figure} is not measured by evaluate and bench", remedy)
    if not lines:
        yield Finding("figures", "ok", "ST-LPIPS, identity and Fréchet distance can be measured")


def _version(package: str) -> str:
    """Version of a distribution; empty where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
