"""`airoto bench`: measures with known answers, and the command as a user runs it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from airoto.errors import BadRequestError
from airoto_server.app.bench import ablation, clicking, clips, matting, report, tracking
from airoto_server.app.bench.cli import main
from airoto_server.engines import classic_tracker_full
from airoto_server.engines.classic.track_settings import Settings
from airoto_server.engines.roles import (
    Candidate,
    EngineFacts,
    Mask,
    Picture,
    Prompts,
    Tracked,
    TrackRun,
)
from airoto_server.ops import stages

SHAPE = (48, 64)
FRAMES = 6


def square(left: int, size: int = 16) -> np.ndarray:
    mask = np.zeros(SHAPE, np.bool_)
    mask[16 : 16 + size, left : left + size] = True
    return mask


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    """One clip: a light square that moves two pixels a frame over a dark plate."""
    root = tmp_path / "davis"
    for frame in range(FRAMES):
        mask = square(8 + 2 * frame)
        picture = np.full((*SHAPE, 3), 40, np.uint8)
        picture[mask] = (60, 200, 230)
        write(root / "frames" / "box" / f"{frame:05d}.png", picture)
        write(root / "masks" / "box" / f"{frame:05d}.png", mask.astype(np.uint8) * 255)
    return root


@pytest.fixture
def matting_images(tmp_path: Path) -> Path:
    root = tmp_path / "matting"
    alpha = np.tile(np.clip((np.arange(64) - 24) * 16, 0, 255).astype(np.uint8), (48, 1))
    trimap = np.where(alpha == 0, 0, 255).astype(np.uint8)
    trimap[:, 20:44] = 128
    light, dark = np.float32([40, 90, 230]), np.float32([80, 40, 20])
    weight = alpha[..., None] / np.float32(255)
    write(root / "image" / "GT01.png", (weight * light + (1 - weight) * dark).astype(np.uint8))
    write(root / "alpha" / "GT01.png", alpha)
    write(root / "trimap1" / "GT01.png", trimap)
    return root


class Replay:
    """A tracker that answers with masks it was given beforehand."""

    facts = EngineFacts("replay", "1", "answers known beforehand", "Apache-2.0")

    def __init__(self, answers: Mapping[int, np.ndarray], confidence: Mapping[int, float]) -> None:
        self._answers, self._confidence = answers, confidence

    def device(self) -> str:
        return "cpu"

    def precision(self) -> str:
        return "float32"

    def begin(self, object_ids: Sequence[int], *, seed: int) -> TrackRun:
        return self

    def condition(self, frame: int, picture: Picture, masks: Mapping[int, Mask]) -> None:
        pass

    def step(
        self, frame: int, picture: Picture, masks: Mapping[int, Mask] | None = None
    ) -> dict[int, Tracked]:
        mask = self._answers[frame].astype(np.float32)
        return {1: Tracked(mask, self._confidence[frame])}

    def memory_bytes(self) -> int:
        return 0

    def close(self) -> None:
        pass


def truths() -> dict[int, np.ndarray]:
    return {frame: square(8 + 2 * frame) for frame in range(FRAMES)}


SURE = dict.fromkeys(range(FRAMES), 1.0)


def test_the_truth_scores_100_and_its_worst_frame_is_any(davis: Path) -> None:
    pytest.importorskip("vos_benchmark")
    [clip] = clips.find_clips(davis)
    score = tracking.follow(Replay(truths(), SURE), clip, tracking.Protocol())
    assert score.jf == 100
    assert score.steps == FRAMES
    assert {one.frame for one in score.scores} == {1, 2, 3, 4}  # not the first and the last


def test_boundaries_are_judged_as_they_are_decided_on_the_plate(davis: Path) -> None:
    pytest.importorskip("vos_benchmark")
    [clip] = clips.find_clips(davis)
    wide = {frame: np.roll(mask, 1, axis=1) | mask for frame, mask in truths().items()}
    tracker = Replay(wide, SURE)
    before = tracking.follow(tracker, clip, tracking.Protocol())
    after = tracking.follow(tracker, clip, tracking.Protocol(), classic_tracker_full.edges)
    assert before.jf < 99
    assert after.jf == 100
    assert "refine" not in before.stages
    assert after.stages["refine"] > 0


def test_half_a_mask_has_half_the_j_and_an_f_by_hand(davis: Path) -> None:
    vos = pytest.importorskip("vos_benchmark.evaluator")
    j, f = tracking.judge([square(8), np.zeros(SHAPE, bool)], [square(16)] * 2, vos.Evaluator)
    assert j[0] == pytest.approx(8 / 24)  # 16 wide squares, 8 pixels apart
    assert (j[1], f[1]) == (0, 0)
    far, _ = tracking.judge([square(0)], [square(40)], vos.Evaluator)
    assert far == [0]


def test_j_and_f_of_both_implementations_agree(davis: Path) -> None:
    vos = pytest.importorskip("vos_benchmark.evaluator")
    from airoto_server.ops import score

    random = np.random.default_rng(0)
    blurred = cv2.GaussianBlur(random.random((4, *SHAPE)).transpose(1, 2, 0), (0, 0), 4)
    masks = [blurred[..., i] > 0.5 for i in range(4)]
    j, f = tracking.judge(masks[:2], masks[2:], vos.Evaluator)
    for at in range(2):
        assert (j[at], f[at]) == pytest.approx(score.jf(masks[at], masks[at + 2]))


def test_a_correction_goes_to_the_worst_frame_and_counts_from_then_on(davis: Path) -> None:
    pytest.importorskip("vos_benchmark")
    [clip] = clips.find_clips(davis)
    answers = truths() | {3: np.zeros(SHAPE, bool)}
    before = tracking.follow(Replay(answers, SURE), clip, tracking.Protocol())
    after = tracking.follow(Replay(answers, SURE), clip, tracking.Protocol(corrections=1))
    assert before.jf == 75
    assert before.worst[0] == 3
    assert after.keyframes == {1: [0, 3]}
    assert after.jf == 100


def test_confidence_that_falls_with_j_has_rank_correlation_one(davis: Path) -> None:
    pytest.importorskip("vos_benchmark")
    [clip] = clips.find_clips(davis)
    answers = {frame: square(8 + 2 * frame + frame) for frame in range(FRAMES)}
    falling = {frame: 1 - 0.1 * frame for frame in range(FRAMES)}
    rising = {frame: 0.1 * frame for frame in range(FRAMES)}
    for confidence, expected in ((falling, 1.0), (rising, -1.0), (SURE, None)):
        score = tracking.follow(Replay(answers, confidence), clip, tracking.Protocol())
        assert report.rank_correlation([score]) == (expected and pytest.approx(expected))


def test_palette_masks_name_objects_and_objects_may_come_late(tmp_path: Path) -> None:
    from PIL import Image

    for frame in range(4):
        write(tmp_path / "JPEGImages" / f"{frame}.png", np.zeros((*SHAPE, 3), np.uint8))
    for frame, drawn in ((0, {1: 4}), (2, {1: 8, 2: 40}), (3, {1: 12, 2: 44})):
        labels = np.zeros(SHAPE, np.uint8)
        for number, left in drawn.items():
            labels[square(left)] = number
        image = Image.fromarray(labels, mode="P")
        image.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0])
        (tmp_path / "Annotations").mkdir(exist_ok=True)
        image.save(tmp_path / "Annotations" / f"{frame}.png")
    [clip] = clips.find_clips(tmp_path)
    assert clip.objects == {1: 0, 2: 2}
    assert clip.judged(1) == [2, 3]  # annotated here and there: the last frame counts
    assert clip.judged(2) == [3]
    np.testing.assert_array_equal(clip.truth(2, 2), square(40))


def test_the_click_goes_to_the_centre_of_the_largest_error() -> None:
    truth = np.zeros((60, 60), np.bool_)
    truth[10:31, 10:31] = True  # 21 a side: its centre is pixel 20
    assert clicking.next_click(np.zeros_like(truth), truth) == (20.5, 20.5, True)
    mask = truth.copy()
    mask[40:51, 40:51] = True
    mask[10:13, 10:13] = False  # a smaller error
    assert clicking.next_click(mask, truth) == (45.5, 45.5, False)
    assert clicking.next_click(truth, truth) is None


class Reveals:
    """A segmenter that answers half of a square until it was clicked on often enough."""

    facts = EngineFacts("reveals", "1", "an answer known beforehand", "Apache-2.0")

    def __init__(self, truth: np.ndarray, clicks: int) -> None:
        self._truth, self._clicks = truth.astype(np.float32), clicks

    def device(self) -> str:
        return "cpu"

    def precision(self) -> str:
        return "float32"

    def embed(self, picture: Picture, *, seed: int) -> None:
        assert picture.shape[:2] == self._truth.shape

    def embedding_bytes(self, embedding: None) -> int:
        return 0

    def segment(self, embedding: None, prompts: Prompts, *, seed: int) -> list[Candidate]:
        if prompts.box is not None or len(prompts.points) >= self._clicks:
            return [Candidate(self._truth, 1.0)]
        half = self._truth.copy()
        half[:24] = 0
        return [Candidate(half, 0.6), Candidate(self._truth, 0.5)]


def test_clicks_are_counted_until_the_goal_and_failures_as_the_most(davis: Path) -> None:
    [clip] = clips.find_clips(davis)
    third = clicking.click_through(Reveals(square(8), 3), clip, 0, 1)
    assert third.ious == (0.5, 0.5, 1.0)
    assert (third.clicks, third.reached, third.next_clicks) == (3, True, 2)
    assert (third.after(1), third.after(5)) == (0.5, 1.0)
    assert (third.best_of_first, third.box) == (1.0, 1.0)
    never = clicking.click_through(Reveals(square(8), 99), clip, 0, 1)
    assert not never.reached
    assert never.clicks == clicking.MOST_CLICKS == len(never.ious)
    data = report.segmenter_data([third, never])
    assert (data["clicks_to_90"], data["not_reached"]) == (11.5, 1)
    assert data["iou_after"]["5"] == 0.75


def test_a_stage_within_a_stage_counts_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 4.0, 6.0])
    monkeypatch.setattr(stages.time, "perf_counter", lambda: next(now))
    with stages.clocked() as clock, stages.stage("outer"), stages.stage("inner"):
        pass
    assert clock.seconds == {"outer": 1.0 + 2.0, "inner": 3.0}
    assert clock.total == 6
    with stages.stage("nobody listens"):
        pass


def test_leaving_one_out_never_looks_at_the_clip_it_measures() -> None:
    jf = {"all": {"a": 60.0, "b": 60.0, "c": 60.0}, "other": {"a": 90.0, "b": 50.0, "c": 50.0}}
    chosen = ablation.left_out(jf)
    assert chosen == {"a": ("all", 60.0), "b": ("other", 50.0), "c": ("other", 50.0)}


def test_every_kind_of_evidence_can_be_left_out() -> None:
    found = ablation.variants(weights=False)
    assert found["all"] == Settings()
    assert len(found) == 1 + len(Settings.__dataclass_fields__)
    for name in Settings.__dataclass_fields__:
        assert not getattr(found[f"no {name}"], name)
    assert ablation.variants(weights=True)["grid x 2"] == Settings(grid=2.0)


def test_the_command_measures_every_role_of_an_engine(
    davis: Path, matting_images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("vos_benchmark")
    code = main(
        [
            *("quality", "--davis", str(davis), "--alphamatting", str(matting_images)),
            *("--engines", "classic", "classic-grabcut", "--json", str(tmp_path / "q.json")),
            *("--pictures", str(tmp_path / "worst")),
        ]
    )
    assert code == 0
    found = json.loads((tmp_path / "q.json").read_text())
    classic = found["engines"]["classic"]
    assert classic["tracker"]["jf_mean"] == pytest.approx(classic["tracker"]["clips"]["box"]["jf"])
    assert 80 < classic["tracker"]["jf_mean"] <= 100
    assert {"flow", "cut", "learn"} <= set(classic["tracker"]["stage_seconds_per_frame"])
    assert classic["segmenter"]["clicks_to_90"] >= 1
    assert classic["matter"]["trimap1"]["sad"] < 0.1
    assert classic["matter"]["sample"]["dtssd"] > 0
    assert set(found["engines"]["classic-grabcut"]) == {"tracker"}
    printed = capsys.readouterr().out
    assert "classic-grabcut" in printed
    assert "clicks to 90 %" in printed
    assert len(list((tmp_path / "worst").glob("*.png"))) == 4


def test_the_matting_errors_are_those_of_the_unknown_region(matting_images: Path) -> None:
    [image] = clips.find_matting_images(matting_images)
    _, truth, trimap = image.load()
    assert set(np.unique(trimap)) == {0, 0.5, 1}

    class Halves:
        facts = EngineFacts("halves", "1", "one half everywhere", "Apache-2.0")
        needs_trimap, max_window, overlap = True, 4096, 0

        def matte(self, picture: Picture, trimap: Mask, *, seed: int) -> object:
            from airoto_server.engines.roles import MatteResult

            return MatteResult(np.full(trimap.shape, 0.5, np.float32))

    done = matting.matte(Halves(), image)
    unknown = trimap == 0.5
    assert done.scores.pixels == unknown.sum() == 24 * 48
    assert done.scores.sad == pytest.approx(np.abs(truth[unknown] - 0.5).sum() / 1000, rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to measure against"),
        (["--davis", "{empty}"], "is no DAVIS folder"),
        (["--davis", "{davis}", "--clips", "horse"], "no clip horse"),
        (["--davis", "{davis}", "--engines", "magic"], "there is no engine 'magic'"),
        (["--alphamatting", "{empty}"], "is no alphamatting folder"),
        (["--davis", "{davis}", "--frames", "-5"], "'-5' is no whole number of 0 or more"),
        (["--davis", "{davis}", "--corrections", "some"], "'some' is no whole number"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_what_is_allowed(
    arguments: list[str],
    said: str,
    davis: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"empty": tmp_path / "empty", "davis": davis}
    code = main(["quality", *(argument.format(**places) for argument in arguments)])
    assert code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["quality", "--help"], ["ablation", "--help"]])
def test_the_command_explains_itself(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "usage: airoto bench" in shown
    assert "%%" not in shown


def test_a_clip_without_objects_is_refused(davis: Path) -> None:
    for path in (davis / "masks" / "box").iterdir():
        write(path, np.zeros(SHAPE, np.uint8))
    with pytest.raises(BadRequestError, match="no object"):
        clips.find_clips(davis)


@pytest.mark.parametrize("folder", ["masks", "frames"])
def test_a_file_of_another_size_is_named_before_anything_is_tracked(
    davis: Path, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(davis / folder / "box" / "00003.png", np.full((30, 40, 3), 255, np.uint8))
    assert main(["quality", "--davis", str(davis), "--engines", "null"]) == 2
    said = capsys.readouterr().err
    assert "00003.png among the masks is" in said
    assert "allowed: the same size" in said


def test_a_frame_without_annotation_has_to_be_of_the_size_of_the_others(davis: Path) -> None:
    write(davis / "frames" / "box" / "00003.png", np.full((30, 40, 3), 255, np.uint8))
    (davis / "masks" / "box" / "00003.png").unlink()
    with pytest.raises(BadRequestError, match=r"00003\.png is not of the size"):
        clips.find_clips(davis)
