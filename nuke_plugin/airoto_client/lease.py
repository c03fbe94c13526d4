"""One process at a time does a piece of work in a folder that several machines share.

Standard library only. A lease is a file `.airoto-lease.N`, made with `link`, which a shared file
system either does or refuses, so of several takers one gets it. Its holder touches it; whoever
waits compares that with a file of its own, touched just before: both times are the file system's,
so clocks of machines may differ. A lease that nobody touches is never removed, since another may
have taken it over meanwhile: the next number is taken instead, and a holder that finds a higher
number than its own has lost. After the work is done all numbers are removed.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Callable

from airoto.errors import (
    AIRotoError,
    BusyError,
    CancelledError,
    ServerUnreachableError,
    TimedOutError,
    all_kinds,
)
from airoto_client.files import write_error
from airoto_client.lease_files import (
    PREFIX,
    Holder,
    holder_in,
    leases_in,
    path_of,
    touched_at,
    write_beside,
)

# Seconds: between two touches of a holder; after which an untouched lease counts as dead.
HEARTBEAT = 5.0
LOST_AFTER = 60.0
# After which the file of one who waits, and looks every few seconds, is somebody's who died.
_SWEPT_AFTER = 3600.0
# Seconds between two looks of one who waits; it grows, so that hundreds may wait.
_LOOKS = (0.1, 5.0)
# So many holders in a row that died or failed are no accident.
_MOST = 1000
# As a holder's `kind`: it left without an error that would stop others too.
_LEFT = "left"
_ONLY_MINE = (BusyError, CancelledError)
# What one blade meets and the next may not: so many holders try before those who wait give up.
_TRIED_AGAIN = (ServerUnreachableError, TimedOutError)
_TRIES = 3

Tell = Callable[[str], None]


class Lease:
    """Held: touched by a thread until it is given back, at the end of a `with` block.

    Use `acquire`, and call `check` between steps. A block that ends well means that the work is
    done. One that raises an error for people tells it to all who wait; after any other exception,
    and after being busy or cancelled, one of them goes on instead; so it is where a server did not
    answer, three times.
    """

    def __init__(self, folder: Path, number: int, holder: Holder, heartbeat: float) -> None:
        self._folder, self._number, self._holder = folder, number, holder
        self._lost, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._beat, args=(heartbeat,), daemon=True)
        self._thread.start()

    def check(self) -> None:
        """
        Raises:
            BusyError: another process took this for dead and took over.
        """
        if self._lost.is_set():
            raise BusyError(
                f"the lease in {self._folder} was taken over: this process was silent for too long",
                hint="nothing is lost; run it again",
            )

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._lost.is_set():
            return
        if error is None:
            self._sweep()
            for number in range(1, self._number + 1):
                with contextlib.suppress(OSError):
                    path_of(self._folder, number).unlink()
        elif isinstance(error, AIRotoError) and not isinstance(error, _ONLY_MINE):
            self._say(error.kind, error.message)
        else:
            self._say(_LEFT, "")

    def _sweep(self) -> None:
        """Remove what is left of those who died while they waited."""
        now = touched_at(path_of(self._folder, self._number))
        for path in leases_in(self._folder):
            if path.name[len(PREFIX) :].isdigit() or now is None:
                continue
            found, touched = holder_in(path), touched_at(path)
            if found is None or touched is None:
                continue
            if found.is_gone or now - touched > _SWEPT_AFTER:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _say(self, kind: str, message: str) -> None:
        said = replace(self._holder, kind=kind, message=message)
        with contextlib.suppress(OSError, AIRotoError):
            beside = write_beside(self._folder, said)
            beside.replace(path_of(self._folder, self._number))

    def _beat(self, heartbeat: float) -> None:
        own, later = path_of(self._folder, self._number), path_of(self._folder, self._number + 1)
        while not self._over.wait(heartbeat):
            try:
                found = holder_in(own)
                if found is not None and not found.token:
                    continue  # it cannot be read just now
                if later.exists() or found is None or found.token != self._holder.token:
                    self._lost.set()
                    return
                os.utime(own)
            except OSError:
                # A file system that is away for a while is no reason to stop; if it stays away
                # for too long, another takes over, which is then seen.
                continue


def acquire(
    folder: Path,
    is_done: Callable[[], bool],
    tell: Tell,
    *,
    progress: Callable[[], str] = lambda: "",
    heartbeat: float = HEARTBEAT,
    lost_after: float = LOST_AFTER,
) -> Lease | None:
    """Wait until the work is done by another, or is ours to do.

    Args:
        folder: exists; all processes see it.
        is_done: whether what this process wants is there; asked before each attempt.
        tell: hears who is waited for, whenever `progress` or the holder changes.
        progress: how far the holder is, in words.

    Returns:
        The lease; None where everything is there already.

    Raises:
        AIRotoError: the holder that was waited for gave up; of its error's kind.
        OutputError: the folder cannot be written to.
    """
    watch = _Watch(folder, lost_after)
    said = ""
    pause = _LOOKS[0]
    try:
        while not is_done():
            taken = watch.look()
            if isinstance(taken, int):
                lease = Lease(folder, taken, watch.me, heartbeat)
                if not is_done():
                    return lease
                with lease:
                    return None
            while taken is not None and watch.holds(taken):
                words = f"waiting for {taken}: {progress()}".rstrip(": ")
                if words != said:
                    said = words
                    tell(words)
                time.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, _LOOKS[1])
            pause = _LOOKS[0]
        return None
    finally:
        watch.close()


class _Watch:
    """One who wants a lease: a file of its own, and what it saw of others."""

    def __init__(self, folder: Path, lost_after: float) -> None:
        self._folder, self._lost_after = folder, lost_after
        self.me = Holder.me()
        self._beside = write_beside(folder, self.me)
        # Who had failed before this one began to wait, which concerns it no more.
        self._came_after: frozenset[str] | None = None
        self._number = 1

    def close(self) -> None:
        """Leave nothing beside the lease."""
        with contextlib.suppress(OSError):
            self._beside.unlink()

    def look(self) -> int | Holder | None:
        """Take the lease: its number, or who holds it; None for neither, so look again.

        Raises:
            AIRotoError: as `acquire`.
        """
        before: Holder | None = None
        failed: list[Holder] = []
        for number in range(1, _MOST):
            path = path_of(self._folder, number)
            found = holder_in(path)
            if found is None:
                if not self._link(path):
                    return None
                # Everything may have been removed since the one before was looked at.
                if before is not None and holder_in(path_of(self._folder, number - 1)) != before:
                    path.unlink()
                    return None
                return number
            if found.kind == _LEFT:
                pass
            elif found.kind:
                failed.append(found)
                self._check(failed)
            elif not (found.is_gone or self._is_silent(path)):
                self._number = number
                if self._came_after is None:
                    self._came_after = frozenset(one.token for one in failed)
                return found
            before = found
        raise BusyError(
            f"{_MOST} processes in a row died or failed in {self._folder}",
            hint=f"look at their logs; then remove {PREFIX}* there",
        )

    def _check(self, failed: list[Holder]) -> None:
        """
        Raises:
            AIRotoError: of a holder that failed while this one waited.
        """
        if self._came_after is None:
            return
        mine = [one for one in failed if one.token not in self._came_after]
        if not mine:
            return
        error = all_kinds().get(mine[-1].kind, AIRotoError)
        if len(mine) >= _TRIES or not issubclass(error, _TRIED_AGAIN):
            raise error(f"{mine[-1]} gave up: {mine[-1].message}")

    def holds(self, holder: Holder) -> bool:
        """Whether the one that is waited for still holds the lease."""
        path = path_of(self._folder, self._number)
        found = holder_in(path)
        if found is None or found != holder or found.is_gone:
            return False
        return not self._is_silent(path) and not path_of(self._folder, self._number + 1).exists()

    def _is_silent(self, path: Path) -> bool:
        """Whether nobody touched a lease for too long, by the file system's own clock."""
        os.utime(self._beside)
        now = touched_at(self._beside)
        touched = touched_at(path)
        return touched is not None and now is not None and now - touched > self._lost_after

    def _link(self, path: Path) -> bool:
        """Give our file the lease's name, unless it is taken."""
        try:
            os.link(self._beside, path)
        except FileExistsError:
            # Over a network it may have been done, and the answer lost.
            found = holder_in(path)
            return found is not None and found.token == self.me.token
        except OSError as exc:
            if isinstance(exc, (FileNotFoundError, PermissionError)) and not os.access(
                self._folder, os.W_OK
            ):
                raise write_error(exc, path) from exc
            return self._create(path)
        return True

    def _create(self, path: Path) -> bool:
        """The same where a file system has no links."""
        try:
            with path.open("x") as file:
                file.write(self.me.text())
        except FileExistsError:
            return False
        except OSError as exc:
            raise write_error(exc, path) from exc
        return True
