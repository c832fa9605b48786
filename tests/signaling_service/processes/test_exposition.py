from __future__ import annotations

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from signaling_service.metrics import Metrics
from signaling_service.processes.exposition import merged
from signaling_service.workers.collector import WorkerCollector
from signaling_service.workers.table import Workers
from tests.signaling_service.making import served, status


def samples(text: bytes) -> dict[tuple[str, str], float]:
    """Name and process -> value, where a sample has no other label."""
    return {
        (sample.name, sample.labels["process"]): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if len(sample.labels) == 1
    }


def test_each_sample_says_whose_it_is() -> None:
    texts = []
    for count in (2, 3):
        metrics = Metrics()
        metrics.sessions.set(count)
        metrics.frames_received.inc(10 * count)
        metrics.latency.observe(0.04)
        texts.append(generate_latest(metrics.registry))
    found = samples(merged(b"", texts))
    assert found["p2pcamera_sessions", "0"] == 2
    assert found["p2pcamera_sessions", "1"] == 3
    assert found["p2pcamera_frames_received_total", "1"] == 30
    assert found["p2pcamera_result_latency_seconds_count", "0"] == 1


def test_workers_are_counted_once() -> None:
    front, process = Metrics(), Metrics()
    front.workers.set(4)
    process.workers.set(4)
    process_text = generate_latest(process.registry)
    found = samples(merged(generate_latest(front.registry), [process_text, b"", process_text]))
    assert {key: value for key, value in found.items() if key[0] == "p2pcamera_workers"} == {
        ("p2pcamera_workers", "front"): 4
    }
    assert {process for name, process in found if name == "p2pcamera_sessions"} == {"0", "2"}


def test_a_family_is_described_once() -> None:
    text = generate_latest(Metrics().registry)
    assert merged(text, [text, text]).decode().count("# TYPE p2pcamera_sessions gauge") == 1


def test_what_is_told_of_workers_is_the_front_s() -> None:
    front = Metrics()
    workers = Workers(front)
    workers.update(status("w1", (served("ink", memory_bytes=7),)))
    front.registry.register(WorkerCollector(workers))
    text = merged(generate_latest(front.registry), [generate_latest(Metrics().registry)]).decode()
    assert 'p2pcamera_filter_memory_bytes{filter="ink",process="front",worker="w1"} 7.0' in text
    assert 'p2pcamera_worker_live{process="front",worker="w1"} 1.0' in text
