"""`python -m airoto_server.app.diagnose`: what `airoto doctor` asks of the server's package.

One JSON object a line: `name`, `state` (`pass`, `warn`, `fail`), `found`, `next_step`. It is a
process of its own, so that whatever torch does to it is no more than one failed line.
"""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from airoto.errors import AIRotoError
from airoto_server.app.installation import default_devices
from airoto_server.residency.devices import CpuDevice, open_device
from airoto_server.storage.place import cache_place
from airoto_server.weights.store import State, WeightStore

# The classic engines hold a 4K frame and its matte in less.
_LITTLE_MEMORY = 4 << 30
_LITTLE_SPACE = 5 << 30

Line = tuple[str, str, str, str]


def main() -> int:
    """Print every line; 0 whatever they say."""
    for look in (_torch, _device, _memory, _weights, _cache):
        for name, state, found, next_step in _guarded(look):
            document = {"name": name, "state": state, "found": found, "next_step": next_step}
            sys.stdout.write(json.dumps(document) + "\n")
            sys.stdout.flush()
    return 0


def _guarded(look: Callable[[], Iterator[Line]]) -> Iterator[Line]:
    name = look.__name__.strip("_")
    try:
        yield from look()
    except AIRotoError as exc:
        yield name, "fail", exc.message, exc.hint or "see docs/install.md"
    except Exception as exc:  # noqa: BLE001 - whatever is broken here is what is to be told
        yield name, "fail", f"{type(exc).__name__}: {exc}", "install again"


def _torch() -> Iterator[Line]:
    torch = _import_torch()
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA in this build"
    yield "torch", "pass", f"{torch.__version__}, {build}", ""
    transformers = importlib.metadata.version("transformers")
    yield "packages", "pass", f"transformers {transformers}", ""


def _device() -> Iterator[Line]:
    torch = _import_torch()
    there = ["cpu"]
    if torch.cuda.is_available():
        there += [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        there.append("mps")
    used = default_devices()
    for name in used:
        open_device(name)  # raises where it is not there
    words = f"{', '.join(used)} by default; this machine has {', '.join(there)}"
    better = [name for name in there if name != "cpu"]
    if better and list(used) == ["cpu"]:
        yield "device", "warn", words, f"airoto serve --device {better[0]}, or install again"
    else:
        yield "device", "pass", words, ""
    yield _driver(torch)


def _driver(torch: Any) -> Line:
    there = Path("/proc/driver/nvidia/version")
    if not there.exists():
        return "driver", "pass", "no NVIDIA driver, none is needed for the processor", ""
    first = there.read_text("utf-8", "replace").splitlines()[0].strip()
    if torch.cuda.is_available():
        return "driver", "pass", first, ""
    if not torch.version.cuda:
        fix = "install again with --device cuda, and --torch-index if your index has no such build"
        return "driver", "warn", f"{first}, but this torch has no CUDA", fix
    fix = f"this torch is built for CUDA {torch.version.cuda}: update the driver, or --torch-index"
    return "driver", "fail", f"{first}, but torch cannot use it", fix


def _memory() -> Iterator[Line]:
    for name in dict.fromkeys(("cpu", *default_devices())):
        device = CpuDevice() if name == "cpu" else open_device(name)
        free, total = device.free_bytes(), device.total_bytes()
        words = f"{name}: {free / 2**30:.1f} of {total / 2**30:.1f} GB free"
        if free < _LITTLE_MEMORY:
            yield "memory", "warn", words, "end what else is running, or work at smaller sizes"
        else:
            yield "memory", "pass", words, ""


def _weights() -> Iterator[Line]:
    store = WeightStore.from_environment(None)
    statuses = list(store.statuses())
    ready = [status.checkpoint.name for status in statuses if status.ready]
    where = ", ".join(str(folder) for folder in store.folders)
    # What is missing, or not allowed, is a choice.
    faults = (State.DAMAGED, State.UNPINNED, State.INCOMPLETE)
    wrong = [status for status in statuses if status.state in faults]
    for status in wrong:
        yield "weights", "warn", f"{status.checkpoint.name}: {status.reason}", status.fix
    if ready:
        yield "weights", "pass", f"{', '.join(ready)} in {where}", ""
    else:
        yield (
            "weights",
            "warn",
            f"none in {where}: the classic engines, which need none, do all the work",
            "airoto weights list, airoto weights fetch NAME",
        )


def _cache() -> Iterator[Line]:
    place = cache_place()
    if place.folder is None:
        yield "cache", "warn", "off: nothing is kept", "unset AIROTO_CACHE, unless it is meant"
        return
    there = next(folder for folder in (place.folder, *place.folder.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    words = f"{place.folder}, up to {place.max_bytes / 2**30:.0f} GB, {free / 2**30:.1f} GB free"
    if free < _LITTLE_SPACE:
        yield "cache", "warn", words, "make room, or let AIROTO_CACHE name another folder"
    else:
        yield "cache", "pass", words, ""


def _import_torch() -> Any:
    import torch

    return torch


if __name__ == "__main__":
    sys.exit(main())
