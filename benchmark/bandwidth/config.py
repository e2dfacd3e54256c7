"""What a run of the bandwidth benchmark does, from one TOML file: checked, with a default for everything.

The file becomes a `Config` with its operating points, for `run`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from facewire.benchmark.bandwidth.codec import Codec, Reduced
from facewire.benchmark.bandwidth.neural import Facewire, Repeat, Shown
from facewire.benchmark.bandwidth.rivals import RIVALS
from facewire.codec import DEFAULT_SOURCES, MAX_SOURCES
from facewire.codec.quantiser import PRESETS
from facewire.errors import InputError, reason

OURS, ONE_SOURCE, REPEAT = "facewire", "facewire-one-source", "repeat"
"""Ours, ours with one source frame beside it, and that source frame held."""
PRESET_NAMES = tuple(preset.name for preset in PRESETS)


@dataclass(frozen=True)
class Ladder:
    """Operating points of one rival. Quality is CRF, or the quantiser of VP8 and VP9; larger is coarser."""

    quality: tuple[float, ...]
    """At full size and rate."""
    kbps: tuple[float, ...]
    """Target rates at full size; the last are out of reach and give the lowest rate possible."""
    half_size: tuple[float, ...]
    quarter_size: tuple[float, ...]
    half_rate: tuple[float, ...]
    half_size_half_rate: tuple[float, ...]


_H26X = Ladder((20, 28, 33, 37, 41, 46, 51), (16, 6, 1), (24, 30, 36, 42, 51), (20, 28, 38), (36, 42, 51), (28, 34, 42))
_VPX = Ladder((16, 28, 40, 50, 57, 63), (16, 6, 1), (20, 32, 44, 54, 63), (12, 28, 46), (46, 55, 63), (24, 40, 56))
_AV1 = Ladder((24, 36, 46, 54, 60, 63), (16, 6, 1), (24, 36, 46, 55, 63), (16, 32, 50), (48, 57, 63), (32, 44, 56))


@dataclass(frozen=True)
class Config:
    """A run."""

    size: int = 256
    """Side of the pictures that are coded and judged, pixels."""
    seconds: float = 10.0
    """Length of each clip's beginning that is used."""
    every: int = 8
    """The slow figures, ST-LPIPS and identity, look at every n-th picture."""
    faces_every: int = 4
    """The quick ones do so too: PSNR, SSIM, MS-SSIM, face mesh."""
    jitter_frames: int = 12
    """Consecutive pictures in the middle of the clip from which jitter is measured; 0 leaves it out."""
    learned: bool = True
    """Measure ST-LPIPS and identity, where they are installed."""
    vmaf: bool = True
    """Measure VMAF, where imageio-ffmpeg is installed."""
    sources: int = DEFAULT_SOURCES
    """Source frames that ours may have in use; with more than 1, ours with one is measured beside it."""
    presets: tuple[str, ...] = PRESET_NAMES
    """Our operating points."""
    half_rate_presets: tuple[str, ...] = ("default", "lowest")
    """Our operating points at half the frame rate."""
    rivals: dict[str, Ladder] = field(
        default_factory=lambda: {
            name: _AV1 if name == "svt-av1" else _VPX if name.startswith("vp") else _H26X for name in RIVALS
        }
    )
    """By name; a rival that is not listed is not run."""

    def check(self) -> None:
        """InputError for a value out of its range."""
        for name, least in (("size", 64), ("every", 1), ("faces_every", 1), ("jitter_frames", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name} = {getattr(self, name)}: at least {least}")
        if self.size % 8 or self.size > 2048:
            raise InputError(
                f"size = {self.size}: a multiple of 8 up to 2048, so that a quarter of it is an even number"
            )
        if not 1 <= self.sources <= MAX_SOURCES:
            raise InputError(f"sources = {self.sources}: from 1 to {MAX_SOURCES}")
        if not 0.5 <= self.seconds <= 3600:
            raise InputError(f"seconds = {self.seconds}: from 0.5 to 3600")
        for name in ("presets", "half_rate_presets"):
            for preset in getattr(self, name):
                if preset not in PRESET_NAMES:
                    raise InputError(f"{name}: no preset {preset!r}; there are {', '.join(PRESET_NAMES)}")
        if "default" not in self.presets:
            raise InputError("presets: default must be among them, because rivals are compared with it")

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @property
    def ours(self) -> dict[str, int]:
        """The codecs that are ours, and how many source frames each may have in use."""
        return {OURS: self.sources} | ({ONE_SOURCE: 1} if self.sources > 1 else {})

    def points(self, family: str, weights: Path | None, backend: str) -> Iterator[tuple[str, Codec]]:
        """The operating points of ours, `repeat` or a rival, by name."""
        if family == REPEAT:
            yield "held", Repeat(weights, self.size)
        elif family in self.ours:
            yield from self._ours(weights, backend, self.ours[family])
        else:
            yield from _theirs(family, self.rivals[family])

    def _ours(self, weights: Path | None, backend: str, sources: int) -> Iterator[tuple[str, Codec]]:
        for preset in self.presets:
            yield preset, Shown(Facewire(preset, weights, backend, sources), self.size)
        for preset in self.half_rate_presets:
            yield f"{preset} half-rate", Reduced(Shown(Facewire(preset, weights, backend, sources), self.size), skip=2)


def _theirs(name: str, ladder: Ladder) -> Iterator[tuple[str, Codec]]:
    rival = RIVALS[name]
    for quality in ladder.quality:
        yield f"{rival.quantiser}{quality:g}", rival.at(quality=quality)
    for kbps in ladder.kbps:
        yield f"{kbps:g}kbps", rival.at(kbps=kbps)
    for text, qualities, reduced in (
        ("half-size", ladder.half_size, {"shrink": 2}),
        ("quarter-size", ladder.quarter_size, {"shrink": 4}),
        ("half-rate", ladder.half_rate, {"skip": 2}),
        ("half-size half-rate", ladder.half_size_half_rate, {"shrink": 2, "skip": 2}),
    ):
        for quality in qualities:
            yield f"{rival.quantiser}{quality:g} {text}", Reduced(rival.at(quality=quality), **reduced)


def small_config() -> Config:
    """A run of a few minutes: the common rivals at a few points each."""
    h26x = Ladder((24, 32, 40, 51), (1,), (30, 42), (30,), (42,), (34,))
    av1 = Ladder((32, 46, 58, 63), (1,), (36, 55), (32,), (57,), (44,))
    rivals = {"x264-veryfast": h26x, "x264-veryslow": h26x, "x265": h26x, "svt-av1": av1}
    return Config(seconds=5.0, presets=("default", "lowest"), half_rate_presets=(), rivals=rivals)


def read_config(path: Path) -> Config:
    """Reads a TOML file; what it leaves out keeps the default. InputError names what is wrong."""
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({reason(error)})") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not TOML ({error})") from error
    try:
        return parse_config(values)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def parse_config(values: dict[str, Any]) -> Config:
    """From the values of a TOML file."""
    defaults = Config()
    rivals = values.pop("rivals", None)
    made: dict[str, Any] = {}
    for name, value in values.items():
        made[name] = _like(name, value, getattr(defaults, name, None))
    if rivals is not None:
        if not isinstance(rivals, dict):
            raise InputError("rivals: a table of tables, such as [rivals.x265]")
        made["rivals"] = {name: _ladder(name, table, defaults) for name, table in rivals.items()}
    config = Config(**made)
    config.check()
    return config


def _ladder(name: str, table: Any, defaults: Config) -> Ladder:
    if name not in RIVALS:
        raise InputError(f"no rival {name!r}; there are {', '.join(RIVALS)}")
    if not isinstance(table, dict):
        raise InputError(f"rivals.{name}: a table")
    own = defaults.rivals[name]
    given = {key: _like(f"rivals.{name}.{key}", value, getattr(own, key, None)) for key, value in table.items()}
    for key, steps in given.items():
        if key == "kbps" and any(step <= 0 for step in steps):
            raise InputError(f"rivals.{name}.kbps: rates above 0")
        if key != "kbps" and any(not 0 <= step <= 63 for step in steps):
            raise InputError(f"rivals.{name}.{key}: from 0 to 63")
    return Ladder(**(asdict(own) | given))


def _like(name: str, value: Any, default: Any) -> Any:
    """A value of the same type as its default; lists become tuples."""
    if default is None or isinstance(default, dict):
        raise InputError(f"no setting {name}; `facewire bench --show-config` prints them all")
    if isinstance(default, tuple):
        kind = type(default[0])
        fits = isinstance(value, list) and all(_is(item, kind) for item in value)
        if not fits:
            raise InputError(f"{name} = {value!r}: a list of {'texts' if kind is str else 'numbers'}")
        return tuple(value)
    if not _is(value, type(default)):
        raise InputError(f"{name} = {value!r}: should be like {default!r}")
    return type(default)(value)


def _is(value: Any, kind: type) -> bool:
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if kind in (int, float):
        return isinstance(value, int) or (kind is float and isinstance(value, float))
    return isinstance(value, kind)


def as_toml(config: Config) -> str:
    """The configuration as TOML that `read_config` reads."""
    lines = [
        f"{entry.name} = {_toml(getattr(config, entry.name))}" for entry in fields(config) if entry.name != "rivals"
    ]
    for name, ladder in config.rivals.items():
        lines += ["", f"[rivals.{name}]"] + [f"{key} = {_toml(value)}" for key, value in asdict(ladder).items()]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
