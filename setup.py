"""What pyproject.toml cannot say: the README as a package index shows it, and an sdist with the links of the tree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from setuptools import setup
from setuptools.command.sdist import sdist

ROOT = Path(__file__).parent


def outside(readme: str, address: str | None) -> str:
    """README.md for readers who do not have the repository: links and pictures at its public address, or, as long as there is
    none, links as plain text and no pictures."""
    relative = r"\]\((?!https?:|#)([^)]+)\)"
    if address is not None:
        readme = re.sub(rf"(!\[[^\]]*){relative}", rf"\1]({address}/raw/HEAD/\2)", readme)
        return re.sub(relative, rf"]({address}/blob/HEAD/\1)", readme)
    readme = re.sub(rf"!\[[^\]]*{relative}\n+", "", readme)
    return re.sub(rf"\[([^\]]*){relative}", r"\1", readme)


class Sdist(sdist):
    """The packages at the top and their links in facewire/, as in the tree: setuptools alone would copy through the links."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        for link in ROOT.joinpath("facewire").iterdir():
            if link.is_symlink():
                copied = Path(base_dir, "facewire", link.name)
                copied.rename(Path(base_dir, link.name))
                copied.symlink_to(f"../{link.name}", target_is_directory=True)


if __name__ == "__main__":
    project = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text("utf-8"))["project"]
    setup(
        long_description=outside(ROOT.joinpath("README.md").read_text("utf-8"), project.get("urls", {}).get("Source")),
        long_description_content_type="text/markdown",
        cmdclass={"sdist": Sdist},
    )
