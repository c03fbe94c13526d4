"""One blade: a terminal session of the double that runs the hook on a script, and nothing else.

`python blade_process.py SCRIPT FIRST LAST` prints its largest memory in KiB, or the error.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
for folder in (HERE / "nuke_double", *(HERE.parents[1] / one for one in ("nuke_plugin", "proto"))):
    sys.path.insert(0, str(folder))


def main(script: str, first: int, last: int) -> None:
    """Open the script and call the hook as a render would."""
    import nuke
    import session
    from nuke._app import app

    session.reset(gui=False)
    nuke.rawArgs[:] = ["Nuke17.0", "-F", f"{first}-{last}", "-x", script]

    from airoto_nuke import gate, startup

    startup.every_mode()
    nuke.scriptOpen(script)
    with app.callback(nuke.toNode("out")):
        gate.before_render()
    heavy = {"numpy", "OpenImageIO", "grpc", "google.protobuf"} & set(sys.modules)
    if heavy:
        raise AssertionError(f"the hook imported {heavy}")
    peak = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line
    )
    print(
        "waited" if any("waiting for" in one for one in app.said) else "straight", peak.split()[1]
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
