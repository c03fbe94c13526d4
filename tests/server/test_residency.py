"""Which engines are on a device, and who has to leave."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from airoto.errors import (
    EngineError,
    EngineUnavailableError,
    InternalError,
    TooLargeError,
)
from airoto_server.engines.registry import EngineSpec, LoadOptions, Role
from airoto_server.engines.roles import EngineFacts
from airoto_server.residency.devices import open_device
from airoto_server.residency.residency import Residency
from airoto_server.residency.simulated import SimulatedDevice, SimulatedOutOfMemoryError
from airoto_server.residency.table import Tier

from .residency_engines import SizedEngine, Workshop


def residency_of(workshop: Workshop, **options: object) -> Residency:
    options = {"wait_seconds": 0.2, "headroom_bytes": 0, **options}
    return Residency("sim", memory=workshop.device, host=workshop.host, **options)  # type: ignore[arg-type]


def on_device(residency: Residency) -> set[str]:
    return {each.who.split()[1] for each in residency.holdings() if each.tier is Tier.DEVICE}


def in_host_memory(residency: Residency) -> set[str]:
    return {each.who.split()[1] for each in residency.holdings() if each.tier is Tier.HOST}


def use(residency: Residency, *specs: EngineSpec) -> None:
    for spec in specs:
        with residency.lease(spec):
            pass


def test_an_engine_is_loaded_once_and_kept() -> None:
    workshop = Workshop(100)
    residency = residency_of(workshop)
    spec = workshop.spec(40, "sam")
    with residency.lease(spec) as first:
        pass
    with residency.lease(spec) as second:
        assert second is first
    assert workshop.loads == {"sam": 1}
    assert workshop.device.used_bytes() == 40


def test_the_engine_that_was_used_longest_ago_leaves_first() -> None:
    workshop = Workshop(100)
    residency = residency_of(workshop)
    a, b, c = workshop.spec(40, "a"), workshop.spec(40, "b"), workshop.spec(40, "c")
    use(residency, a, b, a, c)
    assert on_device(residency) == {"a", "c"}


def test_the_end_of_a_lease_counts_as_use() -> None:
    workshop = Workshop(100)
    residency = residency_of(workshop)
    a, b, c = workshop.spec(40, "a"), workshop.spec(40, "b"), workshop.spec(40, "c")
    with residency.lease(a):
        use(residency, b)
    use(residency, c)
    assert on_device(residency) == {"a", "c"}


def test_a_leased_engine_never_leaves() -> None:
    workshop = Workshop(100)
    residency = residency_of(workshop)
    a, b = workshop.spec(60, "a"), workshop.spec(60, "b")
    with residency.lease(a) as engine:
        with pytest.raises(EngineError, match=r"no room for matter b.*matter a .*in use"):
            use(residency, b)
        assert isinstance(engine, SizedEngine)
        assert engine.alive
    use(residency, b)
    assert on_device(residency) == {"b"}


def test_a_pinned_engine_stays_until_it_is_unpinned() -> None:
    workshop = Workshop(100)
    residency = residency_of(workshop)
    a, b, c = workshop.spec(40, "a"), workshop.spec(40, "b"), workshop.spec(40, "c")
    residency.pin(a)
    use(residency, a, b, c)
    assert on_device(residency) == {"a", "c"}
    residency.pin(a, False)
    use(residency, b)
    assert on_device(residency) == {"b", "c"}


def test_an_engine_that_can_never_fit_is_refused_at_once_and_nobody_is_moved_for_it() -> None:
    workshop = Workshop(100)
    residency = residency_of(workshop, wait_seconds=30.0)
    small, huge = workshop.spec(40, "small"), workshop.spec(200, "huge")
    use(residency, small)
    with pytest.raises(EngineError, match="no room for matter huge"):
        use(residency, huge)
    # Its size is not known before the first load; afterwards nobody leaves in vain.
    use(residency, small)
    loads = dict(workshop.loads)
    with pytest.raises(EngineError, match="no room for matter huge"):
        use(residency, huge)
    use(residency, small)
    assert workshop.loads["small"] == loads["small"]


def test_a_checkpoint_too_large_for_the_device_is_refused_without_loading(tmp_path: Path) -> None:
    workshop = Workshop(100)
    spec = needy(workshop.spec(200, "huge"))
    residency = residency_of(workshop, checkpoints=Shelf(tmp_path, size=200))
    with pytest.raises(EngineError, match="no room for matter huge"):
        use(residency, spec)
    assert workshop.loads == {}


def test_an_engine_moves_to_host_memory_and_comes_back_without_loading() -> None:
    workshop = Workshop(100, host=200)
    residency = residency_of(workshop)
    a, b = workshop.spec(60, "a"), workshop.spec(60, "b")
    use(residency, a, b)
    assert on_device(residency) == {"b"}
    assert in_host_memory(residency) == {"a"}
    assert workshop.host.used_bytes() == 60
    use(residency, a)
    assert on_device(residency) == {"a"}
    loads = dict(workshop.loads)
    use(residency, b, a, b)
    assert on_device(residency) == {"b"}
    assert workshop.loads == loads


def test_host_memory_has_its_own_limit_and_its_oldest_leaves() -> None:
    workshop = Workshop(60, host=1000)
    residency = residency_of(workshop, host_limit_bytes=100)
    a, b, c, d = (workshop.spec(50, name) for name in "abcd")
    use(residency, a, b, c, d)
    assert on_device(residency) == {"d"}
    assert in_host_memory(residency) == {"b", "c"}
    assert workshop.host.used_bytes() == 100


def test_a_unified_device_drops_models_since_the_host_is_the_same_memory() -> None:
    workshop = Workshop(100, host=1000)
    workshop.device.unified = True
    residency = residency_of(workshop)
    use(residency, workshop.spec(60, "a"), workshop.spec(60, "b"))
    assert in_host_memory(residency) == set()
    assert workshop.host.used_bytes() == 0


def test_ten_that_wait_for_an_engine_load_it_once() -> None:
    workshop = Workshop(100)
    residency = residency_of(workshop, wait_seconds=10.0)
    workshop.gates["sam"] = threading.Event()
    spec = workshop.spec(40, "sam")
    engines: list[object] = []

    def lease() -> None:
        with residency.lease(spec) as engine:
            engines.append(engine)

    threads = [threading.Thread(target=lease) for _ in range(10)]
    for thread in threads:
        thread.start()
    workshop.gates["sam"].set()
    for thread in threads:
        thread.join(10)
    assert len(engines) == 10
    assert len(set(map(id, engines))) == 1
    assert workshop.loads == {"sam": 1}


def test_ten_that_wait_for_a_load_that_fails_share_its_error() -> None:
    workshop = Workshop(100)
    residency = residency_of(workshop)
    workshop.gates["sam"] = threading.Event()
    workshop.faults["sam"] = EngineUnavailableError("the checkpoint is damaged", hint="fetch it")
    spec = workshop.spec(40, "sam")
    errors: list[EngineUnavailableError] = []
    arrived = threading.Barrier(11)

    def lease() -> None:
        arrived.wait(10)
        with pytest.raises(EngineUnavailableError, match="damaged") as info:
            use(residency, spec)
        errors.append(info.value)

    threads = [threading.Thread(target=lease) for _ in range(10)]
    for thread in threads:
        thread.start()
    arrived.wait(10)
    # All of them wait for the one load by now.
    time.sleep(0.2)
    workshop.gates["sam"].set()
    for thread in threads:
        thread.join(10)
    assert len(errors) == 10
    assert len(set(map(id, errors))) == 10
    assert {error.hint for error in errors} == {"fetch it"}
    assert workshop.loads == {"sam": 1}


def test_a_failed_load_leaves_nothing_and_can_be_tried_again() -> None:
    workshop = Workshop(100)
    residency = residency_of(workshop)
    spec = workshop.spec(40, "sam")
    workshop.faults["sam"] = ValueError("bad header")
    with pytest.raises(EngineError, match="'sam' could not be loaded: bad header"):
        use(residency, spec)
    assert residency.holdings() == ()
    assert workshop.device.used_bytes() == 0
    del workshop.faults["sam"]
    use(residency, spec)
    assert on_device(residency) == {"sam"}


def test_a_missing_package_is_named() -> None:
    workshop = Workshop(100)
    residency = residency_of(workshop)
    workshop.faults["sam"] = ModuleNotFoundError("No module named 'transformers'")
    with pytest.raises(EngineUnavailableError, match="transformers"):
        use(residency, workshop.spec(40, "sam"))


def test_a_load_that_runs_out_of_memory_makes_others_leave_until_it_fits() -> None:
    workshop = Workshop(100)
    residency = residency_of(workshop)
    a, b, big = workshop.spec(30, "a"), workshop.spec(30, "b"), workshop.spec(90, "big")
    use(residency, a, b, big)
    assert on_device(residency) == {"big"}
    assert workshop.loads["big"] == 3


def test_a_lease_waits_until_others_make_room() -> None:
    workshop = Workshop(100)
    residency = residency_of(workshop, wait_seconds=10.0)
    a, b = workshop.spec(60, "a"), workshop.spec(60, "b")
    done = threading.Event()

    def later() -> None:
        use(residency, b)
        done.set()

    with residency.lease(a):
        thread = threading.Thread(target=later)
        thread.start()
        assert not done.wait(0.2)
    thread.join(10)
    assert done.is_set()
    assert on_device(residency) == {"b"}


def test_a_limit_below_what_the_device_has_is_kept() -> None:
    workshop = Workshop(1000)
    residency = residency_of(workshop, limit_bytes=100)
    use(residency, workshop.spec(60, "a"), workshop.spec(60, "b"))
    assert on_device(residency) == {"b"}
    with pytest.raises(EngineError, match="no room"):
        use(residency, workshop.spec(101, "huge"))
    assert workshop.device.used_bytes() <= 100


def test_headroom_is_kept_where_possible_but_refuses_nobody() -> None:
    workshop = Workshop(100)
    residency = residency_of(workshop, headroom_bytes=30)
    use(residency, workshop.spec(40, "a"), workshop.spec(40, "b"))
    assert on_device(residency) == {"b"}
    use(residency, workshop.spec(90, "big"))
    assert on_device(residency) == {"big"}


def test_a_lane_holds_one_lease_at_a_time() -> None:
    workshop = Workshop(100)
    residency = residency_of(workshop)
    a, b = workshop.spec(10, "a"), workshop.spec(10, "b")
    with (
        residency.lease(a, "gpu0"),
        pytest.raises(InternalError, match="'gpu0' asks for a second lease"),
        residency.lease(b, "gpu0"),
    ):
        pass
    with residency.lease(b, "gpu0"), residency.lease(a, "gpu1"):
        assert {each.leases for each in residency.holdings()} == {("gpu0",), ("gpu1",)}


def test_a_lane_is_free_again_after_a_load_that_failed() -> None:
    workshop = Workshop(100)
    residency = residency_of(workshop)
    workshop.faults["bad"] = ValueError("no")
    with pytest.raises(EngineError), residency.lease(workshop.spec(10, "bad"), "gpu0"):
        pass
    with residency.lease(workshop.spec(10, "good"), "gpu0"):
        pass


def test_work_that_runs_out_of_memory_is_done_again_with_everything_else_moved_out() -> None:
    workshop = Workshop(100)
    residency = residency_of(workshop)
    matter, idle = workshop.spec(20, "matter"), workshop.spec(50, "idle")
    use(residency, idle)

    def work() -> str:
        workshop.device.allocate(60)
        workshop.device.free(60)
        return "alpha"

    with residency.lease(matter):
        assert residency.run(work) == "alpha"
    assert on_device(residency) == {"matter"}


def test_work_that_is_too_large_is_done_in_smaller_pieces() -> None:
    workshop = Workshop(100)
    residency = residency_of(workshop)
    asked: list[int] = []

    def piece(size: int) -> str:
        workshop.device.allocate(size)
        workshop.device.free(size)
        return f"in pieces of {size}"

    def smaller(attempt: int):  # type: ignore[no-untyped-def]
        asked.append(attempt)
        return lambda: piece(400 >> attempt)

    with residency.lease(workshop.spec(20, "matter")):
        assert residency.run(lambda: piece(400), smaller) == "in pieces of 50"
    assert asked == [1, 2, 3]


def test_work_that_fits_in_no_pieces_says_what_is_held_by_whom() -> None:
    workshop = Workshop(100_000_000)
    residency = residency_of(workshop)
    residency.account("a3f", 30_000_000)
    with (
        residency.lease(workshop.spec(20_000_000, "vitmatte"), "gpu0"),
        pytest.raises(TooLargeError) as info,
    ):
        residency.run(lambda: workshop.device.allocate(10**12), lambda n: None)
    assert "session a3f 30 MB; matter vitmatte 20 MB (in use by gpu0)" in info.value.message
    assert isinstance(info.value.__cause__, SimulatedOutOfMemoryError)


def test_other_errors_of_work_are_not_touched() -> None:
    residency = residency_of(Workshop(100))

    def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        residency.run(work)


def test_tracker_memory_counts_and_makes_idle_engines_leave() -> None:
    workshop = Workshop(1000)
    residency = residency_of(workshop, limit_bytes=100)
    tracker, idle = workshop.spec(30, "cutie"), workshop.spec(30, "sam")
    use(residency, idle)
    with residency.lease(tracker):
        residency.account("shot", 60)
    assert on_device(residency) == {"cutie", "shot"}
    residency.account("shot", 0)
    assert on_device(residency) == {"cutie"}


def test_tracker_memory_of_the_quietest_session_is_offloaded_first() -> None:
    residency = residency_of(Workshop(1000), limit_bytes=100)
    asked: list[str] = []

    def offload(name: str, stays: int):  # type: ignore[no-untyped-def]
        return lambda: (asked.append(name), stays)[1]

    residency.account("old", 30, offload=offload("old", 5))
    residency.account("new", 30, offload=offload("new", 30))
    residency.account("mine", 60, offload=offload("mine", 60))
    assert asked == ["old"]
    assert {each.who: each.bytes for each in residency.holdings()} == {
        "session old": 5,
        "session new": 30,
        "session mine": 60,
    }


def test_a_session_that_outgrows_the_device_is_told_so() -> None:
    residency = residency_of(Workshop(10**9), limit_bytes=10**8)
    with pytest.raises(TooLargeError, match=r"session shot holds 200 MB .* held by session shot"):
        residency.account("shot", 2 * 10**8)
    residency.account("shot", 0)
    assert residency.holdings() == ()


def test_a_load_asks_sessions_to_offload_when_no_engine_is_idle() -> None:
    workshop = Workshop(100)
    residency = residency_of(workshop)
    workshop.device.allocate(70)

    def offload() -> int:
        workshop.device.free(70)
        return 0

    residency.account("shot", 70, offload=offload)
    use(residency, workshop.spec(60, "sam"))
    assert on_device(residency) == {"sam"}


def test_closing_unloads_everything_pinned_or_not() -> None:
    workshop = Workshop(100, host=100)
    residency = residency_of(workshop)
    a, b = workshop.spec(60, "a"), workshop.spec(60, "b")
    use(residency, a)
    use(residency, b)
    residency.pin(b)
    residency.close()
    assert residency.holdings() == ()
    assert workshop.device.used_bytes() == workshop.host.used_bytes() == 0


def test_an_engine_without_sizes_of_its_own_is_measured_by_the_device() -> None:
    device = SimulatedDevice(100)

    class Plain:
        facts = EngineFacts("plain", "1", "no sizes", "Apache-2.0")

        def device(self) -> str:
            return "sim"

        def precision(self) -> str:
            return "float32"

    def load(options: LoadOptions) -> Plain:
        device.allocate(42)
        return Plain()

    residency = Residency("sim", memory=device, headroom_bytes=0)
    use(residency, EngineSpec(Role.MATTER, Plain.facts, load))
    assert [each.bytes for each in residency.holdings()] == [42]


class Status:
    """What a store says of a checkpoint."""

    def __init__(self, path: Path | None, size: int, reason: str = "", fix: str = "") -> None:
        self.path = path
        self.bytes = size
        self.reason = reason
        self.fix = fix
        self.sha256 = "" if reason else "ab" * 32
        self.ready = not reason
        self.present = path is not None


class Shelf:
    """A store with one checkpoint."""

    def __init__(self, folder: Path, size: int = 0, reason: str = "", fix: str = "") -> None:
        self.answer = Status(None if reason else folder / "sam.pt", size, reason, fix)

    def status(self, name: str) -> Status:
        if name != "sam":
            raise EngineUnavailableError(f"there is no checkpoint {name!r}")
        return self.answer


def needy(spec: EngineSpec, checkpoint: str = "sam") -> EngineSpec:
    facts = EngineFacts(spec.facts.name, "1", "needs weights", "Apache-2.0", needs_weights=True)
    return EngineSpec(spec.role, facts, spec.load, checkpoint=checkpoint)


def test_an_engine_is_handed_its_checkpoint(tmp_path: Path) -> None:
    workshop = Workshop(100)
    inner = workshop.spec(10, "net")
    seen: list[LoadOptions] = []

    def load(options: LoadOptions):  # type: ignore[no-untyped-def]
        seen.append(options)
        return inner.load(options)

    spec = needy(EngineSpec(inner.role, inner.facts, load))
    residency = residency_of(workshop, checkpoints=Shelf(tmp_path), precision="bfloat16")
    assert residency.availability(spec).weights_sha256 == "ab" * 32
    use(residency, spec)
    assert seen == [LoadOptions("sim", "bfloat16", tmp_path / "sam.pt")]


def test_an_engine_whose_weights_cannot_be_used_says_why_and_what_to_do(tmp_path: Path) -> None:
    spec = needy(Workshop(100).spec(10, "net"))
    residency = residency_of(
        Workshop(100),
        checkpoints=Shelf(tmp_path, reason="it is not installed", fix="airoto weights fetch sam"),
    )
    state = residency.availability(spec)
    assert (state.available, state.weights_present) == (False, False)
    assert state.reason == "checkpoint 'sam': it is not installed"
    assert state.fix == "airoto weights fetch sam"
    with pytest.raises(EngineUnavailableError, match="not installed") as info:
        use(residency, spec)
    assert info.value.hint == "airoto weights fetch sam"


def test_without_a_store_engines_with_weights_are_not_available(tmp_path: Path) -> None:
    spec = needy(Workshop(100).spec(10, "net"))
    assert "no folder for weights" in residency_of(Workshop(100)).availability(spec).reason


def test_an_engine_with_a_checkpoint_that_nobody_knows_is_not_available(tmp_path: Path) -> None:
    spec = needy(Workshop(100).spec(10, "net"), checkpoint="nothing")
    residency = residency_of(Workshop(100), checkpoints=Shelf(tmp_path))
    assert residency.availability(spec).reason == "there is no checkpoint 'nothing'"


def test_the_host_has_memory_and_no_more_free_than_it_has() -> None:
    cpu = open_device("cpu")
    assert 0 < cpu.free_bytes() <= cpu.total_bytes()
    assert 0 < cpu.used_bytes() < cpu.total_bytes()


def test_torch_without_memory_is_met_like_any_other_device() -> None:
    with pytest.raises(TooLargeError, match="memory of cpu is not enough"):
        Residency("cpu").run(lambda: torch.empty(1 << 50))


@pytest.mark.parametrize("name", ["tpu", "cuda:x", "cpu:1", ""])
def test_a_device_that_is_none_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(EngineUnavailableError, match="allowed: cpu, cuda, cuda:N, mps"):
        Residency(name)


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_what_the_servers_malloc_keeps_of_an_unloaded_model_is_given_back() -> None:
    # In a process of its own: these settings are for good.
    code = """
import numpy
from airoto_server.residency.devices import CpuDevice
from airoto_server.residency.malloc import keep_freed_memory
keep_freed_memory()
device, before = CpuDevice(), CpuDevice().used_bytes()
layers = [numpy.ones(1 << 17) for _ in range(150)]
loaded = device.used_bytes() - before
del layers
freed = device.used_bytes() - before
device.release()
print(loaded, freed, device.used_bytes() - before)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, freed, released = (int(each) >> 20 for each in run.stdout.split())
    assert loaded > 140
    # Kept, or there would be nothing to test.
    assert freed > 100
    assert released < 30


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_what_threads_free_is_kept_for_the_next_frame_and_given_back_by_an_idle_process() -> None:
    code = """
import threading, time
import numpy
from airoto_server.residency.devices import CpuDevice
from airoto_server.residency.malloc import FreedMemory, keep_freed_memory
keep_freed_memory()
device, before = CpuDevice(), CpuDevice().used_bytes()
freed = FreedMemory()
thread = threading.Thread(target=lambda: [numpy.ones(3 << 20) for _ in range(8)])
thread.start()
thread.join()
kept = device.used_bytes() - before
freed.expire(0.05)
at_work = device.used_bytes() - before
time.sleep(0.5)
freed.expire(0.05)
print(kept, at_work, device.used_bytes() - before)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kept, at_work, idle = (int(each) >> 20 for each in run.stdout.split())
    assert kept > 180
    assert at_work > 180
    assert idle < 30
