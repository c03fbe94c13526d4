"""`python install/install.py`: the installer, on Python 3.9 or newer. See docs/install.md."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What is run from a medium or a share leaves nothing there.
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / name) for name in ("install", "nuke_plugin", "proto")]

if __name__ == "__main__":
    from airoto_install.cli import main

    sys.exit(main(sys.argv[1:], ROOT))
