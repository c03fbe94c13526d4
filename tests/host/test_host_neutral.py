"""Cache folders, pixels, staleness, review, jobs: without Nuke and without a server."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from airoto import review
from airoto.errors import BadRequestError, CancelledError, InternalError
from airoto.review import Seen as FrameNote
from airoto_client.node import jobs, plate_files, staleness
from airoto_client.node.cache_paths import NodePlace
from airoto_client.node.staleness import Manifest, Verdict
from airoto_client.node.state import Lock
from airoto_nuke import pixels


def place(**changes: object) -> NodePlace:
    values = {
        "script": "/show/shot/comp_v3.nk", "node": "AIRoto1", "node_id": "0011aabb",
        "home": "/home/me", "temp": "/tmp", "user": "me",
    }  # fmt: skip
    return NodePlace(**{**values, **changes})


def test_the_usual_folder_names_script_and_node():
    assert place().folder("") == "/show/shot/airoto/comp_v3/AIRoto1_0011aabb"


def test_same_named_nodes_of_two_scripts_never_share_a_folder():
    assert place().folder("") != place(script="/show/shot/comp_v4.nk").folder("")


TEMPLATES = [
    "", "{temp}", "{temp}/cache", "{temp}/{script}", "{temp}/{node}", "{temp}/{script}/{node}",
    "{script_dir}", "{script_dir}/{node}", "{script_dir}/{script}", "/cache/{user}", "cache",
]  # fmt: skip


@pytest.mark.parametrize("template", TEMPLATES)
def test_no_template_lets_copies_or_scripts_share_a_folder(template):
    folders = [
        place(node_id=node_id, script=script).folder(template)
        for node_id in ("aaaaaaaa", "bbbbbbbb")
        for script in ("/show/a/comp.nk", "/show/a/comp_v2.nk", "/show/b/comp.nk")
    ]
    assert len(set(folders)) == 6
    again = place(node_id="aaaaaaaa", script="/show/a/comp.nk").folder(template)
    assert again == folders[0]


def test_names_that_a_file_system_would_not_take_are_made_safe():
    assert place(node="Group1.AI roto/ü", script="").folder("{temp}/{node}") == (
        "/tmp/Group1_AI_roto_0011aabb"
    )


@pytest.mark.parametrize(
    ("template", "script", "words"),
    [
        ("{shot}/x", "/a/b.nk", "known: {script_dir}"),
        ("", "", "never saved"),
        ("cache", "", "relative"),
    ],
)
def test_a_folder_that_cannot_be_is_refused_in_words(template, script, words):
    with pytest.raises(BadRequestError, match=words):
        place(script=script).folder(template)


def test_paths_below_the_script_travel_with_it_unless_the_artist_chose_otherwise():
    path = "/show/shot/airoto/a/matte.%04d.exr"
    shown = place().shown(path)
    assert shown == "[file dirname [value root.name]]/airoto/a/matte.%04d.exr"
    assert place().found(shown) == path
    assert place(script="/moved/comp_v3.nk").found(shown).startswith("/moved/")
    assert place(relative=False).shown(path) == path
    assert place().shown("/elsewhere/a.exr") == "/elsewhere/a.exr"


# ---- pixels --------------------------------------------------------------------------


def read(**changes: object) -> pixels.ReadFacts:
    values = {
        "file": "/p/a.%04d.exr", "first": 1, "last": 9, "shifted": False, "space": "linear",
        "raw": False,
    }  # fmt: skip
    return pixels.ReadFacts(**{**values, **changes})


def test_an_untouched_read_needs_no_rendering():
    assert pixels.why_render(read(), 1, 9, always=False, stereo=False) == ""


@pytest.mark.parametrize(
    ("changes", "first", "last", "words"),
    [
        ({"shifted": True}, 1, 9, "changes its frames"),
        ({"plain": False}, 1, 9, "changes its frames or pixels"),
        ({"file": "/p/a.mov"}, 1, 9, "movie"),
        ({"file": "/p/a.exr"}, 1, 9, "still"),
        ({}, 0, 9, "holds frames beyond"),
        ({}, 1, 10, "holds frames beyond"),
    ],
)
def test_everything_else_is_rendered_and_the_reason_is_said(changes, first, last, words):
    assert words in pixels.why_render(read(**changes), first, last, always=False, stereo=False)


def test_files_are_named_as_nuke_names_them():
    assert plate_files.file_of("/p/v2.####/a_####.exr", 12) == "/p/v2.####/a_0012.exr"
    assert plate_files.file_of("/p/a.%04d.exr", 12) == "/p/a.0012.exr"
    assert plate_files.file_of("/p/a.%d.exr", 12) == "/p/a.12.exr"


def test_stamps_are_those_of_the_patterns_own_files(tmp_path):
    for name in ("a.0001.exr", "a.0002.exr", "b.0001.exr", "a.exr"):
        (tmp_path / name).write_bytes(b"x" * len(name))
    names = [name for name, _, _ in plate_files.stamps(f"{tmp_path}/a.%04d.exr")]
    assert names == ["a.0001.exr", "a.0002.exr"]
    assert plate_files.stamps(f"{tmp_path}/gone/a.%04d.exr") == []


@pytest.mark.parametrize(
    ("word", "raw", "ocio", "space"),
    [
        ("default (ACEScg)", False, True, "ACEScg"),
        ("Input/ARRI/LogC3", False, True, "LogC3"),
        ("anything", True, True, "working"),
        ("default (linear)", False, False, "Linear Rec.709 (sRGB)"),
        ("sRGB", False, False, "display"),
    ],
)
def test_colour_spaces_are_named_as_the_recipe_names_them(word, raw, ocio, space):
    assert pixels.space_of(word, raw=raw, working="working", ocio=ocio) == space


@pytest.mark.parametrize("name", sorted(set(pixels.NUKE_SPACES.values()) - {"display"}))
def test_every_known_space_of_nukes_own_is_one_of_the_built_in_config(name):
    ocio = pytest.importorskip("PyOpenColorIO")
    config = ocio.Config.CreateFromFile("ocio://studio-config-latest")
    assert config.getColorSpace(name) is not None


@pytest.mark.parametrize(
    ("word", "encoded", "linear"),
    [
        # Of Nuke's own curves: code value to linear light, from the standards' formulas.
        ("linear", 0.5, 0.5),
        ("rec709", 0.5, ((0.5 + 0.099) / 1.099) ** (1 / 0.45)),
        ("Gamma1.8", 0.5, 0.5**1.8),
        ("Gamma2.2", 0.5, 0.5**2.2),
    ],
)
def test_nukes_own_curves_mean_what_the_config_says_they_mean(word, encoded, linear):
    ocio = pytest.importorskip("PyOpenColorIO")
    config = ocio.Config.CreateFromFile("ocio://studio-config-latest")
    space = pixels.space_of(word, raw=False, working="linear", ocio=False)
    processor = config.getProcessor(space, "Linear Rec.709 (sRGB)").getDefaultCPUProcessor()
    assert processor.applyRGB([encoded] * 3) == pytest.approx([linear] * 3, rel=2e-3)


def test_a_colour_space_without_a_word_in_the_recipe_is_refused_not_guessed():
    with pytest.raises(BadRequestError, match="AlexaV3LogC"):
        pixels.space_of("AlexaV3LogC", raw=False, working="linear", ocio=False)


# ---- staleness -----------------------------------------------------------------------

RECIPE = {
    "version": 1, "name": "a", "plate": {"path": "/a", "frames": {"first": 1}},
    "objects": [{"id": 1, "name": "x", "colour": "#000000", "prompts": [{"frame": 1}]}],
    "output": {"path": "/o", "trimap": True},
}  # fmt: skip


def key(recipe: dict = RECIPE, identity: str = "i", locks: tuple = ()) -> str:
    return staleness.result_key(recipe, identity, locks)


def test_names_colours_and_places_change_no_key():
    other = {
        **RECIPE, "name": "b", "plate": {**RECIPE["plate"], "path": "/b", "format": {"width": 1}},
        "objects": [{**RECIPE["objects"][0], "colour": "#ffffff"}],
        "output": {"path": "/p", "trimap": True},
    }  # fmt: skip
    assert key(other) == key()


@pytest.mark.parametrize(
    "other",
    [
        {**RECIPE, "objects": [{**RECIPE["objects"][0], "name": "y"}]},
        {**RECIPE, "objects": []},
        {**RECIPE, "plate": {**RECIPE["plate"], "frames": {"first": 2}}},
        {**RECIPE, "output": {"path": "/o"}},
    ],
)
def test_whatever_pixels_depend_on_changes_the_key(other):
    assert key(other) != key()
    assert key(identity="j") != key()
    assert key(locks=(Lock(1, "p", ("x",)),)) != key()


def test_a_result_is_current_only_with_its_key_and_its_frame():
    manifest = Manifest("k", "p", frames={3: ()})
    assert staleness.verdict("k", "k", manifest, 3) is Verdict.CURRENT
    assert staleness.verdict("k", "k", manifest, 4) is Verdict.MISSING
    assert staleness.verdict("k", "other", manifest, 3) is Verdict.STALE
    assert staleness.verdict("k", "", manifest, 3) is Verdict.STALE
    assert staleness.verdict("", "k", None, 3) is Verdict.MISSING


def test_a_manifest_survives_its_file_and_leaves_nothing_beside_it(tmp_path):
    manifest = Manifest(
        "k", "p", "sha256:0", ("x",), ("trimap",), {3: (FrameNote(1, 0.5, 9.0),)}, (4,), {3: (1, 2)}
    )
    path = tmp_path / "deep" / "result.json"
    staleness.write_manifest(str(path), manifest)
    assert staleness.read_manifest(str(path)) == manifest
    assert [one.name for one in path.parent.iterdir()] == ["result.json"]


NO_PIXELS = (
    '{"key": "k", "pattern": "p", "recipe_hash": "", "objects": [], "layers": [], "frames": {}, '
    '"locked": [], "plate_files": {}, "pixels": []}'
)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "k"}', NO_PIXELS])
def test_a_damaged_manifest_is_none_at_all(tmp_path, text):
    (tmp_path / "result.json").write_text(text)
    assert staleness.read_manifest(str(tmp_path / "result.json")) is None


# ---- review --------------------------------------------------------------------------


def notes(areas: list[float], confidences: list[float] | None = None) -> dict:
    sure = confidences or [1.0] * len(areas)
    return {n: (FrameNote(1, sure[n], areas[n]),) for n in range(len(areas))}


@pytest.mark.parametrize(
    ("areas", "confidences", "frame", "words"),
    [
        ([100, 100, 100, 100], [0.9, 0.9, 0.3, 0.9], 2, "confidence"),
        ([100, 101, 160, 161], None, 2, "grows"),
        ([100, 101, 60, 61], None, 2, "shrinks"),
        ([100, 100, 118, 100, 100], None, 2, "flickers"),
        ([100, 100, 0, 100], None, 2, "nothing"),
    ],
)
def test_a_bad_frame_is_named_first_with_the_reason(areas, confidences, frame, words):
    found = review.frames_to_review(notes(areas, confidences), {1: "hero"})
    assert found[0].frame == frame
    assert words in found[0].why


def test_a_steady_shot_has_nothing_to_look_at():
    assert review.frames_to_review(notes([100, 102, 104, 107, 110]), {1: "hero"}) == []


# ---- jobs ----------------------------------------------------------------------------


class Desk:
    """A main thread with a queue."""

    def __init__(self) -> None:
        self.posted: list = []
        self.heard: list = []
        self.done: list = []
        self.threads: set[int] = set()

    def job(self, work, *, background: bool = True) -> jobs.Job:
        post = self.posted.append if background else None
        return jobs.Job(work, on_event=self.hear, on_done=self.end, post=post)

    def hear(self, event) -> None:
        self.threads.add(threading.get_ident())
        self.heard.append(event)

    def end(self, result, error) -> None:
        self.threads.add(threading.get_ident())
        self.done.append((result, error))

    def pump(self) -> None:
        deadline = time.monotonic() + 10
        while not self.done and time.monotonic() < deadline:
            while self.posted:
                self.posted.pop(0)()
            time.sleep(0.001)


def counting(emit, stop):
    for number in range(5):
        emit(number)
    return "done"


@pytest.mark.parametrize("background", [True, False])
def test_events_come_in_order_on_the_main_thread_and_the_result_last(background):
    desk = Desk()
    desk.job(counting, background=background).start()
    desk.pump()
    assert desk.heard == [0, 1, 2, 3, 4]
    assert desk.done == [("done", None)]
    assert desk.threads == {threading.get_ident()}


@pytest.mark.parametrize("background", [True, False])
def test_an_error_ends_a_job_once(background):
    def failing(emit, stop):
        raise BadRequestError("no")

    desk = Desk()
    desk.job(failing, background=background).start()
    desk.pump()
    assert [str(error) for _, error in desk.done] == ["no"]


def test_a_fault_of_ours_is_an_error_too():
    desk = Desk()
    desk.job(lambda emit, stop: 1 / 0).start()
    desk.pump()
    assert isinstance(desk.done[0][1], InternalError)


def test_cancelling_ends_a_job_at_once_even_if_the_worker_hangs():
    release = threading.Event()

    def hanging(emit, stop):
        release.wait(10)
        stop.check()

    desk = Desk()
    job = desk.job(hanging)
    job.start()
    job.cancel()
    assert isinstance(desk.done[0][1], CancelledError)
    assert not job.is_running
    release.set()
    desk.pump()
    assert len(desk.done) == 1


def test_nothing_that_comes_after_a_cancel_is_heard():
    desk = Desk()
    job = desk.job(counting)
    job.start()
    job.cancel()
    time.sleep(0.05)
    while desk.posted:
        desk.posted.pop(0)()
    assert desk.heard == []


def test_only_what_nuke_ships_is_needed_by_the_host_neutral_modules():
    folder = Path(pixels.__file__).parent
    importing = [path.name for path in folder.glob("*.py") if "\nimport nuke" in path.read_text()]
    assert importing == ["host.py"]
