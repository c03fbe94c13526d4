"""A real server for tests and measurements."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

AIROTO = Path(sys.executable).with_name("airoto")


@contextlib.contextmanager
def running_server(*options: str, log_file: Path | None = None) -> Iterator[str]:
    """The target of a real `airoto serve`; what it logs stays in `log_file`."""
    folder = Path(tempfile.mkdtemp(prefix="airoto-host-"))
    socket = folder / "server.sock"
    log = log_file or folder / "log"
    command = [str(AIROTO), "serve", "--socket", str(socket), "--threads", "1"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--exit-with-parent", *options],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 120
        while b"serving" not in log.read_bytes():
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the server did not start: {log.read_text()}")
            time.sleep(0.05)
        yield f"unix:{socket}"
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)
