from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from shared.traces import Traces, TracesUnusable, check_traces, context_of, end, open_traces
from shared.wire import TRACE_BYTES
from tests.shared.spans import Kept, lasts_ns, parent, told

ROOT = Path(__file__).parents[2]
MS = 1_000_000


def test_a_span_has_its_place_in_the_trace_and_its_time_by_the_wall_clock() -> None:
    traces, now_ns = Kept(), time.monotonic_ns()
    whole = traces.begin("frame", now_ns - 30 * MS, told={"p2pcamera.width": 640})
    traces.add("decode", now_ns - 30 * MS, now_ns - 25 * MS, parent=whole)
    end(whole, now_ns, outcome="shown")
    decode, frame = traces.named("decode"), traces.named("frame")
    assert parent(decode) == frame.context.span_id
    assert parent(frame) == 0
    # The wall clock may be set between two readings of it, by microseconds at most in good order.
    assert abs(lasts_ns(frame) - 30 * MS) < 5 * MS
    assert abs(lasts_ns(decode) - 5 * MS) < 5 * MS
    assert frame.end_time is not None
    assert abs(frame.end_time - time.time_ns()) < 10_000 * MS
    assert (told(frame, "width"), told(frame, "outcome")) == (640, "shown")


def test_what_a_frame_carries_names_the_span_in_another_process() -> None:
    here, there = Kept(), Kept()
    link = here.begin("link", 0, parent=here.begin("frame", 0), is_call=True)
    carried = context_of(link)
    assert len(carried) == TRACE_BYTES
    end(there.begin("worker", 0, parent=carried), 1)
    (span,) = there.spans
    assert span.context.trace_id == link.get_span_context().trace_id
    assert parent(span) == link.get_span_context().span_id
    assert span.parent is not None
    assert span.parent.is_remote


def test_a_trace_that_the_sampler_leaves_out_is_not_carried_on() -> None:
    traces = Traces(TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False))
    assert context_of(traces.begin("frame", 0)) == b""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
    ],
)
def test_a_variable_that_cannot_be_followed_is_named_at_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(TracesUnusable, match="OTEL_"):
        check_traces()


def test_the_operator_s_own_names_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    given = open_traces("signaling", "one")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "camera")
    named = open_traces("signaling", "one")
    of = [dict(traces._provider.resource.attributes) for traces in (given, named)]
    assert [one["service.name"] for one in of] == ["p2pcamera-signaling", "camera"]
    assert {one["service.instance.id"] for one in of} == {"one"}
    assert {one["deployment.environment.name"] for one in of} == {"test"}
    given.close()
    named.close()


def test_a_collector_that_is_away_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Nothing listens on port 1.
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr("shared.traces.CLOSE_LIMIT_S", 0.05)
    traces = open_traces("signaling", "one")
    end(traces.begin("frame", 0), 1)
    traces.close()
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(
    ("module", "flag", "name"),
    [
        ("signaling_service", "--trace-every=30", "--trace-every / SIGNALING_TRACE_EVERY"),
        ("inference_service", "--traces", "--traces / INFERENCE_TRACES"),
    ],
)
def test_without_the_packages_a_service_says_so_in_one_line(module: str, flag: str, name: str) -> None:
    # The settings alone: the same that `python -m MODULE` reads first.
    script = (
        "import sys; sys.modules['opentelemetry.sdk'] = None; "
        f"from {module}.config import read_settings; read_settings(sys.argv[1:])"
    )
    done = subprocess.run([sys.executable, "-c", script, flag], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{name}: ")
    assert "pip install 'p2pcamera[traces]'" in line


def test_a_service_without_traces_imports_no_opentelemetry() -> None:
    script = (
        "import sys, signaling_service.service, signaling_service.config as config; "
        "config.read_settings([]); print([name for name in sys.modules if 'opentelemetry' in name])"
    )
    argv = [sys.executable, "-c", script]
    assert subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, check=True).stdout == "[]\n"
