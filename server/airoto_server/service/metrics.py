"""The server's numbers for Prometheus: counts alone, no paths, names or contents.

What only happens is counted here as it happens; what is there at a moment is asked for at
each look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from airoto.wire import messages as pb
from airoto_server.scheduler.lane import Urgency
from airoto_server.service.record import CallRecord
from airoto_server.sessions.watch import Watch

# What the text is, for HTTP.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_CALL_SECONDS = (0.005, 0.02, 0.1, 0.5, 1, 2, 5, 15, 60, 300, 1800, 7200)
_WORK_SECONDS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60)


class Metrics(Watch):
    """Counts calls, frames and turns; `text` gives everything."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._calls = Counter(
            "airoto_calls", "Calls that ended.", ("method", "status"), registry=self._registry
        )
        self._call_seconds = _histogram(
            self, "airoto_call_seconds", "Length of calls.", ("method",), _CALL_SECONDS
        )
        self._frames = Counter("airoto_frames", "Frames done.", ("stage",), registry=self._registry)
        self._frame_seconds = _histogram(
            self,
            "airoto_frame_seconds",
            "Seconds of a frame in a stage, the wait for the device included.",
            ("stage",),
            _WORK_SECONDS,
        )
        self._waited = _histogram(
            self,
            "airoto_turn_wait_seconds",
            "Wait for a turn on a device.",
            ("device", "urgency"),
            _WORK_SECONDS,
        )
        self._held = _histogram(
            self,
            "airoto_turn_seconds",
            "Length of a turn on a device.",
            ("device", "urgency"),
            _WORK_SECONDS,
        )

    @property
    def registry(self) -> CollectorRegistry:
        """Where they are."""
        return self._registry

    def call(self, record: CallRecord, outcome: str, code: str) -> None:
        """A call ended."""
        self._calls.labels(record.method, code).inc()
        self._call_seconds.labels(record.method).observe(record.seconds)

    def stage(self, name: str, units: int, seconds: float) -> None:
        """See `Watch.stage`."""
        self._frames.labels(name).inc(units)
        self._frame_seconds.labels(name).observe(seconds / max(1, units))

    def turn(self, device: str, urgency: Urgency, waited: float, held: float) -> None:
        """See `Watch.turn`."""
        word = urgency.name.lower()
        self._waited.labels(device, word).observe(waited)
        self._held.labels(device, word).observe(held)

    def look_at(self, status: Callable[[], pb.GetStatusResponse]) -> None:
        """Where to ask for what is there at a moment; once, before `text`."""
        self._registry.register(_Moment(status))

    def text(self) -> str:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry).decode()


class _Moment(Collector):
    """What is there now, as gauges."""

    def __init__(self, status: Callable[[], pb.GetStatusResponse]) -> None:
        self._status = status

    def describe(self) -> Iterable[Metric]:
        """Nothing is known before it is asked for."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Ask now."""
        now = self._status()
        yield from _process(now)
        yield from _devices(now)
        yield from _renders(now)
        yield from _models(now)
        yield from _stores(now)


def _process(now: pb.GetStatusResponse) -> Iterable[Metric]:
    made = now.process
    info = GaugeMetricFamily("airoto_info", "The server's version.", labels=("version",))
    info.add_metric((now.version,), 1)
    yield info
    for name, text, value in (
        ("airoto_uptime_seconds", "Since the server began.", now.uptime_seconds),
        ("airoto_resident_bytes", "Memory of the server.", made.resident_bytes),
        ("airoto_decoder_resident_bytes", "Memory of the decoders.", made.decoder_bytes),
        ("airoto_decoders", "Decoding processes.", made.decoders),
        ("airoto_threads", "Threads of the server.", made.threads),
        ("airoto_calls_running", "Calls that have not ended.", made.calls_running),
    ):
        yield GaugeMetricFamily(name, text, value=value)
    yield CounterMetricFamily(
        "airoto_decoder_restarts",
        "Decoding processes that a file killed or that had to be ended.",
        value=made.decoder_restarts,
    )


def _devices(now: pb.GetStatusResponse) -> Iterable[Metric]:
    for name, text, field in (
        ("airoto_device_memory_bytes", "Memory of a device.", "memory_bytes"),
        ("airoto_device_free_bytes", "Of it, free.", "free_bytes"),
        ("airoto_device_held_bytes", "Of it, held by models and sessions.", "held_bytes"),
        ("airoto_device_load_ratio", "Busy share of the last minute.", "load"),
        ("airoto_clicks_waiting", "Single-frame calls that wait.", "clicks_waiting"),
    ):
        family = GaugeMetricFamily(name, text, labels=("device",))
        for device in now.devices:
            family.add_metric((device.name,), getattr(device, field))
        yield family


def _renders(now: pb.GetStatusResponse) -> Iterable[Metric]:
    family = GaugeMetricFamily("airoto_renders", "Renders that run or wait.", labels=("state",))
    running = sum(job.state == pb.JobState.JOB_STATE_RUNNING for job in now.jobs)
    family.add_metric(("running",), running)
    family.add_metric(("waiting",), len(now.jobs) - running)
    yield family


def _models(now: pb.GetStatusResponse) -> Iterable[Metric]:
    count = GaugeMetricFamily("airoto_models", "Models loaded.", labels=("device", "tier"))
    size = GaugeMetricFamily("airoto_model_bytes", "Memory of models.", labels=("device", "tier"))
    for device in now.devices:
        for tier in ("device", "host"):
            there = [m for m in now.models if (m.device, m.tier) == (device.name, tier)]
            count.add_metric((device.name, tier), len(there))
            size.add_metric((device.name, tier), sum(model.bytes for model in there))
    yield count
    yield size


def _stores(now: pb.GetStatusResponse) -> Iterable[Metric]:
    gauges: dict[str, GaugeMetricFamily] = {
        field: GaugeMetricFamily(f"airoto_store_{field}", text, labels=("store",))
        for field, text in (("entries", "What is kept."), ("bytes", "Its size."))
    }
    counters: dict[str, CounterMetricFamily] = {
        field: CounterMetricFamily(f"airoto_store_{field}", text, labels=("store",))
        for field, text in (("hits", "Found there."), ("misses", "Not found there."))
    }
    for store in now.stores:
        for field, gauge in gauges.items():
            gauge.add_metric((store.name,), getattr(store, field))
        for field, counter in counters.items():
            counter.add_metric((store.name,), getattr(store, field))
    yield from gauges.values()
    yield from counters.values()


def _histogram(
    metrics: Metrics, name: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...]
) -> Histogram:
    return Histogram(name, text, labels, buckets=buckets, registry=metrics.registry)
