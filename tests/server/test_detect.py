"""Text to boxes to mattes, with the detector that finds every phrase in the middle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airoto.errors import AIRotoError, EngineError, EngineUnavailableError, RecipeError
from airoto.wire.recipe import from_dict as parse_dict
from airoto_server.app.sample import SamplePaths
from airoto_server.engines.null import NullDetector
from airoto_server.scheduler.cancel import Cancel
from airoto_server.sessions.detecting import detect_frame
from airoto_server.sessions.workshop import Settings, Workshop
from airoto_server.storage.place import CachePlace

from .conftest import RunningServer
from .rendering import Message, channels, hero, merged, render, sample_recipe

MIDDLE = {"x_min": 48.0, "y_min": 27.0, "x_max": 144.0, "y_max": 81.0}


@pytest.fixture
def recipe(clip: SamplePaths) -> Message:
    return sample_recipe(
        clip,
        "a.####.exr",
        objects=[],
        detect={"engine": "null", "text": "Ball. red  car .", "frame": 1003},
        segment={"engine": "null"},
        matte={"engine": "none"},
    )


def refused(server: RunningServer, method: str, request: Message) -> AIRotoError:
    with pytest.raises(AIRotoError) as caught:
        list(server.link.stream(method, request)) if method == "Render" else server.link.call(
            method, request
        )
    server.assert_alive()
    return caught.value


def test_phrases_become_boxes_with_ids_and_names(server: RunningServer, recipe: Message) -> None:
    apart = merged(recipe, {"detect": {"max_overlap": 1.0}})
    answer = server.link.call("Detect", {"recipe": apart})
    assert [(one["object_id"], one["name"], one["phrase"]) for one in answer["objects"]] == [
        (1, "ball_1", "ball"),
        (2, "red_car_1", "red car"),
    ]
    assert [one["box"] for one in answer["objects"]] == [MIDDLE, MIDDLE]
    assert all(0 < one["score"] <= 1 for one in answer["objects"])
    assert answer.get("phrases_not_found", []) == []
    (use,) = answer["provenance"]["engines"]
    assert (use["role"], use["name"], use["device"]) == ("ENGINE_ROLE_DETECTOR", "null", "cpu")


def test_of_two_boxes_on_one_thing_the_better_stays(server: RunningServer, recipe: Message) -> None:
    answer = server.link.call("Detect", {"recipe": recipe})
    assert [one["name"] for one in answer["objects"]] == ["ball_1"]
    assert answer["phrases_not_found"] == ["red car"]


def test_ids_and_names_leave_out_those_of_listed_objects(
    server: RunningServer, recipe: Message
) -> None:
    listed = [{"id": 7, "name": "Ball_1"}]
    answer = server.link.call("Detect", {"recipe": {**recipe, "objects": listed}})
    assert [(one["object_id"], one["name"]) for one in answer["objects"]] == [(8, "ball_2")]


def test_nothing_above_the_threshold_is_no_error_of_detect(
    server: RunningServer, recipe: Message
) -> None:
    strict = merged(recipe, {"detect": {"box_threshold": 0.95}})
    answer = server.link.call("Detect", {"recipe": strict})
    assert answer.get("objects", []) == []
    assert answer["phrases_not_found"] == ["ball", "red car"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"text": ""}, "detect.text"),
        ({"text": " . . "}, "detect.text"),
        ({"text": "ball . !?"}, "detect.text"),
        ({"frame": 999}, "detect.frame"),
        ({"box_threshold": 1.5}, "detect.box_threshold"),
        ({"text_threshold": -0.1}, "detect.text_threshold"),
        ({"max_objects": 65}, "detect.max_objects"),
        ({"engine": "No Such"}, "detect.engine"),
    ],
)
def test_what_is_wrong_with_a_search_is_named(
    server: RunningServer, recipe: Message, change: Message, path: str
) -> None:
    error = refused(server, "Detect", {"recipe": merged(recipe, {"detect": change})})
    assert isinstance(error, RecipeError)
    assert [one.path for one in error.violations] == [path]


def test_without_a_detector_the_answer_says_what_to_install(
    server: RunningServer, recipe: Message
) -> None:
    error = refused(server, "Detect", {"recipe": merged(recipe, {"detect": {"engine": "auto"}})})
    assert isinstance(error, EngineUnavailableError)
    assert "detector" in error.message


def test_text_boxes_masks_and_tracking_in_one_request(
    server: RunningServer, recipe: Message, tmp_path: Path
) -> None:
    wanted = merged(recipe, {"output": {"path": f"{tmp_path}/m.####.exr"}})
    outcome = render(server.link, wanted)
    assert [one["name"] for one in outcome.plan["found"]] == ["ball_1"]
    assert any("red car" in warning for warning in outcome.warnings)
    assert outcome.done == list(range(1001, 1009))
    matte = channels(tmp_path / "m.1003.exr")["matte_ball_1.A"]
    assert matte[30:78, 52:140].min() > 0.9
    assert matte[:20].max() == 0
    roles = {use["role"] for use in outcome.plan["provenance"]["engines"]}
    assert "ENGINE_ROLE_DETECTOR" in roles
    assert render(server.link, wanted).kept == list(range(1001, 1009))


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ({}, True),
        ({"points": [{"x": 96, "y": 54}]}, True),
        ({"points": [{"x": 5, "y": 5}]}, False),
        ({"box": {"x_min": 40, "y_min": 20, "x_max": 100, "y_max": 70}}, True),
        ({"box": {"x_min": 0, "y_min": 0, "x_max": 20, "y_max": 20}}, False),
    ],
)
def test_a_phrase_as_prompt_is_the_box_that_fits_its_points(
    server: RunningServer, recipe: Message, prompt: Message, expected: bool
) -> None:
    prompted = hero({"frame": 1001, "text": "ball", **prompt})
    wanted = merged({**recipe, "objects": prompted}, {"detect": {"text": ""}})
    request: dict[str, Any] = {"recipe": wanted, "frame": 1001}
    if not expected:
        error = refused(server, "Segment", request)
        assert isinstance(error, EngineError)
        assert "ball" in error.message
        return
    (found,) = server.link.call("Segment", request)["objects"]
    assert int(found["candidates"][0]["area"]) > 0


def test_a_render_that_finds_nothing_says_so(
    server: RunningServer, recipe: Message, tmp_path: Path
) -> None:
    changes = {"detect": {"box_threshold": 0.95}, "output": {"path": f"{tmp_path}/a.####.exr"}}
    error = refused(server, "Render", {"recipe": merged(recipe, changes)})
    assert isinstance(error, EngineError)
    assert error.frame == 1003
    assert "0.95" in error.message


def test_matte_anything_widens_the_unknown_where_things_can_be_seen_through(
    server: RunningServer, recipe: Message, clip: SamplePaths, tmp_path: Path
) -> None:
    """The null detector finds glass in the middle half of the picture."""
    changes = {
        "objects": hero(
            {"frame": 1001, "box": {"x_min": 20, "y_min": 20, "x_max": 120, "y_max": 90}}
        ),
        "track": {"engine": "none"},
        "matte": {"engine": "matte-anything", "trimap": {"narrow": 3, "wide": 3}},
        "output": {"path": f"{tmp_path}/any/m.####.exr", "trimap": True},
    }
    wanted = merged({**recipe, "objects": []}, {**changes, "detect": {"text": ""}})
    outcome = render(server.link, wanted)
    names = {one["role"]: one["name"] for one in outcome.plan["provenance"]["engines"]}
    assert names["ENGINE_ROLE_DETECTOR"] == "null"
    assert names["ENGINE_ROLE_MATTER"] == "classic"
    assert "glass" in outcome.plan["provenance"]["choices"]["matte_anything"]
    found = channels(tmp_path / "any" / "m.1001.exr")
    (trimap,) = (found[name] for name in found if "trimap" in name)
    assert (trimap[40:70, 60:110] == 0.5).all()
    assert (trimap[40:70, 25:44] == 1).all()
    phrases = merged(wanted, {"matte": {"transparent": "!!"}})
    error = refused(server, "Render", {"recipe": phrases})
    assert isinstance(error, RecipeError)
    assert [one.path for one in error.violations] == ["matte.transparent"]
    alone = merged(wanted, {"detect": {"engine": ""}, "output": {"path": f"{tmp_path}/n.####.exr"}})
    assert isinstance(refused(server, "Render", {"recipe": alone}), EngineUnavailableError)


def test_a_frame_is_searched_once_for_the_same_phrases(
    clip: SamplePaths, recipe: Message, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[tuple[str, float]] = []
    plain = NullDetector.detect

    def counted(self: NullDetector, picture: Any, text: str, **thresholds: float) -> Any:
        searched.append((text, thresholds["box_threshold"]))
        return plain(self, picture, text, **thresholds)

    monkeypatch.setattr(NullDetector, "detect", counted)
    place = CachePlace(tmp_path / "cache", 1 << 30, chosen=True)
    workshop = Workshop(Settings(scratch=tmp_path / "scratch", cache=place))
    try:
        found = []
        for change in ({}, {}, {"box_threshold": 0.2}, {"text": "ball"}, {"frame": 1004}, {}):
            asked = parse_dict(merged(recipe, {"detect": change}))
            found.append(detect_frame(workshop, asked, (), Cancel()))
        assert len(searched) == 4
        assert found[0] == found[1] == found[5]
    finally:
        workshop.close()
