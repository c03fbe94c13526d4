"""AIRoto in a real Nuke, checked in one command: `nuke -t install/verify_in_nuke.py`.

Needs an installed AIRoto (`airoto` on PATH, or named by AIROTO_COMMAND) and a Nuke 14 to 17 with
a licence that can render. Makes a small clip and a server of its own in a temporary folder,
builds the nodes, tracks, renders, and compares with mattes that are known beforehand: the `null`
engine draws a disc of a quarter of the picture's height around a click. Prints what held; the
exit code is 0 if all of it did. Standard library only.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, Callable

HERE = Path(__file__).resolve().parents[1]
for root in ("nuke_plugin", "proto"):
    if (HERE / root).is_dir():
        sys.path.insert(0, str(HERE / root))

import nuke  # noqa: E402

FIRST, LAST, WIDTH, HEIGHT = 1001, 1004, 192, 108
# Off the middle in both directions, so that a flip shows. Counted from the top, as recipes do.
CLICK = (60.5, 30.5)
RADIUS = 0.25 * HEIGHT


class Bench:
    """The clip, the server, the script."""

    def __init__(self, folder: Path) -> None:
        from airoto_client.node import links
        from airoto_nuke import startup

        self.folder = folder
        self.links = links
        startup.every_mode()
        size = ["--frames", str(LAST - FIRST + 1), "--size", f"{WIDTH}x{HEIGHT}"]
        subprocess.run([*links.command(), "sample", str(folder / "clip"), *size], check=True)
        (folder / "server").mkdir(mode=0o700)
        self.server = f"unix:{folder}/server/s.sock"
        links.start_server(self.server)
        nuke.scriptSaveAs(str(folder / "verify.nk"), overwrite=1)
        self.plate = nuke.nodes.Read(
            name="Plate", file=f"{folder}/clip/plate_acescg/plate.####.exr", first=FIRST,
            last=LAST, raw=True,
        )  # fmt: skip

    def node(self, plate: Any) -> Any:
        """An AIRoto node with one click on the first frame."""
        from airoto_client.node import state_ops
        from airoto_nuke import nodes, sync
        from airoto_nuke.knobs import NodeKind

        for one in nuke.selectedNodes():
            one.setSelected(False)
        plate.setSelected(True)
        made = sync.create(NodeKind.ROTO)
        made["server"].setValue(self.server)
        made["colour_space"].setValue("ACEScg")
        for name in ("segment_engine", "track_engine"):
            made[name].setValue("null")
        made["matte_engine"].setValue("none")
        sync.edit(made, "click", state_ops.add_point(nodes.state_of(made), FIRST, *CLICK))
        return made

    def press(self, node: Any, name: str) -> None:
        """What a button does, called outside of its script: inside one Nuke refuses to render."""
        from airoto_nuke import entry

        entry.press(node, name)

    def close(self) -> None:
        """End the server and remove the folder."""
        for pid in self.links.started():
            os.kill(pid, signal.SIGTERM)
        self.links.close_all()
        shutil.rmtree(self.folder, ignore_errors=True)


def must(condition: bool, words: str) -> None:
    """Fail a check."""
    if not condition:
        raise AssertionError(words)


def check_disc(node: Any, frame: int) -> None:
    """The node's alpha is the disc that the click makes, in Nuke's own coordinates."""
    nuke.frame(frame)
    x, y = CLICK[0], HEIGHT - CLICK[1]
    for dx, dy in ((0, 0), (0.8, 0), (-0.8, 0), (0, 0.8), (0, -0.8), (1.3, 0), (0, 1.3), (0, -1.3)):
        inside = abs(dx) + abs(dy) < 1
        at = (int(x + dx * RADIUS), int(y + dy * RADIUS))
        found = nuke.sample(node, "rgba.alpha", at[0] + 0.5, at[1] + 0.5)
        must(
            abs(found - float(inside)) < 0.05,
            f"frame {frame}: alpha at {at} is {found:.3f}, {float(inside):g} was expected",
        )


def version_is_known(bench: Bench) -> None:
    """Nuke 14 to 17."""
    must(14 <= nuke.NUKE_VERSION_MAJOR <= 17, f"this is Nuke {nuke.NUKE_VERSION_STRING}")


def nothing_foreign_is_loaded(bench: Bench) -> None:
    """gRPC, protobuf of ours, numpy stay out of the process."""
    ours = [name for name in ("grpc", "numpy", "torch", "airoto.v1") if name in sys.modules]
    must(not ours, f"loaded: {', '.join(ours)}")


def tracks_an_untouched_read(bench: Bench) -> None:
    """The server reads the Read's files; the disc is where the click was, on every frame."""
    node = bench.node(bench.plate)
    must(node.Class() == "Group", f"the node is a {node.Class()}")
    bench.press(node, "track")
    must(str(node["status"].value()).startswith("current"), str(node["status"].value()))
    for frame in range(FIRST, LAST + 1):
        check_disc(node, frame)


def tracks_a_rendered_plate(bench: Bench) -> None:
    """Something between: the inner Write renders the plate, and is gone afterwards."""
    node = bench.node(nuke.nodes.Multiply(inputs=[bench.plate]))
    bench.press(node, "track")
    must(str(node["status"].value()).startswith("current"), str(node["status"].value()))
    check_disc(node, LAST)
    must(not nuke.allNodes("Write", nuke.root(), True), "a Write was left behind")


def renders_a_current_matte(bench: Bench) -> None:
    """A Write after the node renders."""
    write = _write(bench, nuke.toNode("AIRoto1"))
    nuke.execute(write, FIRST, LAST, 1)
    for frame in range(FIRST, LAST + 1):
        must(Path(str(bench.folder / "out.%04d.exr") % frame).is_file(), f"no frame {frame}")


def refuses_a_stale_matte(bench: Bench) -> None:
    """After an edit a render stops; with black chosen its alpha is black."""
    node = nuke.toNode("AIRoto1")
    write = _write(bench, node)
    node["grow"].setValue(2.0)
    try:
        nuke.execute(write, FIRST, FIRST, 1)
    except RuntimeError:
        pass
    else:
        raise AssertionError("the render went through")
    node["on_missing"].setValue("black")
    nuke.execute(write, FIRST, FIRST, 1)
    node["on_missing"].setValue("error")
    node["grow"].setValue(0.0)
    made = nuke.nodes.Read(file=str(bench.folder / "out.%04d.exr"), first=FIRST, last=FIRST)
    nuke.frame(FIRST)
    found = nuke.sample(made, "rgba.alpha", CLICK[0], HEIGHT - CLICK[1])
    must(found == 0, f"the alpha of the render is {found:.3f}, black was chosen")


def fills_the_viewer(bench: Bench) -> None:
    """The view Mask fills RGB with the matte, Overlay tints the plate."""
    node = nuke.toNode("AIRoto1")
    nuke.frame(FIRST)
    at = (CLICK[0], HEIGHT - CLICK[1])
    plain = nuke.sample(node, "rgba.red", *at)
    node["view"].setValue("Mask")
    must(nuke.sample(node, "rgba.red", *at) > 0.95, "the view Mask is not white on the object")
    node["view"].setValue("Overlay")
    must(abs(nuke.sample(node, "rgba.red", *at) - plain) > 0.01, "the overlay tints nothing")
    node["view"].setValue("Final")


def works_at_proxy_size(bench: Bench) -> None:
    """At proxy size a matte is made, which a full-size render refuses."""
    node = bench.node(bench.plate)
    node["size"].setValue("proxy")
    bench.press(node, "track")
    must(str(node["status"].value()).startswith("current"), str(node["status"].value()))
    try:
        nuke.execute(_write(bench, node), FIRST, FIRST, 1)
    except RuntimeError:
        return
    raise AssertionError("the full-size render went through")


def mattes_a_painted_trimap(bench: Bench) -> None:
    """AIMatte uses a trimap from its mask input as it is."""
    from airoto_nuke import sync
    from airoto_nuke.knobs import NodeKind

    painted = nuke.nodes.Rectangle(
        area=(40, 20, 120, 90), output="rgba.alpha", inputs=[bench.plate]
    )
    node = sync.create(NodeKind.MATTE, source=bench.plate)
    node.setInput(1, painted)
    for name, value in (("server", bench.server), ("guide", "trimap"), ("matte_engine", "null"),
                        ("colour_space", "ACEScg")):  # fmt: skip
        node[name].setValue(value)
    bench.press(node, "make")
    must(str(node["status"].value()).startswith("current"), str(node["status"].value()))
    nuke.frame(LAST)
    for at, wanted in (((80, 50), 1.0), ((10, 10), 0.0)):
        found = nuke.sample(node, "rgba.alpha", *at)
        must(abs(found - wanted) < 0.05, f"alpha at {at} is {found:.3f}, not {wanted:g}")


def survives_saving(bench: Bench) -> None:
    """Saved and opened again: the same mattes, current, the same prompts."""
    from airoto_nuke import nodes

    before = nodes.state_of(nuke.toNode("AIRoto1"))
    path = str(bench.folder / "verify.nk")
    nuke.scriptSaveAs(path, overwrite=1)
    nuke.scriptClear()
    nuke.scriptOpen(path)
    node = nuke.toNode("AIRoto1")
    must(nodes.state_of(node) == before, "the prompts changed")
    must(str(node["status"].value()).startswith("current"), str(node["status"].value()))
    check_disc(node, LAST)


CHECKS: tuple[Callable[[Bench], None], ...] = (
    version_is_known,
    nothing_foreign_is_loaded,
    tracks_an_untouched_read,
    tracks_a_rendered_plate,
    renders_a_current_matte,
    refuses_a_stale_matte,
    fills_the_viewer,
    works_at_proxy_size,
    mattes_a_painted_trimap,
    survives_saving,
)


def _write(bench: Bench, node: Any) -> Any:
    for old in nuke.allNodes("Write"):
        nuke.delete(old)
    return nuke.nodes.Write(
        file=str(bench.folder / "out.%04d.exr"), file_type="exr", channels="rgba", inputs=[node]
    )


def main() -> int:
    """Run every check; 0 if all held."""
    print(f"AIRoto in Nuke {nuke.NUKE_VERSION_STRING}, Python {sys.version.split()[0]}")
    folder = Path(tempfile.mkdtemp(prefix="airoto-verify-"))
    failed = 0
    bench = None
    try:
        bench = Bench(folder)
        for check in CHECKS:
            words = (check.__doc__ or "").strip()
            try:
                check(bench)
                print(f"held    {check.__name__}: {words}")
            except Exception as exc:  # noqa: BLE001 - a check that fails is the result
                failed += 1
                print(f"FAILED  {check.__name__}: {exc}")
                if not isinstance(exc, AssertionError):
                    traceback.print_exc()
    finally:
        if bench is not None:
            bench.close()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(CHECKS) - failed} of {len(CHECKS)} held")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
