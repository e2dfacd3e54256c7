"""The demo runs on bundled samples and leaves something to look at."""

from __future__ import annotations

import json
from pathlib import Path

from facewire.benchmark.demo import BAR_PX, COLUMNS, GAP_PX, TILE_PX, run_demo
from facewire.sender.media import open_video, read_picture


def test_demo_fills_its_folder(tmp_path: Path) -> None:
    demo = run_demo(tmp_path / "out", None, max_frames=6)
    assert {path.name for path in demo.folder.iterdir()} == set(demo.files)
    with open_video(demo.folder / "portrait.mp4") as video:
        assert len(list(video)) == 6
    rows, columns = 6, 1 + COLUMNS
    height, width, _ = read_picture(demo.folder / "strip.png").shape
    assert (height, width) == (rows * (BAR_PX + TILE_PX) + GAP_PX, columns * TILE_PX + 3 * GAP_PX)
    values = json.loads((demo.folder / "demo.json").read_text())
    assert values["carphone"]["quality"]["ours"]["psnr_db"] > 10
    assert values["portrait"]["quality"]["ours"] is None
