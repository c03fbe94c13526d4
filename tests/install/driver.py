"""The real installer, with one change: a version's venv is a folder with a script.

Making venvs takes most of a minute and is tested for itself; everything else here is what a user
runs. `AIROTO_TEST_VERSION` stands for another source, `AIROTO_TEST_FAULT` for what goes wrong:
`fail`, `wait` (until killed), or `full` (write until the disk is full).
"""

import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / name) for name in ("install", "nuke_plugin", "proto")]

from airoto.errors import OutputError  # noqa: E402 - the installer's own path comes first
from airoto_install.building import Recipe  # noqa: E402
from airoto_install.cli import main  # noqa: E402
from airoto_install.files import CopyTree, said  # noqa: E402


class LightVenv:
    """A folder with an `airoto` that says which version it is."""

    def __init__(self, folder, version):
        self.folder = folder
        self.version = version

    def lines(self):
        """See Step."""
        return (f"make the light venv {self.folder}",)

    def apply(self, tell):
        """See Step."""
        command = self.folder / "bin" / "airoto"
        with said("cannot write", command):
            command.parent.mkdir(parents=True)
            command.write_text(f"#!/bin/sh\necho {self.version}\n")
            command.chmod(0o755)
        fault = os.environ.get("AIROTO_TEST_FAULT", "")
        if fault == "fail":
            raise OutputError("the build failed, as the test wants")
        if fault == "wait":
            print("waiting", flush=True)
            time.sleep(600)
        if fault == "full":
            with said("cannot write", self.folder), (self.folder / "filler").open("wb") as file:
                while True:
                    file.write(b"0" * (1 << 20))
                    file.flush()


def light_steps(recipe, folder):
    """Stands for Recipe.steps."""
    version = os.environ.get("AIROTO_TEST_VERSION", recipe.tree.version)
    names = ("LICENSE", "pyproject.toml", "nuke_plugin", "proto")
    return (CopyTree(recipe.tree.root, folder, names), LightVenv(folder / "venv", version))


def light_id(recipe):
    """Stands for Recipe.id."""
    version = os.environ.get("AIROTO_TEST_VERSION", recipe.tree.version)
    return f"{version}-{recipe.tree.fingerprint(version, recipe.extra)}"


Recipe.steps = light_steps
Recipe.id = property(light_id)

if __name__ == "__main__":
    words = sys.argv[1:]
    if words[0] in ("install", "upgrade") or words[0].startswith("-"):
        words.append("--no-doctor")
    sys.exit(main(words, ROOT))
