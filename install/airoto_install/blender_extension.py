"""The extension for Blender: AIRoto's add-on and client with the wheels they need, in one zip.

Blender unpacks all wheels of an extension for all its Pythons into one folder. So there is a zip
for each pair of Python and platform, and its manifest says for which Blenders it is.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airoto.errors import AIRotoError, BadRequestError
from airoto_install.trees import Tree
from airoto_install.wheel import client_wheel, write_zip

# What the client needs inside Blender, which brings numpy itself.
REQUIREMENTS = ("grpcio", "protobuf", "blake3")
# Blenders with a Python: from the first on, and below the second.
BLENDERS = {"3.11": ("4.5.0", "5.1.0"), "3.13": ("5.1.0", "")}
# Blender's platforms, and the tags of wheels that run there.
PLATFORMS = {
    "linux-x64": ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64"),
    "windows-x64": ("win_amd64",),
    "macos-arm64": ("macosx_11_0_arm64", "macosx_11_0_universal2", "macosx_10_9_universal2"),
}
_PLACE = "# packed here\n"
_OWN_MINIMUM = 'blender_version_min = "4.5.0"\n'


@dataclass(frozen=True)
class Pair:
    """A Python and a platform, for which there is a zip."""

    python: str
    platform: str

    def __str__(self) -> str:
        return f"py{self.python.replace('.', '')}-{self.platform}"


def main(arguments: Sequence[str], root: Path) -> int:
    """The command line; what goes wrong is said in one line."""
    parser = argparse.ArgumentParser(
        prog="blender_extension.py", description="Packs the extension for Blender."
    )
    parser.add_argument("--python", choices=BLENDERS, action="append", help="default: all")
    parser.add_argument("--platform", choices=PLATFORMS, action="append", help="default: all")
    parser.add_argument("--out", type=Path, default=root / "dist", metavar="DIR")
    parser.add_argument(
        "--wheels",
        type=Path,
        metavar="DIR",
        help="take wheels from DIR/<python>-<platform> where they are there, and put them there "
        "where they are not; default: fetch them anew",
    )
    parser.add_argument("--fetch-only", action="store_true", help="only fill --wheels")
    options = parser.parse_args(arguments)
    if options.fetch_only and options.wheels is None:
        parser.error("--fetch-only needs --wheels")
    try:
        for python in options.python or BLENDERS:
            for platform in options.platform or PLATFORMS:
                _one(Pair(python, platform), root, options)
    except AIRotoError as exc:
        print(f"blender_extension.py: {exc.message}", file=sys.stderr)
        return 1
    return 0


def _one(pair: Pair, root: Path, options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="airoto-wheels-") as temporary:
        folder = Path(temporary) if options.wheels is None else options.wheels / str(pair)
        wheels = sorted(folder.glob("*.whl"))
        if not wheels:
            wheels = fetch(pair, folder, root / "install" / "constraints-blender.txt")
        if not options.fetch_only:
            print(pack(pair, wheels, Tree(root), options.out))


def fetch(pair: Pair, folder: Path, constraints: Path) -> list[Path]:
    """Download the wheels of a pair; none is in the folder before all have come.

    Args:
        folder: made, or without wheels.

    Raises:
        BadRequestError: pip cannot have them; with what it says.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tags = [argument for tag in PLATFORMS[pair.platform] for argument in ("--platform", tag)]
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as arriving:
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--only-binary", ":all:", "--implementation", "cp", "--python-version", pair.python),
            *(*tags, "--constraint", str(constraints), "--dest", arriving, *REQUIREMENTS),
        ]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        if found.returncode:
            raise BadRequestError(f"no wheels for {pair}: {found.stderr.strip()}")
        return sorted(one.rename(folder / one.name) for one in Path(arriving).glob("*.whl"))


def pack(pair: Pair, wheels: Sequence[Path], tree: Tree, out: Path) -> Path:
    """Make the zip of a pair: whole, or none.

    Args:
        wheels: of packages of others.
        tree: AIRoto.
        out: folder; it is made.

    Returns:
        `airoto-<version>-<python>-<platform>.zip`; the same bytes for the same files.

    Raises:
        BadRequestError: a wheel is missing, or one is for something else.
        OutputError: the zip cannot be written.
    """
    _check(pair, wheels)
    version = tree.version
    own = f"airoto_client-{version}-py3-none-any.whl"
    names = sorted((*(one.name for one in wheels), own))
    content: dict[str, bytes] = {f"wheels/{one.name}": one.read_bytes() for one in wheels}
    content[f"wheels/{own}"] = client_wheel(tree)
    add_on = tree.root / "blender_plugin" / "airoto_blender"
    for path in sorted(add_on.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            content[path.relative_to(add_on).as_posix()] = path.read_bytes()
    manifest = content["blender_manifest.toml"].decode()
    content["blender_manifest.toml"] = _manifest(manifest, pair, names, version).encode()
    content["LICENSE"] = (tree.root / "LICENSE").read_bytes()
    target = out / f"airoto-{version}-{pair}.zip"
    write_zip(target, content)
    return target


def _manifest(text: str, pair: Pair, wheels: Sequence[str], version: str) -> str:
    """The add-on's manifest with what is true of this zip."""
    if f'version = "{version}"\n' not in text or _PLACE + _OWN_MINIMUM not in text:
        raise BadRequestError(
            f"blender_manifest.toml must say version {version} and, behind {_PLACE.strip()!r}, "
            f"{_OWN_MINIMUM.strip()}"
        )
    low, high = BLENDERS[pair.python]
    lines = [f'blender_version_min = "{low}"']
    lines += [f'blender_version_max = "{high}"'] if high else []
    lines += [f'platforms = ["{pair.platform}"]', "wheels = ["]
    lines += [f'  "./wheels/{name}",' for name in wheels]
    return text.replace(_PLACE + _OWN_MINIMUM, "\n".join((*lines, "]", "")))


def _check(pair: Pair, wheels: Sequence[Path]) -> None:
    names = [one.name for one in wheels]
    missing = [one for one in REQUIREMENTS if not any(name.startswith(f"{one}-") for name in names)]
    if missing:
        raise BadRequestError(f"no wheel of {', '.join(missing)} for {pair} among {names}")
    tag = f"cp{pair.python.replace('.', '')}"
    for path in wheels:
        *_, python, abi, _platform = path.stem.split("-")
        if not (abi in ("none", "abi3") or python == tag):
            raise BadRequestError(f"{path.name} is not for Python {pair.python}")
        if not zipfile.is_zipfile(path):
            raise BadRequestError(f"{path} is no wheel")
