"""The double keeps Nuke's rules, so that our code meets them here first."""

from __future__ import annotations

import threading

import nuke
import nukescripts.utils
import pytest
import session
from nuke._knobs import evaluate


@pytest.fixture
def app():
    return session.reset()


def write(source=None):
    return nuke.nodes.Write(file="/nowhere/a.%04d.exr", inputs=[source] if source else [])


def test_a_knobs_script_may_not_render(app):
    node = nuke.nodes.NoOp()
    node.addKnob(nuke.PyScript_Knob("go", "go", "nuke.execute('Write1', 1, 1)"))
    write(node)
    with pytest.raises(RuntimeError, match="already executing something else"):
        node["go"].execute()


def test_what_is_not_executable_is_not_executed(app):
    nuke.nodes.NoOp()
    with pytest.raises(RuntimeError, match="not executable"):
        nuke.execute("NoOp1", 1, 1)


def test_knobs_are_set_on_the_main_thread_only(app):
    node = nuke.nodes.NoOp()
    caught = []

    def other():
        try:
            node["label"].setValue("x")
        except RuntimeError as exc:
            caught.append(str(exc))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert "not the main thread" in caught[0]


def test_posting_from_the_main_thread_would_hang(app):
    with pytest.raises(RuntimeError, match="hang"):
        nuke.executeInMainThread(print)


@pytest.mark.parametrize(
    "call",
    [
        lambda: nuke.message("x"),
        lambda: nuke.getInput("x"),
        lambda: nuke.menu("Nodes"),
        lambda: nukescripts.utils.executeDeferred(print),
    ],
)
def test_terminal_mode_has_no_windows(call):
    session.reset(gui=False)
    with pytest.raises(RuntimeError, match="non-gui mode"):
        call()


def test_an_exception_before_a_render_aborts_it(app):
    def refuse():
        raise ValueError("no")

    nuke.addBeforeRender(refuse)
    write(nuke.nodes.Constant())
    with pytest.raises(ValueError, match="no"):
        nuke.execute("Write1", 1, 1)
    assert app.written == []


def test_all_nodes_lists_groups_inside_only_if_asked(app):
    group = nuke.nodes.Group()
    with group:
        nuke.nodes.Write()
    assert nuke.allNodes("Write") == []
    assert len(nuke.allNodes("Write", recurseGroups=True)) == 1


def test_nodes_of_two_groups_are_not_wired(app):
    group = nuke.nodes.Group()
    with group:
        inner = nuke.nodes.NoOp()
    with pytest.raises(ValueError, match="another group"):
        inner.setInput(0, group)


def test_a_value_of_the_wrong_kind_is_refused(app):
    read = nuke.nodes.Read()
    with pytest.raises(TypeError):
        read["file"].setValue(3)
    with pytest.raises(TypeError):
        read["first"].setValue("one")
    with pytest.raises(TypeError):
        read["on_error"].setValue("explode")
    with pytest.raises(NameError):
        read["fiel"]


def test_undo_takes_back_groups_whole(app):
    node = nuke.nodes.NoOp()
    nuke.Undo.begin("two")
    node["label"].setValue("a")
    node["tile_color"].setValue(7)
    nuke.Undo.end()
    nuke.undo()
    assert (node["label"].value(), node["tile_color"].value()) == ("", 0)
    nuke.redo()
    assert (node["label"].value(), node["tile_color"].value()) == ("a", 7)


@pytest.mark.parametrize(
    ("text", "value"), [("1+2*3", 7), ("(frame==5)*2", 2), ("$gui && 1", 1), ("!$gui || 0", 0)]
)
def test_expressions_are_those_of_the_user_guide(app, text, value):
    app.frame = 5
    assert evaluate(text, nuke.nodes.NoOp()) == value
