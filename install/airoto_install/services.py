"""The server as a service of the user: started when somebody asks, ended when nobody does.

Linux: systemd's user manager. gRPC cannot take over a socket that systemd holds, so systemd's own
proxy stands between: `airoto.socket` holds the usual socket, the first connection starts
`airoto.service` (the proxy) and with it `airoto-server.service`; the proxy ends when no connection
was there for a while, and then nobody needs the server. macOS: launchd keeps it running.
"""

from __future__ import annotations

import os
import plistlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airoto.errors import EngineUnavailableError
from airoto_install.files import MakeFolder, RemoveFile, WriteFile
from airoto_install.layout import Prefix
from airoto_install.plan import Step, Tell

MARK = "# Made by AIRoto's installer."
UNITS = ("airoto.socket", "airoto.service", "airoto-server.service")
LABEL = "org.airoto.server"
IDLE = "15min"

_PROXIES = (
    "/usr/lib/systemd/systemd-socket-proxyd",
    "/lib/systemd/systemd-socket-proxyd",
)


@dataclass(frozen=True)
class Manager:
    """A word to systemd or launchd. What it refuses is told, with the command, and is no failure:
    over ssh or in a container there may be no manager; the files are there for the next login.
    """

    command: tuple[str, ...]
    what: str

    def lines(self) -> Sequence[str]:
        return (f"{self.what}: {' '.join(self.command)}",)

    def apply(self, tell: Tell) -> None:
        try:
            done = subprocess.run(self.command, capture_output=True, text=True, check=False)
            said = done.stderr.strip() if done.returncode else ""
            failed = done.returncode != 0
        except OSError as exc:
            failed, said = True, str(exc)
        if failed:
            tell(f"  warning: it did not do so ({said or 'without a word'}); later, by hand: "
                 f"{' '.join(self.command)}")  # fmt: skip


def folder(home: Path) -> Path:
    """Where the user's services are described."""
    if sys.platform == "darwin":
        return home / "Library" / "LaunchAgents"
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base else home / ".config") / "systemd" / "user"


def adding(prefix: Prefix, home: Path, *, restart: bool) -> list[Step]:
    """Steps that put the service there, or bring it up to date.

    Args:
        restart: another version came into use.

    Raises:
        EngineUnavailableError: this system has no service manager that we know.
    """
    place = folder(home)
    if sys.platform == "darwin":
        path = place / f"{LABEL}.plist"
        logs = home / "Library" / "Logs" / "AIRoto"
        steps = [step for step in (MakeFolder(place), MakeFolder(logs)) if not step.path.is_dir()]
        return [
            *steps,
            *_file(path, plist(prefix, logs), "the launchd agent"),
            Manager(("launchctl", "unload", str(path)), "forget the agent as it was"),
            Manager(("launchctl", "load", "-w", str(path)), "start the agent, now and at login"),
        ]
    if sys.platform != "linux":
        raise EngineUnavailableError("--service knows systemd (Linux) and launchd (macOS) only")
    proxy = next((path for path in _PROXIES if os.access(path, os.X_OK)), "")
    if not proxy:
        raise EngineUnavailableError(
            "--service needs systemd with systemd-socket-proxyd, which was not found in "
            + " or ".join(_PROXIES),
            hint="without it `airoto` and Nuke start servers of their own",
        )
    files = [step for name, text in units(prefix, proxy).items()
             for step in _file(place / name, text, "a unit of systemd")]  # fmt: skip
    steps: list[Step] = [] if place.is_dir() or not files else [MakeFolder(place)]
    steps += files
    if files:
        steps.append(Manager(_systemctl("daemon-reload"), "let systemd read them"))
        steps.append(
            Manager(_systemctl("enable", "--now", "airoto.socket"), "listen, now and later")
        )
    if restart:
        steps.append(
            Manager(_systemctl("try-restart", "airoto-server.service"), "restart a running server")
        )
    return steps


def removing(home: Path) -> list[Step]:
    """Steps that take out what `adding` put there: files that bear our mark, wherever they are."""
    place = folder(home)
    if sys.platform == "darwin":
        path = place / f"{LABEL}.plist"
        if not path.is_file():
            return []
        return [
            Manager(("launchctl", "unload", "-w", str(path)), "stop the agent"),
            RemoveFile(path, "the launchd agent"),
        ]
    ours = [place / name for name in UNITS if _is_ours(place / name)]
    if not ours:
        return []
    wants = place / "sockets.target.wants" / "airoto.socket"
    return [
        Manager(_systemctl("disable", "--now", *UNITS), "stop the service"),
        # `disable` does both, unless there is no manager to ask.
        RemoveFile(wants, "its link"),
        *(RemoveFile(path, "a unit of systemd") for path in ours),
        Manager(_systemctl("daemon-reload"), "let systemd forget them"),
    ]


def folders(home: Path) -> list[Path]:
    """Folders that a service may make, here."""
    if sys.platform == "darwin":
        return [folder(home), home / "Library" / "Logs" / "AIRoto"]
    return [folder(home) / "sockets.target.wants"]


def units(prefix: Prefix, proxy: str) -> dict[str, str]:
    """The three units by name."""
    airoto = _quoted(str(prefix.current / "venv" / "bin" / "airoto"))
    return {
        "airoto.socket": f"""\
{MARK}
[Unit]
Description=AIRoto: where clients find the inference server

[Socket]
ListenStream=%t/airoto/server.sock
SocketMode=0600
DirectoryMode=0700
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
""",
        "airoto.service": f"""\
{MARK}
[Unit]
Description=AIRoto: hands connections on, until there was none for {IDLE}
Requires=airoto-server.service
After=airoto-server.service

[Service]
ExecStart={proxy} --exit-idle-time={IDLE} %t/airoto-server/server.sock
""",
        "airoto-server.service": f"""\
{MARK}
[Unit]
Description=AIRoto inference server
# It goes when the proxy has gone.
StopWhenUnneeded=yes

[Service]
Type=notify
# AIROTO_WEIGHTS=... and the like; journalctl --user -u airoto-server shows the log.
EnvironmentFile=-%E/airoto/server.env
ExecStart=:/usr/bin/env {airoto} serve --socket %t/airoto-server/server.sock
RuntimeDirectory=airoto-server
RuntimeDirectoryMode=0700
TimeoutStartSec=180
TimeoutStopSec=30
Restart=on-failure
""",
    }


def plist(prefix: Prefix, logs: Path) -> str:
    """The launchd agent."""
    document = {
        "Label": LABEL,
        "ProgramArguments": [str(prefix.current / "venv" / "bin" / "airoto"), "serve"],
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "StandardOutPath": str(logs / "server.log"),
        "StandardErrorPath": str(logs / "server.log"),
    }
    return plistlib.dumps(document).decode()


def _file(path: Path, text: str, what: str) -> list[Step]:
    before = path.read_bytes() if path.is_file() else None
    return [] if before == text.encode() else [WriteFile(path, text.encode(), what, before)]


def _is_ours(path: Path) -> bool:
    try:
        return path.read_text("utf-8").startswith(MARK)
    except (OSError, ValueError):
        return False


def _systemctl(*words: str) -> tuple[str, ...]:
    return ("systemctl", "--user", *words)


def _quoted(path: str) -> str:
    """A path as a word of ExecStart; not its first, in which systemd allows no quotes."""
    for sign, written in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%")):
        path = path.replace(sign, written)
    return f'"{path}"'
