"""Spans of single frames, for OpenTelemetry: made, named across the wire, and handed to a collector.

What is imported here costs nothing. OpenTelemetry is imported where traces are switched on, and only then.
The variables of its specification (`OTEL_...`) say where spans go; they leave by OTLP over HTTP.

A frame that is traced carries its context to the worker, in 24 bytes: the two ids of W3C Trace Context, 16
bytes of the trace, then 8 of the span whose child the worker's own one is.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.errors import P2PCameraError
from shared.wire import TRACE_BYTES

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

CLOSE_LIMIT_S = 2.0
"""For what has not been sent yet, where the collector is away."""
TRACE_ID_BYTES = 16
_KNOWN = {
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
}
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

Value = str | int | float


class TracesUnusable(P2PCameraError):
    """Traces were asked for, and cannot be made."""


class Traces:
    """Where one process's spans are made; any thread. Times are this host's monotonic clock, in ns."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("p2pcamera")

    def begin(
        self,
        name: str,
        began_ns: int,
        *,
        parent: Span | bytes | None = None,
        is_call: bool = False,
        told: Mapping[str, Value] | None = None,
    ) -> Span:
        """Return a span that began then; `end` it. `parent`: a span, or the context of another process's.

        `is_call`: another service does the work, where the parent is a span; it is done for another service,
        where the parent is a context.
        """
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind, set_span_in_context

        around, kind = Context(), SpanKind.CLIENT if is_call else SpanKind.INTERNAL
        if parent is None or isinstance(parent, bytes):
            kind = SpanKind.SERVER
        if parent is not None:
            of = _remote(parent) if isinstance(parent, bytes) else parent
            around = set_span_in_context(of, around)
        return self._tracer.start_span(name, around, kind, dict(told or {}), start_time=_wall_ns(began_ns))

    def add(
        self,
        name: str,
        began_ns: int,
        ended_ns: int,
        *,
        parent: Span,
        told: Mapping[str, Value] | None = None,
    ) -> None:
        """Make a span that is over."""
        end(self.begin(name, began_ns, parent=parent, told=told), ended_ns)

    def close(self) -> None:
        """Send what is left, for two seconds at most."""
        closing = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        closing.start()
        closing.join(CLOSE_LIMIT_S)


def end(span: Span, ended_ns: int, **told: Value) -> None:
    """End a span then, on this host's monotonic clock, with these attributes besides."""
    for name, value in told.items():
        span.set_attribute(f"p2pcamera.{name}", value)
    span.end(_wall_ns(ended_ns))


def context_of(span: Span) -> bytes:
    """Return what a frame carries of this span: 24 bytes, or none where the sampler leaves this trace out."""
    context = span.get_span_context()
    if not context.trace_flags.sampled:
        return b""
    ids = context.trace_id.to_bytes(TRACE_ID_BYTES, "big"), context.span_id.to_bytes(8, "big")
    return b"".join(ids)


def open_traces(service: str, instance: str, exporter: SpanExporter | None = None) -> Traces:
    """Return where spans of this process are made: `service` and `instance` name it in each.

    Without an exporter they go where the environment says. Raises TracesUnusable, with what to do.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as exc:
        raise TracesUnusable(
            f"the Python package {exc.name or 'opentelemetry'} is not installed, which traces need: "
            "pip install 'p2pcamera[traces]'"
        ) from exc
    _check(os.environ)
    own = {
        "service.name": f"p2pcamera-{service}",
        "service.version": _version(),
        "service.instance.id": instance,
    }
    # What the operator names goes first.
    resource = Resource.create(own).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    try:
        provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
    except ValueError as exc:
        raise TracesUnusable(f"the variables OTEL_...: {exc}") from exc
    return Traces(provider)


def check_traces() -> None:
    """Raise TracesUnusable where traces could not be made here."""
    open_traces("start", "check").close()


def _check(environ: Mapping[str, str]) -> None:
    for name, known in _KNOWN.items():
        if (value := environ.get(name, "")) not in ("", known):
            raise TracesUnusable(
                f"{name}: expected {known}, which is all that this service has, not {value!r}"
            )
    for name in _ENDPOINTS:
        if value := environ.get(name, ""):
            url = urlsplit(value)
            if url.scheme not in ("http", "https") or not url.hostname:
                raise TracesUnusable(f"{name}: expected a URL such as http://127.0.0.1:4318, not {value!r}")


def _remote(context: bytes) -> Any:
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

    assert len(context) == TRACE_BYTES
    trace_id = int.from_bytes(context[:TRACE_ID_BYTES], "big")
    span_id = int.from_bytes(context[TRACE_ID_BYTES:], "big")
    sampled = TraceFlags(TraceFlags.SAMPLED)
    return NonRecordingSpan(SpanContext(trace_id, span_id, is_remote=True, trace_flags=sampled))


def _wall_ns(monotonic_ns: int) -> int:
    """Return when that was, since the epoch: what spans of several hosts are put together by."""
    return monotonic_ns + time.time_ns() - time.monotonic_ns()


def _version() -> str:
    try:
        return version("p2pcamera")
    except PackageNotFoundError:
        return "not installed"
