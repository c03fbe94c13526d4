"""What was measured, as tables for people and as plain data for programs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from airoto.errors import OutputError
from airoto_server.app.bench.clicking import MOST_CLICKS, Clicked
from airoto_server.app.bench.matting import Flicker, Matted, means
from airoto_server.app.bench.tracking import ClipScore

Table = list[list[str]]


def jf_mean(scores: Sequence[ClipScore]) -> float:
    """J&F in percent, the mean over all objects of all clips, as vos-benchmark has it."""
    return float(np.mean([score.jf_of(n) for score in scores for n in score.objects]))


def rank_correlation(scores: Sequence[ClipScore]) -> float | None:
    """Spearman's, of confidence with J, over all objects and frames; None if either is flat."""
    frames = [one for score in scores for one in score.scores]
    confidence, j = [one.confidence for one in frames], [one.j for one in frames]
    if len(set(confidence)) < 2 or len(set(j)) < 2:
        return None
    return float(spearmanr(confidence, j).statistic)


def tracker_data(scores: Sequence[ClipScore]) -> dict[str, Any]:
    """A tracker's results; times in seconds, J, F and J&F in percent."""
    steps = sum(score.steps for score in scores)
    stages: dict[str, float] = {}
    for score in scores:
        for name, seconds in score.stages.items():
            stages[name] = stages.get(name, 0.0) + seconds
    frames = [one for score in scores for one in score.scores]
    return {
        "jf_mean": jf_mean(scores),
        "j_mean": 100 * float(np.mean([one.j for one in frames])),
        "f_mean": 100 * float(np.mean([one.f for one in frames])),
        "seconds_per_frame": sum(stages.values()) / max(1, steps),
        "stage_seconds_per_frame": {n: seconds / max(1, steps) for n, seconds in stages.items()},
        "rank_correlation": rank_correlation(scores),
        "clips": {
            score.clip.name: {
                "jf": score.jf,
                "objects": {str(number): score.jf_of(number) for number in score.objects},
                "seconds_per_frame": score.seconds_per_frame,
                "keyframes": {str(number): list(own) for number, own in score.keyframes.items()},
                "worst_frame": score.worst[0],
            }
            for score in scores
        },
    }


def segmenter_data(done: Sequence[Clicked]) -> dict[str, Any]:
    """A segmenter's results; IoU 0 to 1, times in seconds."""
    more = sum(one.next_clicks for one in done)
    return {
        "clicks_to_90": float(np.mean([one.clicks for one in done])),
        "not_reached": sum(not one.reached for one in done),
        "most_clicks": MOST_CLICKS,
        "iou_after": {str(n): float(np.mean([one.after(n) for one in done])) for n in (1, 2, 3, 5)},
        "iou_best_of_first": float(np.mean([one.best_of_first for one in done])),
        "iou_box": float(np.mean([one.box for one in done])),
        "seconds": {
            "embed": float(np.mean([one.seconds["embed"] for one in done])),
            "first_click": float(np.mean([one.seconds["first click"] for one in done])),
            "next_click": sum(one.seconds.get("next clicks", 0.0) for one in done) / max(1, more),
        },
        "objects": [
            {
                "clip": one.clip,
                "frame": one.frame,
                "object": one.number,
                "clicks": one.clicks,
                "ious": list(one.ious),
                "box": one.box,
            }
            for one in done
        ],
    }


def matter_data(done: Sequence[Matted], flicker: Flicker | None) -> dict[str, Any]:
    """A matter's results; SAD, Grad and Conn in thousands, times in seconds."""
    kinds = sorted({one.image.trimap for one in done})
    data: dict[str, Any] = {
        kind: {
            **means([one for one in done if one.image.trimap == kind]),
            "images": {
                one.image.name: {
                    "sad": one.scores.sad,
                    "mse": one.scores.mse,
                    "grad": one.scores.grad,
                    "conn": one.scores.conn,
                    "seconds": one.seconds,
                }
                for one in done
                if one.image.trimap == kind
            },
        }
        for kind in kinds
    }
    if flicker is not None:
        data["sample"] = {
            "dtssd": flicker.dtssd,
            "seconds_per_frame": flicker.seconds_per_frame,
            "frames": flicker.frames,
        }
    return data


def tracker_table(data: Mapping[str, Mapping[str, Any]]) -> Table:
    """By engine and clip."""
    clips = list(next(iter(data.values()))["clips"])
    table = [["tracker", *clips, "J&F", "s/frame", "rank correlation"]]
    for name, one in data.items():
        cells = [f"{one['clips'][clip]['jf']:.1f}" for clip in clips]
        rank = one["rank_correlation"]
        table.append(
            [
                name,
                *cells,
                f"{one['jf_mean']:.1f}",
                f"{one['seconds_per_frame']:.3f}",
                "" if rank is None else f"{rank:.2f}",
            ]
        )
    return table


def stage_lines(data: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Milliseconds a frame of each stage, a line an engine."""
    return [
        f"{name}, ms a frame: "
        + ", ".join(f"{k} {1000 * v:.0f}" for k, v in one["stage_seconds_per_frame"].items())
        for name, one in data.items()
    ]


def segmenter_table(data: Mapping[str, Mapping[str, Any]]) -> Table:
    """By engine."""
    heads = ("clicks to 90 %", "not reached", "IoU 1 click", "best of 3", "2", "3", "5", "box")
    table = [["segmenter", *heads, "embed s", "click s", "next s"]]
    for name, one in data.items():
        after, seconds = one["iou_after"], one["seconds"]
        ious = (after["1"], one["iou_best_of_first"], after["2"], after["3"], after["5"])
        table.append(
            [
                name,
                f"{one['clicks_to_90']:.2f}",
                f"{one['not_reached']} of {len(one['objects'])}",
                *(f"{value:.3f}" for value in (*ious, one["iou_box"], *seconds.values())),
            ]
        )
    return table


def matter_table(data: Mapping[str, Mapping[str, Any]]) -> Table:
    """By engine and trimap."""
    table = [["matter", "trimap", "SAD", "MSE", "Grad", "Conn", "dtSSD", "s/picture"]]
    for name, one in data.items():
        for kind, means_of in one.items():
            if kind == "sample":
                cells = ["", "", "", "", f"{means_of['dtssd']:.3f}"]
                seconds = means_of["seconds_per_frame"]
            else:
                values = [means_of[key] for key in ("sad", "mse", "grad", "conn")]
                cells = [f"{v:.4f}" if i == 1 else f"{v:.2f}" for i, v in enumerate(values)] + [""]
                seconds = means_of["seconds"]
            table.append([name, kind, *cells, f"{seconds:.2f}"])
    return table


def drawn(table: Table) -> str:
    """A table as Markdown with aligned columns."""
    widths = [max(len(row[at]) for row in table) for at in range(len(table[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in table
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write it, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        try:
            temporary.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as exc:
        raise OutputError(f"{path} cannot be written: {exc.strerror}", path=str(path)) from exc
