"""Tell systemd that the server listens, where it was started by it (`Type=notify`)."""

from __future__ import annotations

import contextlib
import os
import socket


def tell_ready() -> None:
    """Send READY=1 to `$NOTIFY_SOCKET`; nothing where there is none, or nobody behind it."""
    address = os.environ.pop("NOTIFY_SOCKET", "")
    if not address:
        return
    # A leading @ stands for Linux' abstract names.
    place = "\0" + address[1:] if address.startswith("@") else address
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.sendto(b"READY=1", place)
