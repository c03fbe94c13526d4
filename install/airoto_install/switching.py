"""Steps that bring a version into use, whichever verb asks for it."""

from __future__ import annotations

import os
from pathlib import Path

from airoto_install import services
from airoto_install.files import Link, MakeFolder, WriteFile
from airoto_install.layout import Prefix, Record
from airoto_install.plan import Step


def record_steps(prefix: Prefix, record: Record) -> list[Step]:
    """The record is written before what it tells of, so that an uninstall finds all of it."""
    data = record.text().encode()
    before = prefix.record_file.read_bytes() if prefix.record_file.exists() else None
    return [] if data == before else [WriteFile(prefix.record_file, data, "the record", before)]


def switch_steps(prefix: Prefix, version: str) -> list[Step]:
    return [Link(prefix.current, f"versions/{version}", "use this version")]


def command_steps(prefix: Prefix) -> list[Step]:
    if os.name == "nt" or prefix.command.is_symlink():
        return []
    folder = [] if prefix.command.parent.is_dir() else [MakeFolder(prefix.command.parent)]
    return [*folder, Link(prefix.command, "../current/venv/bin/airoto", "the command, for PATH")]


def service_steps(prefix: Prefix, home: Path, wanted: bool, switched: bool) -> list[Step]:
    return services.adding(prefix, home, restart=switched) if wanted else services.removing(home)
