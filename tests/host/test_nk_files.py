"""What we write for Nuke is Tcl: templates and scripts, against golden files and a real Tcl.

`AIROTO_GOLDEN=write` writes the golden files anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import nuke
import pytest
import tclwords
from nuke import _script
from studio import FIRST, HERO

from airoto_nuke import nodes, sync, templates
from airoto_nuke.knobs import NodeKind, all_knobs

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "nuke"
GIZMOS = sync.GIZMOS

# Every command of a script ends up in `unknown`, as nodes do in Nuke; blocks have to be lists
# with an even number of words.
_HARNESS = r"""
proc check {name arguments} {
    if {$name in {end_group version push add_layer}} return
    set body [lindex $arguments 0]
    if {[llength $body] % 2} { error "$name: odd number of words" }
    foreach {knob value} $body {
        if {$knob eq "addUserKnob"} { llength $value }
    }
}
proc unknown {name args} { check $name $args }
proc stack {index} { return "node" }
"""


class Tcl:
    """A real Tcl interpreter: `tkinter`'s, else the `tclsh` of the machine."""

    def __init__(self) -> None:
        self._tclsh = shutil.which("tclsh")
        try:
            import tkinter

            self._make = tkinter.Tcl
        except ImportError:
            self._make = None
            if self._tclsh is None:
                pytest.skip("neither tkinter nor tclsh is installed, so there is no Tcl")

    def check(self, text: str) -> str:
        """What is wrong with a script; empty for nothing."""
        if self._make is not None:
            import tkinter

            interpreter = self._make()
            interpreter.eval(_HARNESS)
            try:
                interpreter.eval(text)
            except tkinter.TclError as exc:
                return str(exc)
            return ""
        done = subprocess.run(
            [self._tclsh], input=f"{_HARNESS}\n{text}", capture_output=True, text=True, check=False
        )
        return done.stderr


@pytest.fixture(scope="module")
def tcl() -> Tcl:
    return Tcl()


def compare(name: str, text: str) -> None:
    """With the golden file of that name."""
    path = GOLDEN / name
    if os.environ.get("AIROTO_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("kind", NodeKind)
def test_the_committed_templates_are_what_the_table_of_knobs_says(kind):
    assert (GIZMOS / templates.file_name(kind)).read_text() == templates.gizmo(kind)


@pytest.mark.parametrize("kind", NodeKind)
def test_a_real_tcl_reads_every_template(tcl, kind):
    text = templates.gizmo(kind)
    assert tcl.check(text) == ""
    assert tcl.check(templates.expanded(text, "AIRoto1", "00112233")) == ""


@pytest.mark.parametrize("kind", NodeKind)
def test_an_expanded_template_is_a_group_and_never_a_live_gizmo(kind):
    text = templates.expanded(templates.gizmo(kind), "Mine", "00112233")
    assert "Gizmo {" not in text
    assert "\nGroup {\n inputs 0\n name Mine\n" in f"\n{text}"
    if kind is not NodeKind.DETECT:
        assert " node_id 00112233\n" in text


@pytest.mark.parametrize(
    "broken",
    [
        "Group {\n name a\n",
        'Group {\n name "a\n}',
        "Group {\n name a}b\n}",
        "Group {\n name\n}",
        "Group {\n state {a {b}\n}",
        'Group {\n T "x" y\n}',
    ],
)
def test_a_real_tcl_rejects_broken_files_and_so_does_the_double(tcl, broken):
    assert tcl.check(broken) != ""
    with pytest.raises(ValueError, match=r".+"):
        [_script._pairs(command[1]) for command in tclwords.words(broken)]


@pytest.mark.parametrize(
    "text", ["", "a b", "[x]", "$x", 'say "hi"', "a\nb", "{", "}", "\\", "#x", ";"]
)
def test_any_text_in_a_knob_survives_tcl(tcl, text):
    block = f"Group {{\n label {tclwords.quoted(text)}\n}}\n"
    assert tcl.check(block) == ""
    assert tclwords.split(next(iter(tclwords.words(block)))[1])[1] == text
    ours = f"Group {{\n label {templates.quoted(text)}\n}}\n"
    assert tcl.check(ours) == ""
    assert tclwords.split(next(iter(tclwords.words(ours)))[1])[1] == text


@pytest.mark.parametrize("kind", NodeKind)
def test_a_new_node_written_by_the_double_is_its_golden_file(studio, tcl, kind):
    node = studio.node(kind)
    if node.knob("server") is not None:
        node["server"].setValue("")
    if node.knob("node_id") is not None:
        node["node_id"].setValue("00112233")
    node["plate_seen"].setValue("")
    studio.app.names_written = 0
    text = _script.nodes_text([node])
    assert tcl.check(text) == ""
    compare(f"{kind.value}.nk", text)


def test_a_tracked_script_is_its_golden_file_and_real_tcl(studio, tcl):
    node = studio.tracked()
    nuke.frame(FIRST + 2)
    studio.click(node, 20.5, 30.5, positive=False)
    studio.click(node, *HERO)
    text = studio.save("shot").read_text()
    assert tcl.check(text) == ""
    for old, new in (
        (node["plate_seen"].value(), "SEEN"),
        (str(studio.clip), "/clip"),
        (str(studio.folder), "/shots"),
        (studio.server, "unix:/server"),
        (nodes.id_of(node), "00112233"),
        (node["result_key"].value(), "0123456789abcdef"),
    ):
        text = text.replace(old, new)
    compare("tracked.nk", text)


@pytest.mark.parametrize("kind", NodeKind)
def test_every_knob_has_a_name_of_its_own_and_all_but_headings_have_tooltips(kind):
    specs = all_knobs(kind)
    assert len({spec.name for spec in specs}) == len(specs)
    for spec in specs:
        if spec.type.name not in ("TAB", "TEXT") and not spec.hidden:
            assert spec.tooltip, spec.name


def test_every_button_has_something_to_do():
    from airoto_nuke.buttons import ACTIONS

    for kind in NodeKind:
        for spec in all_knobs(kind):
            if spec.type.name == "BUTTON":
                assert spec.name in ACTIONS, spec.name


def test_no_script_in_a_template_runs_without_its_guard():
    for kind in NodeKind:
        text = templates.gizmo(kind)
        assert text.count("from airoto_nuke import") == text.count("except ImportError:")
