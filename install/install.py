"""`python install/install.py`: the installer, on Python 3.9 or newer. See docs/install.md."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What is run from a medium or a share leaves nothing there, and nothing that was compiled there by
# somebody is run: a bundle's hashes are of its sources.
sys.dont_write_bytecode = True
sys.pycache_prefix = os.devnull
sys.path[:0] = [str(ROOT / name) for name in ("install", "nuke_plugin", "proto")]

if __name__ == "__main__":
    from airoto_install.cli import main

    sys.exit(main(sys.argv[1:], ROOT))
