"""How much of a device each client, and each of its jobs, has had."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class _Share:
    """Seconds of the device, counted from the level at which it came in."""

    used: float
    holders: int = 0


@dataclass
class _Client(_Share):
    jobs: dict[str, _Share] = field(default_factory=dict)


class Shares:
    """Accounts of those who are present. Not locked: the lane's lock guards it.

    A newcomer starts level with the least served of those present; otherwise it would hold
    everyone up until it had caught up, and those who leave would keep what they did not use.
    """

    def __init__(self) -> None:
        self._clients: dict[str, _Client] = {}

    def enter(self, client: str, job: str) -> None:
        """A job of a client is here; as often as `leave` is called."""
        if client not in self._clients:
            level = min((each.used for each in self._clients.values()), default=0.0)
            self._clients[client] = _Client(level)
        account = self._clients[client]
        account.holders += 1
        if job not in account.jobs:
            level = min((each.used for each in account.jobs.values()), default=0.0)
            account.jobs[job] = _Share(level)
        account.jobs[job].holders += 1

    def leave(self, client: str, job: str) -> None:
        """It is gone."""
        account = self._clients[client]
        account.jobs[job].holders -= 1
        if not account.jobs[job].holders:
            del account.jobs[job]
        account.holders -= 1
        if not account.holders:
            del self._clients[client]

    def charge(self, client: str, job: str, seconds: float) -> None:
        """It had the device for so long."""
        account = self._clients[client]
        account.used += seconds
        account.jobs[job].used += seconds

    def standing(self, client: str, job: str) -> tuple[float, float]:
        """The lower goes first: by what the client had, then by what its job had."""
        account = self._clients[client]
        return account.used, account.jobs[job].used
