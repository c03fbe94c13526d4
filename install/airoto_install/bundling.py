"""`airoto bundle DIR`: gather everything that an installation without a network needs."""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from airoto.errors import BadRequestError
from airoto_client.exit_codes import ExitCode
from airoto_install import licences, weights
from airoto_install.building import CopyWheel
from airoto_install.bundles import Bundle, this_platform, write_facts, write_sums
from airoto_install.commands import run
from airoto_install.devices import PIPS_OWN
from airoto_install.files import CopyTree, said
from airoto_install.pythons import CLIENT_PYTHONS, SERVER_PYTHONS, find_python
from airoto_install.trees import PAYLOAD, Tree
from airoto_install.venvs import MakeVenv, venv_python

# Tags of pip for each platform: glibc 2.28 is what hosts of these years are built for, and a wheel
# for an older system runs on a newer one.
PLATFORMS = {
    "linux-x86_64": (*(f"manylinux_2_{minor}_x86_64" for minor in range(28, 16, -1)),
                     "manylinux2014_x86_64", "linux_x86_64"),
    "linux-aarch64": (*(f"manylinux_2_{minor}_aarch64" for minor in range(28, 16, -1)),
                      "manylinux2014_aarch64", "linux_aarch64"),
    "macos-arm64": (*(f"macosx_{major}_0_{machine}" for major in range(15, 10, -1)
                      for machine in ("arm64", "universal2")),
                    "macosx_10_9_universal2"),
    "windows-x86_64": ("win_amd64",),
}  # fmt: skip

# Packages of the server that are released as source alone; plain Python, so one wheel fits all.
SOURCE_ONLY = ("antlr4-python3-runtime==4.9.3",)


def main(argv: Sequence[str], tree: Tree) -> int:
    """Run it; the return value is its exit code.

    Raises:
        AIRotoError: it could not be made; DIR is not there then.
    """
    options = _parser().parse_args(argv)
    pythons = tuple(dict.fromkeys(_version(text) for text in options.python or ["3.11"]))
    allowed = CLIENT_PYTHONS if options.client_only else SERVER_PYTHONS
    for version in pythons:
        if version not in allowed:
            names = ", ".join("{}.{}".format(*one) for one in sorted(allowed))
            raise BadRequestError(
                f"no bundle for Python {version[0]}.{version[1]}; allowed: {names}"
            )
    if options.client_only and options.weights:
        raise BadRequestError("weights are the server's, which --client-only leaves out")
    target = options.folder.absolute()
    if target.exists():
        raise BadRequestError(
            f"{target} is there already", hint="name a folder that is not there", path=str(target)
        )
    if not options.client_only and options.platform != this_platform():
        # pip looks at this machine to tell which packages another one needs.
        raise BadRequestError(
            f"a bundle with the server for {options.platform} is made on {options.platform}; "
            f"this is {this_platform()}",
            hint="--client-only bundles can be made for others",
        )
    tree.check()
    bundle = Bundle(target, pythons, options.platform, options.client_only, tuple(options.weights))
    if options.dry_run:
        print("\n".join(_shown(bundle, tree)))
        return int(ExitCode.DONE)
    index = "" if options.torch_index == PIPS_OWN else options.torch_index
    with said("cannot write to", target.parent):
        part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        with tempfile.TemporaryDirectory(prefix="airoto-bundle-") as work:
            digest = _fill(bundle, part, tree, index, Path(work))
        with said("cannot write", target):
            part.chmod(0o755)
            part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    print(f"{target}: {size / 1e6:,.0f} MB; SHA256SUMS has sha256 {digest}")
    print(f"install it with: bash {target}/install/install.sh --bundle-sha256 {digest}")
    return int(ExitCode.DONE)


def _fill(bundle: Bundle, part: Path, tree: Tree, torch_index: str, work: Path) -> str:
    wheels = part / "wheels"
    if bundle.weights:  # first: they may be refused for their licence, and packages take a while
        weights.gather(bundle.weights, part / "weights", _tell)
    CopyTree(tree.root, part, PAYLOAD).apply(_tell)
    with said("cannot make", wheels):
        wheels.mkdir()
    for version in bundle.pythons:
        venv = work / "{}.{}".format(*version)
        MakeVenv(find_python([version]), venv).apply(_tell)
        _packages(bundle, version, venv_python(venv), wheels, tree, torch_index)
    licences.gather(wheels, part / "licences", bundle.weights)
    write_facts(replace(bundle, root=part))
    _tell("hash every file")
    return write_sums(part)


def _packages(
    bundle: Bundle,
    version: tuple[int, int],
    python: Path,
    wheels: Path,
    tree: Tree,
    torch_index: str,
) -> None:
    """Everything for one Python: asked of that Python's own pip, since it looks at itself."""
    pip = [str(python), "-m", "pip"]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    build = [*pip, "wheel", *quiet, "--no-deps", "-w", str(wheels)]
    if tree.wheel is not None:
        CopyWheel(tree.wheel, wheels).apply(_tell)
    elif not any(wheels.glob("airoto-*.whl")):
        _tell("build AIRoto's wheel")
        run([*build, str(tree.root)], "building AIRoto's wheel", offline=False)
    own = next(wheels.glob("airoto-*.whl"))
    extra = "" if bundle.client_only else "[server]"
    if extra:
        what = f"building {', '.join(SOURCE_ONLY)}"
        run([*build, *SOURCE_ONLY], what, offline=False)
    name = "{}.{}".format(*version)
    _tell(f"fetch packages for Python {name} on {bundle.platform}")
    what = f"fetching packages for Python {name}"
    wanted = f"airoto{extra}=={own.name.split('-')[1]}"
    options = [*quiet, "--only-binary=:all:", "--python-version", name, "--implementation", "cp"]
    options += [word for tag in PLATFORMS[bundle.platform] for word in ("--platform", tag)]
    options += ["--find-links", str(wheels), "-c", str(tree.constraints(version))]
    fetch = [*pip, "download", "-d", str(wheels), *options]
    if torch_index and extra:
        run([*fetch, "--index-url", torch_index, "torch"], what, offline=False)
    run([*fetch, wanted], what, offline=False)
    # Whether that is all: as an installation without an index would choose, but for installing.
    check = [*pip, "install", "--dry-run", "--ignore-installed", "--no-index", *options]
    check += ["--target", str(python.parent), wanted]
    run(check, "checking that the bundle is whole", offline=True)


def _shown(bundle: Bundle, tree: Tree) -> list[str]:
    pythons = ", ".join("{}.{}".format(*version) for version in bundle.pythons)
    what = "the client alone" if bundle.client_only else "client and server"
    return [
        f"make {bundle.root}:",
        f"  AIRoto {tree.version} from {tree.root}, {what}",
        f"  packages for Python {pythons} on {bundle.platform}",
        f"  weights: {', '.join(bundle.weights) or 'none'}",
        "  licences, SHA256SUMS",
        "nothing was changed (--dry-run)",
    ]


def _parser() -> argparse.ArgumentParser:
    from airoto_install.cli import Parser, torch_index_option

    parser = Parser(
        prog="airoto bundle",
        description="Gather AIRoto, its packages and chosen weights into DIR, from which "
        "install.sh installs without any network.",
        allow_abbrev=False,
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="a folder that is not there yet")
    parser.add_argument(
        "--python",
        action="append",
        metavar="X.Y",
        help="may be given several times (default: 3.11)",
    )
    parser.add_argument(
        "--platform", choices=sorted(PLATFORMS), default=this_platform(), help="default: this one"
    )
    parser.add_argument(
        "--weights", nargs="+", default=[], metavar="NAME", help="as `airoto weights list` has them"
    )
    parser.add_argument("--client-only", action="store_true", help="without the server's packages")
    parser.add_argument("--dry-run", action="store_true", help="say what would be gathered")
    torch_index_option(parser, "your pip's own")
    return parser


def _version(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d)\.(\d{1,2})", text)
    if match is None:
        raise BadRequestError(f"{text!r} is no Python version, such as 3.11")
    return int(match[1]), int(match[2])


def _tell(line: str) -> None:
    print(line, flush=True)
