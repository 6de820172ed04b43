"""What is told of requests, by OpenTelemetry: how many, how long, with which status, and how predictions are spread.

Never a row and never a single prediction. Where to is said by environment variables: ``APPLICATIONINSIGHTS_CONNECTION_STRING``
(Azure Monitor), else ``MLOPS_TELEMETRY`` (``console``, or a file that gets lines of JSON); without either nothing is told, and
OpenTelemetry is not even loaded. ``MLOPS_TELEMETRY_SECONDS`` is how often metrics are sent.
"""

from __future__ import annotations

import contextlib
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

_AZURE, _LOCAL, _EVERY = "APPLICATIONINSIGHTS_CONNECTION_STRING", "MLOPS_TELEMETRY", "MLOPS_TELEMETRY_SECONDS"
_SECONDS: Final = 60.0
_LATENCY: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)  # milliseconds
_ROWS: Final = (1, 2, 5, 10, 50, 100, 500, 1000, 5000, 10_000)
# For probabilities by twentieths, and for other numbers by their size.
_VALUES: Final = tuple(sorted({
    0.0, 0.01, 0.99, *(step / 20 for step in range(1, 20)),
    *(sign * unit * 10.0**power for sign in (-1, 1) for power in range(7) for unit in (1, 2, 5))}))
_FIELDS: Final = 10  # names of fields that one span has


@dataclass(frozen=True)
class Seen:
    """A request that was answered.

    Attributes:
        status: Of the answer.
        begun: When it came, in nanoseconds since 1970.
        seconds: How long the answer took.
        headers: Of the request: they may say which trace it is part of.
        rows: How many there were.
        predictions: What was answered.
        fields: Names of the columns and keys that were wrong.
    """

    status: int
    begun: int
    seconds: float
    headers: Mapping[str, str]
    rows: int
    predictions: Sequence[Any]
    fields: Sequence[str]


class Telemetry(Protocol):
    """Is told of every request."""

    def note(self, seen: Seen) -> None: ...

    def close(self) -> None:
        """Send what has not been sent."""


class Silent:
    """Tells nobody."""

    def note(self, seen: Seen) -> None:
        """Nothing is told."""

    def close(self) -> None:
        """Nothing is left to be told."""


class Told:
    """Tells OpenTelemetry's exporters.

    Args:
        identity: The model, as ``NAME:VERSION``.
        metrics: Exports metrics.
        spans: Exports spans.
        every: Seconds between two exports of metrics.
        after: Called once all is sent.
    """

    def __init__(self, identity: str, metrics: Any, spans: Any, every: float, after: Callable[[], Any] = lambda: None) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        name, _, version = identity.partition(":")
        about = Resource.create({"service.name": "mlops-scoring", "mlops.model.name": name, "mlops.model.version": version})
        buckets = {"mlops.latency": _LATENCY, "mlops.rows": _ROWS}
        # Providers of our own: the server's are for itself, and sends what it likes.
        self._meters = MeterProvider(
            [PeriodicExportingMetricReader(metrics, export_interval_millis=every * 1000)], resource=about,
            views=[View(instrument_name=instrument, aggregation=ExplicitBucketHistogramAggregation(limits))
                   for instrument, limits in buckets.items()])
        self._tracers = TracerProvider(resource=about)
        self._tracers.add_span_processor(BatchSpanProcessor(spans))
        self._tracer = self._tracers.get_tracer("mlops")
        meter = self._meters.get_meter("mlops")
        self._requests = meter.create_counter("mlops.requests", "{request}", "requests by status")
        self._latency = meter.create_histogram("mlops.latency", "ms", "time until the answer")
        self._rows = meter.create_histogram("mlops.rows", "{row}", "rows of a request")
        # No histogram: it takes one value at a time, which is slow for thousands, and Azure Monitor knows none of its buckets.
        self._predictions = meter.create_counter("mlops.predictions", "{prediction}", "predictions that are numbers")
        self._sum = meter.create_up_down_counter("mlops.predictions.sum", "1", "their sum")
        self._buckets = meter.create_counter("mlops.predictions.bucket", "{prediction}", "predictions by their bucket")
        self._gaps = meter.create_counter("mlops.predictions.missing", "{prediction}", "predictions that are not finite")
        self._model, self._after = {"model": identity}, after

    def note(self, seen: Seen) -> None:
        """Count a request; whatever goes wrong here, its answer is not touched."""
        try:
            self._note(seen)
        except Exception as error:
            print(f"mlops: telemetry failed: {error!r}")

    def _note(self, seen: Seen) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        known: dict[str, Any] = {**self._model, "status": seen.status}
        self._requests.add(1, known)
        self._latency.record(seen.seconds * 1000, known)
        if seen.status == 200:
            self._rows.record(seen.rows, self._model)
        numbers = [value for value in seen.predictions if isinstance(value, (int, float))]
        if numbers:
            self._predictions.add(len(numbers), self._model)
            self._sum.add(sum(numbers), self._model)
        for place, count in Counter(bisect_left(_VALUES, value) for value in numbers).items():
            bound = f"{_VALUES[place]:g}" if place < len(_VALUES) else "inf"
            self._buckets.add(count, {**self._model, "up_to": bound})
        if gaps := sum(value is None for value in seen.predictions):
            self._gaps.add(gaps, self._model)
        context = TraceContextTextMapPropagator().extract({name.lower(): value for name, value in seen.headers.items()})
        about = {**known, "http.request.method": "POST", "http.response.status_code": seen.status, "rows": seen.rows}
        if seen.fields:
            about["fields"] = list(seen.fields)[:_FIELDS]
        span = self._tracer.start_span("score", context, SpanKind.SERVER, start_time=seen.begun, attributes=about)
        if seen.status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end(seen.begun + round(seen.seconds * 1e9))

    def lead(self) -> None:
        """Be the process's provider of tracers when there is none: Azure Monitor's exporter asks that one who it is."""
        from opentelemetry import trace

        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            trace.set_tracer_provider(self._tracers)

    def close(self) -> None:
        """Send what has not been sent."""
        self._meters.shutdown()
        self._tracers.shutdown()
        self._after()


def from_environment(environ: Mapping[str, str], identity: str) -> Telemetry:
    """The telemetry that variables ask for; what cannot be had is told in the log, and the model is served without it."""
    every = _SECONDS
    with contextlib.suppress(ValueError):
        every = float(environ.get(_EVERY) or _SECONDS)
    try:
        if environ.get(_AZURE):
            from azure.monitor.opentelemetry.exporter import AzureMonitorMetricExporter, AzureMonitorTraceExporter

            told = {"connection_string": environ[_AZURE]}
            found = Told(identity, AzureMonitorMetricExporter(**told), AzureMonitorTraceExporter(**told), every)
            found.lead()
            return found
        if environ.get(_LOCAL):
            return _local(environ[_LOCAL], identity, every)
    except Exception as error:  # the connection string must not be in the log, and an error's text may repeat it
        print(f"mlops: no telemetry: {type(error).__name__}{f': {error}' if isinstance(error, (ImportError, OSError)) else ''}")
    return Silent()


def _local(where: str, identity: str, every: float) -> Telemetry:
    from opentelemetry.sdk.metrics.export import ConsoleMetricExporter
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter

    out = sys.stdout if where == "console" else open(where, "a", encoding="utf-8")  # noqa: SIM115  for as long as it serves

    def line(told: Any) -> str:
        text: str = told.to_json(indent=None)
        return text.strip() + "\n"

    after = out.close if out is not sys.stdout else out.flush
    return Told(identity, ConsoleMetricExporter(out, line), ConsoleSpanExporter(out=out, formatter=line), every, after)
