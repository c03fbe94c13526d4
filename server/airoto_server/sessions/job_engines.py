"""What the engines of a job say of themselves, without loading them where that is known."""

from __future__ import annotations

from collections.abc import Mapping

from airoto_server.engines.registry import Role
from airoto_server.engines.roles import Engine
from airoto_server.sessions.cache import ShotCache, Stage
from airoto_server.sessions.cache_keys import ShotKeys, basis, digest
from airoto_server.sessions.events import Provenance


def told_by(
    made: Provenance,
    engines: Mapping[Role, Engine],
    device: str,
    keys: ShotKeys,
    cache: ShotCache,
) -> Provenance:
    """A shot's provenance with device and precision of these engines.

    Only a loaded engine knows them. They are kept, so that a job whose results are all kept
    loads nothing, and its headers say the same.

    Args:
        device: where the job runs.
    """
    for role, engine in engines.items():
        key = digest(basis(), "engine", role.value, keys.engine(role), device)
        said = cache.text(Stage.ENGINE, key)
        if said is None or said.keys() != {"device", "precision"}:
            said = {"device": engine.device(), "precision": engine.precision()}
            cache.keep_text(Stage.ENGINE, key, said)
        made = made.with_facts(role, said["device"], said["precision"])
    return made
