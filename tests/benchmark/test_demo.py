"""The demo runs on what installed packages carry and leaves something to look at."""

from __future__ import annotations

import json
from pathlib import Path

from facewire.benchmark.demo import run_demo
from facewire.sender.media import open_video, read_picture


def test_demo_fills_its_folder(tmp_path: Path) -> None:
    demo = run_demo(tmp_path / "out", None, max_frames=6)
    assert {path.name for path in demo.folder.iterdir()} == set(demo.files)
    with open_video(demo.folder / "portrait.mp4") as video:
        assert len(list(video)) == 6
    assert read_picture(demo.folder / "strip.png").shape == (7 * 128, 150 + 6 * 128, 3)
    values = json.loads((demo.folder / "demo.json").read_text())
    assert values["carphone"]["quality"]["ours"]["psnr_db"] > 15
    assert values["portrait"]["quality"]["ours"] is None
