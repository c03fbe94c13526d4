"""What the pin of a preset has to hold."""

from __future__ import annotations

import re

from airoto.presets.names import is_name
from airoto.presets.policy import is_pattern
from airoto.wire.messages import PresetPin
from airoto.wire.recipe_fields import Findings
from airoto.wire.violations import shown

_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_MAX_RULES = 64


def check_preset(findings: Findings, pin: PresetPin) -> None:
    """Its name, hash, and every rule of its policy."""
    if not is_name(pin.name):
        findings.wrong(
            "preset.name", shown(pin.name), "studio, SHOW or SHOW/sequence, with :task or without"
        )
    if pin.hash and not _HASH.fullmatch(pin.hash):
        findings.wrong("preset.hash", shown(pin.hash), "sha256: and 64 hex digits")
    if len(pin.policy) > _MAX_RULES:
        findings.wrong("preset.policy", f"{len(pin.policy)} rules", f"at most {_MAX_RULES}")
    for i, rule in enumerate(pin.policy):
        for j, pattern in enumerate(rule.engines):
            if not is_pattern(pattern):
                findings.wrong(
                    f"preset.policy[{i}].engines[{j}]",
                    shown(pattern),
                    "an engine's name in lower case, * standing for anything",
                )
        for j, licence in enumerate(rule.licences):
            if not licence.strip():
                findings.wrong(f"preset.policy[{i}].licences[{j}]", "nothing", "an SPDX name")
