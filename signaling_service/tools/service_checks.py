"""A running service: whether calls would be taken, and what its workers are like."""

from __future__ import annotations

from collections.abc import Iterator

from signaling_service.tools import samples
from signaling_service.tools.asking import Asking, NoAnswer, Refused
from signaling_service.tools.finding import Finding, bad, ok, warn
from signaling_service.tools.samples import Samples

LATE_S = 0.05
GIVE_KEY = "give the service's key: SIGNALING_API_KEY, or --api-key-file FILE"


def ask(asking: Asking) -> Samples | None:
    """Return what the service at this address says of itself; None where none answers."""
    try:
        return samples.read(asking.text("/metrics"))
    except NoAnswer:
        return None


def running(asking: Asking, now: Samples) -> Iterator[Finding]:
    """Look at a service that has answered."""
    try:
        asking.text("/readyz")
        room = int(now.total("p2pcamera_room"))
        yield ok("service", f"takes calls, and has room for {room} more")
    except Refused as exc:
        remedies = {
            "no_worker": "start a worker, or look at the log of those that should be there",
            "full": "add cores and --processes, or another host",
        }
        yield bad("service", f"takes no call now: {exc.message}", remedies.get(exc.code, "look at its log"))
    except NoAnswer as exc:
        yield bad("service", str(exc), "look at its log")
    late_s = max((value for _, value in now.values.get("p2pcamera_event_loop_late_seconds", ())), default=0.0)
    if late_s > LATE_S:
        yield warn("event loop", f"wakes up {late_s * 1e3:.0f} ms late", "fewer calls, or more cores")
    yield from _workers(now)
    yield from _filters(asking)


def _workers(now: Samples) -> Iterator[Finding]:
    for worker in now.labels("p2pcamera_worker_info", "worker"):
        device = next(iter(now.labels("p2pcamera_worker_info", "device", worker=worker)), "")
        name = f"{worker} on {device}"
        if now.total("p2pcamera_worker_live", worker=worker) > 0:
            yield ok("worker", name)
        elif now.total("p2pcamera_worker_draining", worker=worker) > 0:
            yield warn("worker", f"{name} drains")
        else:
            yield bad("worker", f"{name} gets no frames, since it hangs", "look at its log")
    versions = now.labels("p2pcamera_worker_info", "p2pcamera") + now.labels(
        "p2pcamera_build_info", "p2pcamera"
    )
    if len(set(versions)) > 1:
        told = ", ".join(sorted(set(versions)))
        yield warn("versions", f"service and workers are of different versions: {told}", "end the upgrade")


def _filters(asking: Asking) -> Iterator[Finding]:
    try:
        found = asking.json("/filters").get("filters")
    except Refused as exc:
        yield warn(
            "filters", exc.message, "give the service's key: SIGNALING_API_KEY, or --api-key-file FILE"
        )
        return
    except NoAnswer as exc:
        yield bad("filters", str(exc), "look at the service's log")
        return
    filters = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    usable = [one for one in filters if one.get("state") != "failed"]
    if filters:
        yield ok("filters", f"{len(usable)} of {len(filters)} can be chosen")
    for one in filters:
        if one.get("state") == "failed":
            yield warn("filters", f"{one.get('name')} {one.get('reason')}", str(one.get("remedy", "")))
    if later := [str(one.get("name")) for one in usable if one.get("has_weights") is False]:
        yield warn(
            "weights",
            f"not there yet: {', '.join(later)}",
            f"on the worker's host: python -m inference_service download {' '.join(later)}",
        )
