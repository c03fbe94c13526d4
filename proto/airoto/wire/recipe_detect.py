"""Rules for objects that are found by text."""

from __future__ import annotations

from airoto.wire.messages import Detect
from airoto.wire.recipe_fields import Findings, check_text
from airoto.wire.recipe_objects import Region


def check_detect(findings: Findings, detect: Detect, region: Region, *, wanted: bool) -> None:
    """Text, frame and thresholds.

    Args:
        wanted: whether there has to be a text.
    """
    if detect.text or wanted:
        check_text(findings, "detect.text", detect.text)
        if region.has_frames and not region.first <= detect.frame <= region.last:
            findings.wrong(
                "detect.frame",
                str(detect.frame),
                f"the plate's frames ({region.first} to {region.last})",
            )
    for name in ("box_threshold", "text_threshold", "max_overlap"):
        findings.between(f"detect.{name}", getattr(detect, name), 0, 1)
    findings.between("detect.max_objects", detect.max_objects, 0, findings.limits.objects)
