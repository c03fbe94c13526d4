"""The installer's command line."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from airoto.errors import AIRotoError, BadRequestError
from airoto_client.exit_codes import ExitCode, exit_code_of
from airoto_client.nuke_setup.places import user_folder
from airoto_install import installing, leaving
from airoto_install.bundles import SUMS, open_bundle
from airoto_install.choosing import Wanted
from airoto_install.devices import CHOICES
from airoto_install.layout import Prefix
from airoto_install.locking import alone, missing_folders
from airoto_install.plan import Plan
from airoto_install.trees import Tree
from airoto_install.venvs import venv_command

VERBS = ("install", "upgrade", "rollback", "uninstall", "versions", "prune", "bundle")
INDEX_VARIABLE = "AIROTO_TORCH_INDEX"
_USER = "~/.nuke"

_EPILOG = """\
verbs: install (the default), upgrade, rollback [ID], uninstall, versions, prune, bundle DIR
Every verb takes --prefix and --dry-run. Exit codes: docs/exit-codes.md.
"""


class Parser(argparse.ArgumentParser):
    """Raises instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise BadRequestError(message, hint=f"{self.prog} --help explains the options")


def main(argv: Sequence[str], root: Path) -> int:
    """Run one verb; the return value is its exit code.

    Args:
        root: the tree that this installer belongs to.
    """
    signal.signal(signal.SIGTERM, _told_to_go)
    for stream in (sys.stdout, sys.stderr):  # paths may hold bytes that are no text
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    verb, rest = (argv[0], argv[1:]) if argv and argv[0] in VERBS else ("install", argv)
    try:
        if verb == "bundle":
            from airoto_install import bundling

            return bundling.main(rest, Tree(root))
        return _run(verb, _parser(verb).parse_args(rest), Tree(root))
    except AIRotoError as exc:
        hint = f"\n  hint: {exc.hint}" if exc.hint else ""
        print(f"install: {exc.message}{hint}", file=sys.stderr)
        return int(exit_code_of(exc))
    except KeyboardInterrupt:
        print("install: interrupted; run it again to go on", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)


def _run(verb: str, options: argparse.Namespace, tree: Tree) -> int:
    home = Path.home()
    prefix = Prefix(_prefix(options.prefix, home, tree))
    if verb == "versions":
        now = prefix.active()
        for version in prefix.all_versions():
            what = "client only" if version.facts["client_only"] else version.facts["device"]
            mark = "*" if version.id == now else " "
            print(f"{mark} {version.id}  Python {version.facts['python']}, {what}")
        return int(ExitCode.DONE)
    if options.dry_run:
        for line in _plan(verb, prefix, options, tree, missing_folders(prefix.root)).show():
            print(line)
        print("nothing was changed (--dry-run)")
        return int(ExitCode.DONE)
    prefix.check()
    if verb == "uninstall" and not prefix.root.exists():
        plan = leaving.uninstall(prefix, home)
        plan.apply(_tell)
    else:
        with alone(prefix.root) as fresh:
            plan = _plan(verb, prefix, options, tree, fresh)
            plan.apply(_tell)
    plan.apply_last(_tell)
    if verb in ("install", "upgrade") and not options.no_doctor:
        return _doctor(prefix)
    return int(ExitCode.DONE)


def _plan(
    verb: str, prefix: Prefix, options: argparse.Namespace, tree: Tree, fresh: Sequence[Path]
) -> Plan:
    home = Path.home()
    if verb == "rollback":
        return leaving.rollback(prefix, home, options.version)
    if verb == "uninstall":
        return leaving.uninstall(prefix, home)
    if verb == "prune":
        return leaving.prune(prefix)
    if verb == "upgrade" and prefix.active() is None:
        raise BadRequestError(f"there is no AIRoto in {prefix.root} to upgrade")
    bundle = None
    where = options.offline
    if where is None and (tree.root / SUMS).is_file():
        where = tree.root  # the installer of a bundle installs that bundle
    if where is not None:
        print(f"checking every file of {where} ...", flush=True)
        bundle = open_bundle(Path(where).absolute(), options.bundle_sha256)
        tree = Tree(bundle.root)
    nuke = [user_folder(home) if name == _USER else Path(name).absolute() for name in options.nuke]
    wanted = Wanted(
        tree=tree,
        home=home,
        nuke=tuple(nuke),
        service=options.service,
        client_only=options.client_only,
        device=options.device,
        python=options.python,
        torch_index=options.torch_index,
        bundle=bundle,
        weights=options.weights,
    )
    return installing.install(prefix, wanted, fresh)


def _prefix(named: str | None, home: Path, tree: Tree) -> Path:
    if named is not None:
        return Path(named).expanduser().absolute()
    if tree.root.parent.name == "versions" and Prefix(tree.root.parents[1]).record_file.is_file():
        return tree.root.parents[1]  # the installer of an installation
    data = os.environ.get("XDG_DATA_HOME", "")
    return (Path(data) if data else home / ".local" / "share") / "airoto"


def _doctor(prefix: Prefix) -> int:
    print("looking whether it works (airoto doctor) ...", flush=True)
    command = [str(venv_command(prefix.current / "venv")), "doctor"]
    with contextlib.suppress(KeyboardInterrupt):
        return subprocess.run(command, check=False).returncode
    return int(ExitCode.INTERRUPTED)


def _parser(verb: str) -> argparse.ArgumentParser:
    parser = Parser(
        prog=f"install.sh {verb}" if verb != "install" else "install.sh",
        description="Install AIRoto for yourself; no root, nothing outside the prefix but what "
        "--nuke and --service name.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--prefix", metavar="DIR", help="where it goes (default: ~/.local/share/airoto)"
    )
    parser.add_argument("--dry-run", action="store_true", help="show every change, make none")
    if verb == "rollback":
        parser.add_argument("version", nargs="?", default="", metavar="ID", help="see `versions`")
    if verb not in ("install", "upgrade"):
        return parser
    parser.add_argument(
        "--nuke",
        nargs="?",
        action="append",
        default=[],
        const=_USER,
        metavar="FOLDER",
        help="let Nuke find it, by one marked block in FOLDER/init.py: your own ~/.nuke, or a "
        "studio's folder on NUKE_PATH; may be given several times",
    )
    parser.add_argument(
        "--service",
        action="store_true",
        default=None,
        help="a server that starts when it is asked for (systemd user unit, launchd agent)",
    )
    parser.add_argument(
        "--no-service", action="store_false", dest="service", help="take the service out again"
    )
    parser.add_argument(
        "--client-only",
        action="store_true",
        default=None,
        help="without the server and torch: for farm blades, and where the server is elsewhere",
    )
    parser.add_argument(
        "--with-server", action="store_false", dest="client_only", help="the opposite"
    )
    parser.add_argument(
        "--offline", metavar="BUNDLE", help="from a bundle (airoto bundle), without any network"
    )
    parser.add_argument(
        "--bundle-sha256", default="", metavar="HEX", help=f"what the bundle's {SUMS} must be"
    )
    parser.add_argument(
        "--no-weights",
        action="store_false",
        dest="weights",
        help="leave the bundle's weights out: they are on a share (AIROTO_WEIGHTS), or not allowed",
    )
    parser.add_argument("--device", choices=CHOICES, default="auto", help="default: auto")
    parser.add_argument("--python", default="", metavar="PATH", help="the Python to use")
    torch_index_option(parser, "the build that fits the device")
    parser.add_argument(
        "--no-doctor", action="store_true", help="do not run `airoto doctor` at the end"
    )
    return parser


def torch_index_option(parser: argparse.ArgumentParser, otherwise: str) -> None:
    """Where torch comes from; `otherwise` says it where nothing is named."""
    parser.add_argument(
        "--torch-index",
        default=os.environ.get(INDEX_VARIABLE, ""),
        metavar="URL",
        help="take torch from this index: builds for another CUDA, or a mirror; `pip`: from your "
        f"pip's own (default: ${INDEX_VARIABLE}, else {otherwise})",
    )


def _tell(line: str) -> None:
    print(line, flush=True)


def _told_to_go(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt
