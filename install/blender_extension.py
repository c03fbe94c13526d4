"""Packs the extension for Blender, with the wheels it needs: `python install/blender_extension.py`.

See docs/blender.md.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / name) for name in ("install", "nuke_plugin", "proto")]

if __name__ == "__main__":
    from airoto_install.blender_extension import main

    sys.exit(main(sys.argv[1:], ROOT))
