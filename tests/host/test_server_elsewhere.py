"""A server that sees none of our files, as on another machine: everything travels."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import nuke
import numpy as np
import pytest
import session
from serving import running_server
from studio import FIRST, HERO, LAST, Studio

from airoto.wire.recipe import from_dict, recipe_hash
from airoto_client.marks import provenance_of
from airoto_client.node import handing, links
from airoto_nuke import nodes, tasks
from airoto_nuke.knobs import NodeKind


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that may read and write one folder, which holds nothing of ours."""
    folder = tmp_path_factory.mktemp("elsewhere")
    with running_server("--root", str(folder)) as target:
        yield target


@pytest.fixture
def remote(tmp_path: Path, clip: Path, elsewhere: str) -> Iterator[Studio]:
    made = Studio(tmp_path / "shots", clip, elsewhere, gui=True)
    yield made
    assert made.app.errors == []


def test_a_plate_is_sent_and_mattes_come_back_the_same(remote, server):
    node = remote.tracked()
    assert node["status"].value() == f"current: 6 frames, {FIRST}-{LAST}", remote.app.said
    far = [remote.alpha(node, frame) for frame in range(FIRST, LAST + 1)]
    write = remote.write(node)
    nuke.execute(write, FIRST, LAST)
    node["server"].setValue(server)
    for old in Path(nodes.folder_of(node)).rglob("matte.*.exr"):
        old.unlink()
    remote.press(node, "track")
    for frame, alpha in zip(range(FIRST, LAST + 1), far, strict=True):
        assert np.array_equal(remote.alpha(node, frame), alpha)


def test_files_that_came_back_name_the_recipe_that_made_them(remote):
    node = remote.tracked()
    made = provenance_of(Path(nodes.shown_pattern(node) % FIRST))
    manifest = nodes.shown_manifest(node)
    assert made["recipe_hash"] == manifest.recipe_hash
    plate = nodes.plates.plate_of(node)
    output = nodes.shown_pattern(node)
    recipe = nodes.recipe_of(node, plate, nodes.state_of(node), output=output)
    assert manifest.recipe_hash == recipe_hash(from_dict(recipe))


def test_a_rendered_plate_is_sent_too(remote):
    node = remote.tracked(plate=nuke.nodes.Multiply(inputs=[remote.plate]))
    assert node["status"].value().startswith("current"), remote.app.said


def test_candidates_come_back(remote):
    node = remote.node()
    remote.click(node, *HERO)
    remote.press(node, "segment")
    assert node["candidate_scores"].value() == "1: 0.90, 2: 0.80, 3: 0.70", remote.app.said
    assert remote.alpha(node, FIRST).max() == 1


def test_a_drawn_mask_travels_inside_the_recipe(remote):
    node = remote.node()
    shape = nuke.nodes.Rectangle(area=(20, 10, 60, 50), inputs=[remote.plate])
    node.setInput(1, shape)
    remote.press(node, "use_mask")
    node["matte_engine"].setValue("none")
    remote.press(node, "track")
    assert node["status"].value().startswith("current"), remote.app.said
    wanted = remote.channel(shape, FIRST, "rgba.alpha")
    assert np.abs(remote.alpha(node, FIRST) - wanted).mean() < 0.01


@pytest.mark.parametrize("guide", ["mask", "trimap"])
def test_rough_masks_and_trimaps_travel_for_every_frame(remote, guide):
    node = remote.node(NodeKind.MATTE)
    node.setInput(1, nuke.nodes.Rectangle(area=(40, 20, 120, 90), inputs=[remote.plate]))
    node["guide"].setValue(guide)
    remote.press(node, "make")
    assert node["status"].value() == f"current: 6 frames, {FIRST}-{LAST}", remote.app.said


def test_masks_that_do_not_fit_are_refused_with_the_next_step(remote, monkeypatch):
    monkeypatch.setattr(handing, "MAX_ALL_INLINE", 1000)
    node = remote.node(NodeKind.MATTE)
    node.setInput(1, nuke.nodes.Rectangle(area=(40, 20, 120, 90), inputs=[remote.plate]))
    remote.press(node, "make")
    assert "does not see the masks" in remote.app.said[-1]
    assert "cache folder" in remote.app.said[-1]


def test_an_approved_frame_travels_too(remote):
    node = remote.tracked()
    approved = remote.alpha(node, FIRST)
    remote.press(node, "lock_frame")
    remote.click(node, 150, 20)
    remote.press(node, "track")
    assert node["status"].value().startswith("current"), remote.app.said
    assert np.array_equal(remote.alpha(node, FIRST), approved)
    assert not np.array_equal(remote.alpha(node, FIRST + 1), approved)


def test_text_is_looked_for_on_a_frame_that_was_sent(remote):
    node = remote.node(NodeKind.DETECT)
    node["detect_engine"].setValue("null")
    node["text"].setValue("dog")
    remote.press(node, "detect")
    assert nodes.state_of(node).objects, remote.app.said


def test_a_server_that_never_answers_blocks_nothing(remote, monkeypatch):
    monkeypatch.setattr(links, "HELLO_TIMEOUT", 0.5)
    place = remote.folder / "deaf.sock"
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(place))
        deaf.listen()
        node = remote.node()
        node["server"].setValue(f"unix:{place}")
        session.press(node, "check_server")
        assert node["server_state"].value() == "asking", "the button has returned"
        session.pump(lambda: node["server_state"].value() != "asking")
        assert "Start local server" in remote.app.said[-1]
        remote.click(node, *HERO)
        session.press(node, "track")
        assert tasks.is_running(node)
        node["cancel"].execute()
        assert not tasks.is_running(node)
        assert node["progress"].value() == "cancelled; finished frames are kept"
    links.forget(f"unix:{place}")
