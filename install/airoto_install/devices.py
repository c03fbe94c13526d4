"""What this machine can compute on, found without torch."""

from __future__ import annotations

import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from airoto.errors import EngineUnavailableError

CHOICES = ("auto", "cpu", "cuda", "mps")

# Where torch's makers have builds for the processor alone: 0.2 GB in place of 3. Their builds on
# PyPI are for CUDA on Linux, for MPS on macOS.
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PIPS_OWN = "pip"


@dataclass(frozen=True)
class Device:
    """`cpu`, `cuda` or `mps`, and how it was found."""

    name: str
    why: str


def find_device(wanted: str = "auto") -> Device:
    """The device that the server will use.

    Raises:
        EngineUnavailableError: torch has no builds for this machine.
    """
    if sys.platform == "darwin" and platform.machine() != "arm64":
        raise EngineUnavailableError(
            "torch has no builds for Macs with Intel processors any more",
            hint="--client-only, with AIROTO_SERVER naming a server on another machine",
        )
    if wanted != "auto":
        return Device(wanted, "as --device says")
    if sys.platform == "darwin":
        return Device("mps", "this is an Apple processor")
    driver = _driver()
    if driver:
        return Device("cuda", driver)
    return Device("cpu", "no NVIDIA driver answers")


@dataclass(frozen=True)
class TorchIndex:
    """Where torch comes from.

    Attributes:
        url: of an index for torch alone; empty: pip's own.
        needed: whether it is an error if that cannot be had; else pip's own has to do.
    """

    url: str = ""
    needed: bool = True


PIPS_BUILD = TorchIndex()


def torch_index(named: str, device: str) -> TorchIndex:
    """The index whose torch fits a device.

    Args:
        named: by the user: an address, `pip` for pip's own, or empty for what fits.
    """
    if named:
        return TorchIndex("" if named == PIPS_OWN else named)
    if sys.platform == "linux" and device == "cpu":
        return TorchIndex(CPU_INDEX, needed=False)
    return PIPS_BUILD


def _driver() -> str:
    """What NVIDIA's driver says of its first card, or empty."""
    if sys.platform == "linux" and not Path("/proc/driver/nvidia/version").exists():
        return ""
    try:
        answer = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip().splitlines()[0] if answer.returncode == 0 and answer.stdout else ""
