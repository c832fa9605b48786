"""Traces whose spans stay in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.traces import Traces

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan


class Kept(Traces):
    """Keeps each span that has ended, in that order."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        super().__init__(provider)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> ReadableSpan:
        (found,) = [span for span in self.spans if span.name == name]
        return found


def lasts_ns(span: ReadableSpan) -> int:
    assert span.start_time is not None
    assert span.end_time is not None
    return span.end_time - span.start_time


def told(span: ReadableSpan, name: str) -> Any:
    return (span.attributes or {}).get(f"p2pcamera.{name}")


def parent(span: ReadableSpan) -> int:
    """Return the id of the span that this one is a child of."""
    """0, which no span has, where it has none."""
    return span.parent.span_id if span.parent else 0
