"""Writes the Grafana dashboard: `python deploy/metrics/dashboard.py`.

The stages and their colours are those of the demo page; docs/metrics.md explains every metric.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("grafana") / "dashboards" / "p2pcamera.json"
SOURCE = {"type": "prometheus", "uid": "${source}"}
OF = 'job="$job", instance=~"$instance"'
COLUMNS = 24
HEIGHT = 8

Query = tuple[str, str]
"""An expression of Prometheus, and the legend of what it gives."""


def mean_s(metric: str, labels: str = "") -> str:
    """Return the expression of a histogram's mean over the last minute."""
    chosen = "{" + OF + labels + "}"
    return " / ".join(f"sum(rate({metric}_{part}{chosen}[$__rate_interval]))" for part in ("sum", "count"))


def stage_s(*stages: str) -> str:
    return " + ".join(mean_s("p2pcamera_stage_seconds", f', stage="{stage}"') for stage in stages)


def rate(metric: str, by: str = "", labels: str = "") -> str:
    grouped = f"sum by ({by}) " if by else "sum "
    return f"{grouped}(rate({metric}{{{OF}{labels}}}[$__rate_interval]))"


def quantile(rank: float, metric: str, by: str = "") -> str:
    grouped = f"le, {by}" if by else "le"
    return f"histogram_quantile({rank}, {rate(f'{metric}_bucket', grouped)})"


def total(metric: str, by: str = "") -> str:
    return f"sum by ({by}) ({metric}{{{OF}}})" if by else f"sum({metric}{{{OF}}})"


NETWORK = f"({mean_s('p2pcamera_round_trip_seconds')}) / 2"
WAY: list[tuple[str, str, str]] = [
    ("network up", NETWORK, "#b19a5c"),
    ("decode", stage_s("decode"), "#7a55b8"),
    ("wait", stage_s("transport", "wait"), "#8b93a1"),
    ("filter", stage_s("batch"), "#c4401f"),
    ("encode", stage_s("encode"), "#a93f86"),
    ("network down", NETWORK, "#8a7540"),
]
"""Of a frame: stage, expression, colour. The camera and the display are seen by the browser alone."""


def panel(kind: str, title: str, queries: list[Query], unit: str, width: int, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": kind,
        "title": title,
        "datasource": SOURCE,
        "gridPos": {"w": width, "h": more.pop("height", HEIGHT)},
        "fieldConfig": {
            "defaults": {"unit": unit, "min": 0, **more.pop("defaults", {})},
            "overrides": more.pop("overrides", []),
        },
        "targets": [
            {
                "datasource": SOURCE,
                "refId": chr(ord("A") + place),
                "expr": expr,
                "legendFormat": legend,
                "instant": kind in ("stat", "barchart", "bargauge"),
                "range": kind not in ("stat", "barchart", "bargauge"),
            }
            for place, (expr, legend) in enumerate(queries)
        ],
    }
    return made | more


def graph(
    title: str, queries: list[Query], unit: str = "short", width: int = 8, **more: Any
) -> dict[str, Any]:
    return panel("timeseries", title, queries, unit, width, **more)


def stat(title: str, expr: str, unit: str = "short") -> dict[str, Any]:
    return panel("stat", title, [(expr, title)], unit, 4, height=4)


def way() -> list[dict[str, Any]]:
    queries = [(expr, name) for name, expr, _ in WAY]
    colours = [
        {
            "matcher": {"id": "byName", "options": name},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        }
        for name, _, colour in WAY
    ]
    stacked = {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 70, "lineWidth": 1}
    return [
        panel(
            "bargauge",
            "The way of a frame now, by stage (mean)",
            queries,
            "s",
            8,
            overrides=colours,
            options={"orientation": "horizontal", "displayMode": "basic", "valueMode": "color"},
        ),
        graph(
            "The way of a frame, stage upon stage (mean)",
            queries,
            "s",
            16,
            overrides=colours,
            defaults={"custom": stacked},
            description="Camera and display are not in it: only the browser sees them.",
        ),
    ]


def panels() -> list[dict[str, Any]]:
    refused = 'outcome!="answered"'
    return [
        stat("Calls", total("p2pcamera_sessions_connected")),
        stat("Room for further calls", total("p2pcamera_room")),
        stat("Live workers", total("p2pcamera_workers")),
        stat(
            "Offers refused per minute",
            f"60 * ({rate('p2pcamera_offers_total', '', f', {refused}')} or vector(0))",
        ),
        stat("Result latency, p95", quantile(0.95, "p2pcamera_result_latency_seconds"), "s"),
        stat("Frames returned per second", rate("p2pcamera_frames_returned_total"), "short"),
        *way(),
        graph("Calls by encoder", [(total("p2pcamera_encoders", "encoder"), "{{encoder}}")]),
        graph("Offers by outcome", [(rate("p2pcamera_offers_total", "outcome"), "{{outcome}}")], "ops"),
        graph(
            "Ends of calls by reason, and reconnects",
            [
                (rate("p2pcamera_sessions_ended_total", "reason"), "{{reason}}"),
                (rate("p2pcamera_reconnects_total"), "taken up again"),
            ],
            "ops",
        ),
        graph(
            "Bitrate of all calls", [(f"8 * {rate('p2pcamera_media_bytes_total', 'way')}", "{{way}}")], "bps"
        ),
        graph(
            "Packets lost",
            [
                (
                    f"{rate('p2pcamera_media_packets_lost_total', 'way')} / "
                    f"{rate('p2pcamera_media_packets_total', 'way')}",
                    "{{way}}",
                )
            ],
            "percentunit",
        ),
        graph(
            "Round trip to the page",
            [
                (quantile(rank, "p2pcamera_round_trip_seconds"), name)
                for rank, name in ((0.5, "p50"), (0.95, "p95"))
            ],
            "s",
        ),
        graph(
            "Frames per second",
            [
                (rate("p2pcamera_frames_received_total"), "from cameras"),
                (rate("p2pcamera_frames_sent_total"), "to workers"),
                (rate("p2pcamera_frames_without_worker_total"), "without a worker"),
            ],
        ),
        graph(
            "Frames returned, by what they show",
            [(rate("p2pcamera_frames_returned_total", "shows"), "{{shows}}")],
        ),
        graph(
            "Results not shown, and errors",
            [
                (rate("p2pcamera_results_dropped_total", "reason"), "{{reason}}"),
                (rate("p2pcamera_results_failed_total", "code"), "error {{code}}"),
                (rate("p2pcamera_wire_errors_total", "reason"), "message {{reason}}"),
            ],
        ),
        graph(
            "Latency of results",
            [
                (quantile(rank, "p2pcamera_result_latency_seconds"), name)
                for rank, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
            ],
            "s",
        ),
        graph(
            "Stages of a frame, p95", [(quantile(0.95, "p2pcamera_stage_seconds", "stage"), "{{stage}}")], "s"
        ),
        graph(
            "Cores in use, and the event loop",
            [
                (total("p2pcamera_cores_busy", "instance, process"), "cores {{instance}} {{process}}"),
                (
                    f"max by (instance, process) (p2pcamera_event_loop_late_seconds{{{OF}}})",
                    "late (s) {{instance}} {{process}}",
                ),
            ],
        ),
        graph(
            "Streams and viewers",
            [(total("p2pcamera_streams"), "streams"), (total("p2pcamera_viewers"), "viewers")],
        ),
        graph("Workers: busy", [(f"p2pcamera_worker_busy_ratio{{{OF}}}", "{{worker}}")], "percentunit"),
        graph("Workers: frames in a batch", [(f"p2pcamera_worker_batch_frames{{{OF}}}", "{{worker}}")]),
        graph(
            "Workers: frames per second",
            [
                (rate("p2pcamera_worker_frames_received_total", "worker"), "in {{worker}}"),
                (rate("p2pcamera_worker_frames_filtered_total", "worker"), "out {{worker}}"),
            ],
        ),
        graph(
            "Workers: frames dropped, and errors",
            [
                (rate("p2pcamera_worker_frames_dropped_total", "worker, reason"), "{{reason}} {{worker}}"),
                (rate("p2pcamera_worker_errors_total", "worker, code"), "error {{code}} {{worker}}"),
            ],
        ),
        graph(
            "Workers: stages of a batch, p95",
            [(quantile(0.95, "p2pcamera_worker_stage_seconds", "stage"), "{{stage}}")],
            "s",
        ),
        graph(
            "Workers: memory of loaded filters",
            [(total("p2pcamera_filter_memory_bytes", "worker, filter"), "{{filter}} {{worker}}")],
            "bytes",
        ),
        graph(
            "Workers: filters by state",
            [
                (
                    f"count by (worker, state) (p2pcamera_worker_filter_state{{{OF}}})",
                    "{{state}} {{worker}}",
                )
            ],
        ),
        graph(
            "Workers: frames go there, or it drains",
            [
                (f"p2pcamera_worker_live{{{OF}}}", "live {{worker}}"),
                (f"p2pcamera_worker_draining{{{OF}}}", "draining {{worker}}"),
            ],
        ),
        panel(
            "table",
            "Versions",
            [(f"p2pcamera_worker_info{{{OF}}}", ""), (f"p2pcamera_build_info{{{OF}}}", "")],
            "short",
            8,
            transformations=[{"id": "labelsToFields", "options": {}}, {"id": "merge", "options": {}}],
        ),
    ]


def placed(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each panel its id and its place: rows from left to right, each as high as its highest."""
    x = y = row_height = 0
    for number, one in enumerate(made, 1):
        place = one["gridPos"]
        if x + place["w"] > COLUMNS:
            x, y, row_height = 0, y + row_height, 0
        one["id"] = number
        place |= {"x": x, "y": y}
        x += place["w"]
        row_height = max(row_height, place["h"])
    return made


def variable(name: str, query: str, *, is_many: bool) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "includeAll": is_many,
        "multi": is_many,
        **({"current": {"text": "All", "value": "$__all"}} if is_many else {}),
    }


def dashboard() -> dict[str, Any]:
    return {
        "uid": "p2pcamera",
        "title": "p2pcamera",
        "tags": ["p2pcamera"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "templating": {
            "list": [
                {"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
                variable("job", "label_values(p2pcamera_build_info, job)", is_many=False),
                variable(
                    "instance", 'label_values(p2pcamera_build_info{job="$job"}, instance)', is_many=True
                ),
            ]
        },
        "panels": placed(panels()),
    }


def text() -> str:
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
