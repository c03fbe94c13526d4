"""What clip is wanted, which files it has, and which of them are there already."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from airoto.errors import BadRequestError
from airoto_server.app.sample import files

# Changes whenever the clip's pixels or files do.
VERSION = 2
MARKER = ".airoto-sample.json"


@dataclass(frozen=True)
class Parameters:
    """As `make_sample` takes them, and the version of the code that makes the clip."""

    version: int
    frames: int
    width: int
    height: int
    first: int
    seed: int
    objects: int

    def margins(self) -> tuple[int, int]:
        """Overscan at each side, x and y, in pixels."""
        return max(2, round(self.width / 60) * 2), max(2, round(self.height / 60) * 2)


def check(p: Parameters) -> None:
    """Raises BadRequestError for what cannot be made."""
    narrowest = 1.6 if p.objects == 2 else 4 / 3
    wrong = [
        (p.frames < 1 or p.frames > 10000, f"frames is {p.frames}; allowed: 1 to 10000"),
        (p.first < 0, f"the first frame is {p.first}; allowed: 0 and above"),
        (p.objects not in (1, 2), f"objects is {p.objects}; allowed: 1 and 2"),
        (
            p.width % 2 != 0 or p.height % 2 != 0,
            f"the size is {p.width}x{p.height}; allowed: even numbers",
        ),
        (
            not (96 <= p.width <= 4096 and 54 <= p.height <= 2304),
            f"the size is {p.width}x{p.height}; allowed: 96x54 to 4096x2304",
        ),
        (
            not p.height * narrowest <= p.width <= p.height * 3,
            f"the size is {p.width}x{p.height}; "
            f"allowed: {narrowest:.2f} to 3 times as wide as high",
        ),
    ]
    for bad, message in wrong:
        if bad:
            raise BadRequestError(f"the sample cannot be made: {message}")


def frame_files(number: int, objects: int) -> list[str]:
    """The files of one frame, relative to the clip's folder."""
    names = [
        f"plate_acescg/plate.{number:04d}.exr",
        f"plate_srgb/plate.{number:04d}.jpg",
        f"plate_half/plate.{number:04d}.exr",
        f"plate_overscan/plate.{number:04d}.exr",
        f"alpha/alpha.{number:04d}.exr",
    ]
    return [*names, f"alpha2/alpha2.{number:04d}.exr"] if objects == 2 else names


def clean(root: Path, wanted: Parameters) -> dict[str, int]:
    """Sizes of the files of this very clip that are there, by name; others of ours are removed.

    A longer or shorter clip of the same kind counts as the same.
    """
    marker = root / MARKER
    with files.translated(marker):
        try:
            told = json.loads(marker.read_bytes())
            made = Parameters(**told["parameters"])
            sizes = {str(name): int(size) for name, size in told["sizes"].items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, KeyError, AttributeError):
            # Not a marker of ours, or of another version: nothing is known of the files.
            return {}
        keep: set[str] = set()
        if replace(made, frames=wanted.frames) == wanted:
            for index in range(wanted.frames):
                keep.update(frame_files(wanted.first + index, wanted.objects))
        for name in sizes.keys() - keep:
            if name in frame_files(_number(name), 2):
                (root / name).unlink(missing_ok=True)
    return {name: size for name, size in sizes.items() if name in keep}


def _number(name: str) -> int:
    """The frame number in a file's name, or -1."""
    middle = name.rsplit(".", 2)[-2:-1]
    return int(middle[0]) if middle and middle[0].isdecimal() else -1


def complete(root: Path, names: list[str], sizes: dict[str, int]) -> bool:
    """Whether all these files are there, as large as they were made."""
    return all(
        name in sizes and (root / name).is_file() and (root / name).stat().st_size == sizes[name]
        for name in names
    )


def write_marker(root: Path, p: Parameters, numbers: list[int]) -> None:
    """Say that these frames are there in full."""
    names = [name for number in numbers for name in frame_files(number, p.objects)]
    told = {"parameters": asdict(p), "sizes": {n: (root / n).stat().st_size for n in names}}
    files.write_if_new(root / MARKER, (json.dumps(told, indent=1) + "\n").encode())
