"""The figures of the job log in Prometheus' text format."""

from collections.abc import Iterable, Sequence
from math import ceil

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from bot.storage.statistics import Figures
from inference.executors.base import ExecutorState

QUANTILES = (0.5, 0.95, 0.99, 1.0)


def quantile(values: Iterable[float], q: float) -> float | None:
    """The smallest value with at least the share q of all at or below it; None of nothing."""
    ordered = sorted(values)
    return ordered[max(0, ceil(q * len(ordered)) - 1)] if ordered else None


def render(
    figures: Figures,
    *,
    engine: ExecutorState,
    gateway_seconds: float | None,
    loop_lag: Sequence[float],
) -> bytes:
    """One scrape.

    gateway_seconds: the last heartbeat's round trip; None while not connected.
    loop_lag: seconds by which the event loop was late, of the last minute.
    """
    registry = CollectorRegistry()

    def gauge(name: str, text: str, value: float, **labels: str) -> None:
        family = families.get(name)
        if family is None:
            family = Gauge(f"palimpsest_{name}", text, list(labels), registry=registry)
            families[name] = family
        (family.labels(**labels) if labels else family).set(value)

    families: dict[str, Gauge] = {}
    for status, count in figures.by_status.items():
        gauge("jobs", "Jobs in the log by state", count, status=status.value)
    for state in ExecutorState:
        gauge("engine_state", "1 for the engine's state", state is engine, state=state.value)
    for name, text, values in (
        ("wait_seconds", "From queued to started, last hour", figures.waits),
        ("total_seconds", "From queued to finished, last hour", figures.totals),
        ("loop_lag_seconds", "By how much the event loop was late, last minute", loop_lag),
    ):
        for q in QUANTILES:
            value = quantile(values, q)
            if value is not None:
                gauge(name, text, value, quantile=str(q))
    gauge("undelivered_jobs", "Finished jobs not yet delivered", figures.undelivered)
    gauge("charged_megapixel_rows", "Cost charged in all", figures.charged)
    gauge("pictures", "Pictures kept", figures.pictures)
    gauge("picture_bytes", "Bytes of pictures kept", figures.picture_bytes)
    if gateway_seconds is not None:
        gauge("gateway_seconds", "Round trip of the last gateway heartbeat", gateway_seconds)
    return generate_latest(registry)
