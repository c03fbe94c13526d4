"""A device as residency sees it: how much memory it has left, and when it has none.

The budget is measured, not declared. torch is imported for CUDA and MPS alone.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any, Protocol

from airoto.errors import EngineUnavailableError
from airoto_server.residency.malloc import give_freed_memory_back

_OUT_OF_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cublas_status_alloc_failed",
    "failed to allocate memory",
)


class Device(Protocol):
    """Where models live.

    Attributes:
        name: `cpu`, `cuda:0`, `mps`.
        unified: whether it is the host's own memory, so that moving a model to the host
            would free nothing.
    """

    name: str
    unified: bool

    def total_bytes(self) -> int:
        """Memory it has."""
        ...

    def free_bytes(self) -> int:
        """Memory that this process could still get now."""
        ...

    def used_bytes(self) -> int:
        """Memory that this process holds; only differences of it mean something."""
        ...

    def release(self) -> None:
        """Give memory back that is kept for reuse, or waits for the garbage collector."""
        ...

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Whether that is how the device says that it is full."""
        ...


class CpuDevice:
    """The host's memory, within the limits of a control group."""

    name = "cpu"
    unified = True

    def total_bytes(self) -> int:
        total = _meminfo("MemTotal") or _pages("SC_PHYS_PAGES")
        limit = _number(_CGROUP / "memory.max")
        return min(total, limit) if limit else total

    def free_bytes(self) -> int:
        free = _meminfo("MemAvailable") or _pages("SC_AVPHYS_PAGES") or self.total_bytes() // 2
        limit = _number(_CGROUP / "memory.max")
        if limit:
            free = min(free, max(0, limit - _number(_CGROUP / "memory.current")))
        return free

    def used_bytes(self) -> int:
        # Without memory shared with clients, which is no model's.
        return sum(_line(Path("/proc/self/status"), field) for field in ("RssAnon", "RssFile"))

    def release(self) -> None:
        gc.collect()
        give_freed_memory_back()

    def is_out_of_memory(self, error: BaseException) -> bool:
        return says_out_of_memory(error)


class CudaDevice:
    """One CUDA device; what torch keeps cached counts as free."""

    unified = False

    def __init__(self, name: str) -> None:
        self.name = name
        self._torch = _torch()
        cuda = self._torch.cuda
        number = name.partition(":")[2] or "0"
        if not cuda.is_available() or int(number) >= cuda.device_count():
            raise EngineUnavailableError(f"this machine has no device {name!r}")

    def total_bytes(self) -> int:
        return int(self._torch.cuda.mem_get_info(self.name)[1])

    def free_bytes(self) -> int:
        cuda = self._torch.cuda
        cached = cuda.memory_reserved(self.name) - cuda.memory_allocated(self.name)
        return int(cuda.mem_get_info(self.name)[0]) + int(cached)

    def used_bytes(self) -> int:
        return int(self._torch.cuda.memory_allocated(self.name))

    def release(self) -> None:
        gc.collect()
        self._torch.cuda.empty_cache()

    def is_out_of_memory(self, error: BaseException) -> bool:
        return says_out_of_memory(error)


class MpsDevice:
    """Apple's GPU. It shares the host's memory, so there is nothing to move out to."""

    name = "mps"
    unified = True

    def __init__(self) -> None:
        self._torch = _torch()
        if not self._torch.backends.mps.is_available():
            raise EngineUnavailableError("this machine has no device 'mps'")

    def total_bytes(self) -> int:
        return int(self._torch.mps.recommended_max_memory())

    def free_bytes(self) -> int:
        mps = self._torch.mps
        cached = mps.driver_allocated_memory() - mps.current_allocated_memory()
        return max(0, self.total_bytes() - int(mps.driver_allocated_memory())) + int(cached)

    def used_bytes(self) -> int:
        return int(self._torch.mps.current_allocated_memory())

    def release(self) -> None:
        gc.collect()
        self._torch.mps.empty_cache()

    def is_out_of_memory(self, error: BaseException) -> bool:
        return says_out_of_memory(error)


def open_device(name: str) -> Device:
    """The device of that name.

    Raises:
        EngineUnavailableError: unknown, or this machine does not have it.
    """
    family, _, number = name.partition(":")
    if name == "cpu":
        return CpuDevice()
    if family == "cuda" and (number.isdigit() or not number):
        return CudaDevice(name)
    if name == "mps":
        return MpsDevice()
    raise EngineUnavailableError(f"device {name!r} is not known; allowed: cpu, cuda, cuda:N, mps")


def says_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of torch, onnxruntime or Python means that memory is used up."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(phrase in text for phrase in _OUT_OF_MEMORY)


_CGROUP = Path("/sys/fs/cgroup")


def _torch() -> Any:
    import torch

    return torch


def _meminfo(field: str) -> int:
    return _line(Path("/proc/meminfo"), field)


def _line(file: Path, field: str) -> int:
    """A line of what Linux tells of memory, in bytes, or 0 where there is none."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return 0
    for line in lines:
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return 0


def _pages(name: str) -> int:
    if name not in getattr(os, "sysconf_names", {}):
        return 0
    return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")


def _number(path: Path) -> int:
    """The number in a file, or 0 where there is no file or no number (`max`)."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return 0
    return int(text) if text.isdigit() else 0
