"""The server's packages speak with nobody and leave nothing in the home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_a_server_reports_to_nobody_and_leaves_no_identifier(tmp_path: Path) -> None:
    """ONNX Runtime's wheels upload usage, and write an identifier first, unless told not to."""
    script = (
        "import os, airoto_server, onnxruntime\n"
        "print(onnxruntime.get_available_providers())\n"
        "print(os.environ['ORT_DISABLE_TELEMETRY'], os.environ['HF_HUB_OFFLINE'])"
    )
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "ORT_"))}
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={**kept, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "CPUExecutionProvider" in ran.stdout
    assert ran.stdout.split()[-2:] == ["1", "1"]
    assert list(tmp_path.rglob("*")) == []
