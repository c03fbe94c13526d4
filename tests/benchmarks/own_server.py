"""A server of a benchmark's own, which finds nothing that an earlier run has left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airoto_client.grpc_link import GrpcLink
from airoto_client.local_server import LocalServer


@contextmanager
def own_server(*options: str, cache: Path | None = None) -> Iterator[GrpcLink]:
    """A new server's link; both end with the context.

    Args:
        options: more arguments for `airoto serve`.
        cache: folder for its results, not there yet; None: it keeps none. Never the user's, in
            which results of an earlier run may lie: nothing would be computed.
    """
    kept = "off" if cache is None else str(cache)
    local = LocalServer(waiting=lambda seconds: None, options=("--cache", kept, *options))
    try:
        with GrpcLink(local.target) as link:
            yield link
    finally:
        local.stop()
