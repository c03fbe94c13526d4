"""Scripts of Nuke, read without Nuke: against a real Tcl, and against any text."""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airoto_client.nk import script, tcl
from airoto_client.nk.script import ScriptError, parse_script, read_script

REPOSITORY = Path(__file__).resolve().parents[2]
TEMPLATES = [
    *sorted((REPOSITORY / "tests/golden/nuke").glob("*.nk")),
    *sorted((REPOSITORY / "nuke_plugin/gizmos").glob("*.gizmo")),
]
# What means something to Tcl, more often than chance would have it.
tclish = st.text(
    st.sampled_from('{}[]"\\$;# \t\n\r\f\v') | st.sampled_from("abnrtvxu17F") | st.characters(
        exclude_categories=["Cs"], min_codepoint=1, max_codepoint=0xFFFD
    ),
    max_size=60,
).filter(lambda text: not re.search(r"\\[xu]?0", text))  # fmt: skip
scriptish = st.lists(
    st.sampled_from(
        [
            "Group {", "}", "\n", "end_group\n", " name a\n", "push 0\n", "set N1 [stack 0]\n",
            "push $N1\n", "clone $N1 {", "Blur {\n inputs 2+1\n}\n", "LiveGroup {\n}\n", "#", '"',
            "\\", " addUserKnob {20 a l b}\n", "Root {\n", "version 15.0 v1\n", ";",
        ]
    )
    | tclish,
    max_size=30,
).map("".join)  # fmt: skip


@pytest.fixture(scope="module")
def real_tcl():
    tkinter = pytest.importorskip("tkinter", reason="tkinter is not installed: no real Tcl")
    return tkinter.Tcl()


@given(tclish)
@settings(max_examples=300, deadline=None)
@example("{a}b")
@example('a "b\\\nc" {\\{}')
@example("\\x4aG \\101 \\uD9z \\")
def test_lists_are_split_as_a_real_tcl_splits_them(real_tcl, text):
    import tkinter

    try:
        # Not `splitlist` of the text as it is: that takes shortcuts for what is no list.
        real_tcl.setvar("text", text)
        wanted = list(real_tcl.tk.splitlist(real_tcl.eval("lrange $text 0 end")))
    except tkinter.TclError:
        with pytest.raises(tcl.TclError):
            tcl.split(text)
        return
    assert tcl.split(text) == wanted


@given(tclish.filter(lambda text: not re.search(r"[\[\]$]|\{\*\}", text)))
@settings(max_examples=300, deadline=None)
@example("# a\\\nb\nc {d\\\n  e} ; f")
@example("a\\\n b")
def test_commands_are_what_a_real_tcl_would_run(real_tcl, text):
    import tkinter

    real_tcl.eval(
        "namespace eval nk {namespace path {}; proc ::told args {lappend ::seen $args}}\n"
        "set ::seen {}; namespace eval nk {namespace unknown ::told}"
    )
    try:
        found = [[word.text for word in command] for command in tcl.commands(text)]
    except tcl.TclError:
        found = None
    known = real_tcl.tk.splitlist(real_tcl.eval("info commands ::*"))
    if found and any(f"::{command[0].lstrip(':')}" in known for command in found):
        return  # Tcl would run them
    try:
        real_tcl.tk.call("namespace", "eval", "nk", text)
    except tkinter.TclError:
        assert found is None or any(not command[0] for command in found)
        return
    seen = [[str(word) for word in real_tcl.tk.splitlist(one)] for one in real_tcl.tk.splitlist(
        real_tcl.getvar("seen"))]  # fmt: skip
    assert found == seen


@given(scriptish)
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_script_or_an_error_with_its_line(text):
    try:
        found = parse_script(text, "shot.nk")
    except ScriptError as exc:
        line = int(re.match(r"shot\.nk, line (\d+): ", exc.message)[1])
        assert 1 <= line <= text.count("\n") + 1
    else:
        for node in found.walk():
            assert node.full_name.endswith(node.name)
            assert all(one is None or one.parent is node.parent for one in node.inputs)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_our_own_files_come_out_whole(path):
    found = read_script(path)
    names = [node.full_name for node in found.walk()]
    assert len(set(names)) == len(names)
    group = next(node for node in found.walk() if node.has_knob("airoto_kind"))
    assert any(one.class_name == "Output" for one in group.nodes)
    text = path.read_text()
    assert len(names) == len(re.findall(r"^ *(?!Root)\w+ \{$", text, re.MULTILINE))


SCRIPT = r"""#! /opt/Nuke15.0 -nx
version 15.0 v1
define_window_layout_xml {<?xml version="1.0"?>
<layout> <window x="0"/> </layout>
}
Root {
 inputs 0
 name /shots/a.nk
 frame 1001
 format "192 108 0 0 192 108 1 small"
}
add_layer {matte matte.a matte.b}
Read {
 inputs 0
 file "/plates/\[getenv SHOT]/a b.%04d.exr"
 name Plate
}
set N1 [stack 0]
clone node7f1|Grade|12 Grade {
 white {{curve x1 1 x50 {2 3}}}
 name Grade1
}
set C1 [stack 0]
push $N1
clone $C1 {
 xpos 10
 selected true
}
Merge2 {
 inputs 2+1
 name Over
}
Group {
 inputs 2
 name Outer
 knobChanged "print('\{')\nif 1:\n    pass"
 addUserKnob {20 User l "a tab"}
 addUserKnob {1 note l ""}
 disable true
}
 Input {
  inputs 0
  name Input1
 }
set N2 [stack 0]
 Group {
  name Inner
 }
  Input {
   inputs 0
   name Input1
  }
 end_group
 push $N2
 LiveGroup {
  name Live
 }
 Output {
  name Output1
 }
end_group
push $cut_paste_input
Unknown.Gizmo2 {
 name Last
}
"""


def test_a_script_with_everything_that_nuke_writes():
    found = parse_script(SCRIPT)
    by_name = {node.full_name: node for node in found.walk()}
    assert list(by_name) == [
        "Plate", "Grade1", "Over", "Outer", "Outer.Input1", "Outer.Inner", "Outer.Inner.Input1",
        "Outer.Live", "Outer.Output1", "Last",
    ]  # fmt: skip
    assert found.root.knobs["format"] == "192 108 0 0 192 108 1 small"
    assert by_name["Plate"].knobs["file"] == "/plates/[getenv SHOT]/a b.%04d.exr"
    assert by_name["Grade1"].knobs["white"] == "{curve x1 1 x50 {2 3}}"
    first, second = (node for node in found.walk() if node.name == "Grade1")
    assert second.class_name == "Grade"
    assert second.knobs == {**first.knobs, "xpos": "10", "selected": "true"}
    assert first.inputs == second.inputs == [by_name["Plate"]]
    assert by_name["Over"].inputs == [second, first, None]
    outer = by_name["Outer"]
    assert outer.inputs == [by_name["Over"], None]
    assert outer.is_disabled
    assert outer.user_knobs == {"User", "note"}
    assert outer.knobs["knobChanged"] == "print('{')\nif 1:\n    pass"
    assert by_name["Outer.Live"].inputs == [by_name["Outer.Input1"]]
    assert by_name["Outer.Inner"].inputs == [by_name["Outer.Input1"]]
    assert by_name["Last"].inputs == [None]
    assert SCRIPT.splitlines()[by_name["Outer.Inner"].line - 1].strip() == "Group {"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\nGroup {\n name G\n}\nBlur {\n}\n", "line 2: Group G has no end_group"),
        ("Blur {\n}\nend_group\n", "line 3: end_group, and no Group is open"),
        ("Blur {\n}\nBlur {\n size {1\n}\n", "line 3: this brace { is never closed"),
        ("Blur {\n a 1\n size\n}\n", "line 3: in a node of class Blur: the knob 'size' has no"),
        ('Blur {\n a 1\n size "1"x\n}\n', "line 3: in a node of class Blur: 'x' right after"),
        ("Blur {\n}\nclone $C1 {\n}\n", "line 3: clone of $C1, which nothing was set to"),
        ("set a [stack 0\n", "line 1: this bracket [ is never closed"),
    ],
)
def test_a_damaged_script_is_refused_with_its_line(tmp_path, text, words):
    path = tmp_path / "bad.nk"
    path.write_text(text)
    with pytest.raises(ScriptError) as caught:
        read_script(path)
    assert f"{path}, {words}" in caught.value.message


def test_what_is_no_script_at_all_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.nk"
    path.write_bytes(b"\x7fELF\0\0")
    with pytest.raises(ScriptError, match="a binary file"):
        read_script(path)
    path.write_bytes(b"#" * 100)
    monkeypatch.setattr(script, "MAX_BYTES", 99)
    with pytest.raises(ScriptError, match="larger than"):
        read_script(path)


@pytest.mark.parametrize(
    "text",
    [
        "Group {\n}\n" * 6_000,
        "{" * 200_000,
        '"' + "a" * 300_000,
        "Blur {\n" + " size 1\n" * 12_000 + "}\n",
        "Blur {\n inputs 9999\n}\n" * 200,
        "a " * 30_000,
        "\\" * 200_001,
        "Roto {\n curves {" + "{a 0x1.8p1} " * 20_000 + "}\n}\n",
    ],
    ids=range(8),
)
def test_memory_is_bounded_by_the_text(text):
    tracemalloc.start()
    try:
        parse_script(text)
    except ScriptError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 1_000_000 + 250 * len(text)
