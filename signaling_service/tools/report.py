"""What `status` tells of a service: figures as JSON, or as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from signaling_service.metrics import STAGES
from signaling_service.tools.samples import Change, Samples

Report = dict[str, Any]
HEAD_OF_WORKERS = ("worker", "device", "state", "busy", "batch", "in/s", "out/s", "drop/s", "err/s", "memory")
HEAD_OF_FILTERS = ("filter", "state", "workers", "remark")


def report(
    url: str, change: Change, filters: list[dict[str, Any]] | None, not_ready: str, no_filters: str
) -> Report:
    """Return everything as JSON has it.

    `not_ready`: why an offer would be refused now, or empty; `no_filters`: why `filters` is None.
    """
    now = change.now
    rate = change.rate
    means = {
        stage: round(mean_s * 1e3, 2)
        for stage in STAGES
        if (mean_s := change.mean("p2pcamera_stage_seconds", stage=stage)) is not None
    }
    refused = sum(
        rate("p2pcamera_offers_total", outcome=outcome)
        for outcome in now.labels("p2pcamera_offers_total", "outcome")
        if outcome != "answered"
    )
    return {
        "url": url,
        "ready": not not_ready,
        "not_ready": not_ready,
        "version": next(iter(now.labels("p2pcamera_build_info", "p2pcamera")), ""),
        "sessions": {
            "open": int(now.total("p2pcamera_sessions")),
            "connected": int(now.total("p2pcamera_sessions_connected")),
            "room": int(now.total("p2pcamera_room")),
        },
        "rates": {
            "frames_in": round(rate("p2pcamera_frames_received_total"), 1),
            "frames_out": round(rate("p2pcamera_frames_returned_total"), 1),
            "live_out": round(rate("p2pcamera_frames_returned_total", shows="live"), 1),
            "bits_in": round(8 * rate("p2pcamera_media_bytes_total", way="in")),
            "bits_out": round(8 * rate("p2pcamera_media_bytes_total", way="out")),
            "lost_in": _share(change, "in"),
            "lost_out": _share(change, "out"),
            "refused_per_minute": round(60 * refused, 1),
        },
        "stages_ms": means,
        "workers": [
            _worker(change, worker) for worker in sorted(now.labels("p2pcamera_worker_info", "worker"))
        ],
        "filters": filters,
        "no_filters": no_filters,
    }


def text(told: Report) -> str:
    """Return the same for a terminal; nothing in it moves the cursor or sets a colour."""
    sessions, rates = told["sessions"], told["rates"]
    state = "ready" if told["ready"] else f"not ready: {told['not_ready']}"
    lines = [
        f"{told['url']}  p2pcamera {told['version']}  {state}",
        "",
        f"calls     {sessions['connected']} connected, {sessions['open']} open, "
        f"room for {sessions['room']} more; {rates['refused_per_minute']:g} offers refused per minute",
        f"frames    {rates['frames_in']:g}/s from cameras, {rates['frames_out']:g}/s returned"
        f" ({rates['live_out']:g}/s filtered)",
        f"media     {rates['bits_in'] / 1e6:.2f} Mbit/s in ({rates['lost_in']:.1%} lost), "
        f"{rates['bits_out'] / 1e6:.2f} Mbit/s out ({rates['lost_out']:.1%} lost)",
    ]
    if told["stages_ms"]:
        stages = ", ".join(f"{stage} {took_ms:g}" for stage, took_ms in told["stages_ms"].items())
        lines.append(f"ms        {stages}")
    lines.append("")
    if told["workers"]:
        lines += _table(HEAD_OF_WORKERS, [_worker_cells(one) for one in told["workers"]])
    else:
        lines.append("no worker: start one, with --signaling set to this service's --results-bind")
    lines.append("")
    if told["filters"] is None:
        lines.append(f"filters: {told['no_filters']}")
    elif told["filters"]:
        lines += _table(HEAD_OF_FILTERS, [_filter_cells(one) for one in told["filters"]])
    return "\n".join(_printable(line) for line in lines) + "\n"


def _worker(change: Change, worker: str) -> dict[str, Any]:
    now: Samples = change.now

    def rate(name: str) -> float:
        return round(change.rate(f"p2pcamera_worker_{name}_total", worker=worker), 1)

    is_live = now.total("p2pcamera_worker_live", worker=worker) > 0
    is_draining = now.total("p2pcamera_worker_draining", worker=worker) > 0
    states = now.labels("p2pcamera_worker_loop_state", "state", worker=worker)
    state = next(
        (one for one in states if now.total("p2pcamera_worker_loop_state", worker=worker, state=one)), ""
    )
    return {
        "worker": worker,
        "device": next(iter(now.labels("p2pcamera_worker_info", "device", worker=worker)), ""),
        "version": next(iter(now.labels("p2pcamera_worker_info", "p2pcamera", worker=worker)), ""),
        "live": is_live,
        "state": "draining" if is_draining else state if is_live else "stuck",
        "busy": round(now.total("p2pcamera_worker_busy_ratio", worker=worker), 2),
        "batch": round(now.total("p2pcamera_worker_batch_frames", worker=worker), 1),
        "frames_in": rate("frames_received"),
        "frames_out": rate("frames_filtered"),
        "dropped": rate("frames_dropped"),
        "errors": rate("errors"),
        "memory_bytes": int(now.total("p2pcamera_filter_memory_bytes", worker=worker)),
    }


def _worker_cells(one: dict[str, Any]) -> list[str]:
    figures = [f"{one[name]:g}" for name in ("batch", "frames_in", "frames_out", "dropped", "errors")]
    memory = f"{one['memory_bytes'] / 2**20:.0f} MiB"
    return [one["worker"], one["device"], one["state"], f"{one['busy']:.0%}", *figures, memory]


def _filter_cells(one: dict[str, Any]) -> list[str]:
    remark = "; ".join(str(one[name]) for name in ("reason", "remedy") if one.get(name))
    return [str(one.get("name", "")), str(one.get("state", "")), str(one.get("workers", "")), remark]


def _share(change: Change, way: str) -> float:
    lost = change.rate("p2pcamera_media_packets_lost_total", way=way)
    sent = change.rate("p2pcamera_media_packets_total", way=way)
    # Packets that arrive are counted at once, and those that do not once the other side has said so.
    return round(min(1.0, lost / sent), 4) if sent > 0 else 0.0


def _table(head: Sequence[str], rows: list[list[str]]) -> list[str]:
    cells = [list(head), *rows]
    widths = [max(len(row[place]) for row in cells) for place in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _printable(line: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in line)
