"""The configuration: it can be printed and read back, and mistakes are named."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from facewire.benchmark.bandwidth.config import Config, as_toml, parse_config, read_config, small_config
from facewire.benchmark.bandwidth.rivals import RIVALS
from facewire.errors import InputError


@pytest.mark.parametrize("config", [Config(), small_config()])
def test_printed_configuration_can_be_read(config: Config, tmp_path: Path) -> None:
    path = tmp_path / "bench.toml"
    path.write_text(as_toml(config))
    assert read_config(path) == config


def test_configurations_in_docs_can_be_read() -> None:
    config = read_config(Path(__file__).parents[3] / "docs/bandwidth/validation.toml")
    assert set(config.rivals) == set(RIVALS)
    for name, ladder in config.rivals.items():  # every comparison also covers smaller and slower coding
        assert all((ladder.quality, ladder.half_size, ladder.quarter_size, ladder.half_rate)), name


def test_operating_points_have_distinct_names() -> None:
    for family in ("facewire", "facewire-one-source", "repeat", *RIVALS):
        names = [name for name, _ in Config().points(family, None, "auto")]
        assert len(set(names)) == len(names) > 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sizes = 3", "no setting sizes"),
        ("size = 'big'", "size = 'big': should be like 256"),
        ("size = 100", "multiple of 8"),
        ("every = 0", "at least 1"),
        ("seconds = 0.1", "from 0.5"),
        ("sources = 0", "from 1 to 8"),
        ("sources = 9", "from 1 to 8"),
        ("presets = ['fine']", "no preset 'fine'"),
        ("presets = ['low']", "default must be among them"),
        ("presets = [1]", "a list of texts"),
        ("vmaf = 1", "should be like True"),
        ("rivals = 3", "a table of tables"),
        ("[rivals.h267]", "no rival 'h267'"),
        ("[rivals.vp9]\nquality = [64]", "from 0 to 63"),
        ("[rivals.vp9]\nkbps = [0]", "above 0"),
        ("[rivals.vp9]\nspeed = [0]", "no setting rivals.vp9.speed"),
    ],
)
def test_mistakes_are_named(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said.replace("[", r"\[")):
        parse_config(tomllib.loads(text))


def test_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bench.toml"
    path.write_text("size = = 3")
    with pytest.raises(InputError, match=r"bench\.toml: not TOML"):
        read_config(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_config(tmp_path / "missing.toml")
