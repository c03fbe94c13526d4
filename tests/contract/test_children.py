"""Children can be started while gRPC works in their parent."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import subprocess, sys
from airoto_client.grpc_link import GrpcLink
from airoto.errors import ServerUnreachableError

with GrpcLink("unix:/nonexistent/airoto.sock") as link:
    try:
        link.call("GetServerInfo", {}, timeout=5)  # from now on gRPC has threads
    except ServerUnreachableError:
        pass
    codes = [subprocess.call([sys.executable, "-S", "-E", "-c", ""], cwd="/") for _ in range(60)]
print(sorted(set(codes)))
"""


def test_no_child_is_killed_by_grpcs_handlers_for_fork() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.stdout == "[0]\n", ran.stderr
