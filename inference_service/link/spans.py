"""The spans of frames that a signaling service traces, below the span that the frame names.

    worker      from the frame's arrival to its result
      wait      until its batch began
      batch     until its batch ended; how long each stage took is told beside it

The stages of a batch overlap, and a GPU times them by its own clock. So they are attributes and not spans.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from inference_service.engine.mailbox import Received
from shared.traces import Traces, end


class Spans:
    """Of one worker; `add` is called by the thread that finishes batches."""

    def __init__(self, traces: Traces) -> None:
        self._traces = traces

    def add(self, frame: Received, began_ns: int, ended_ns: int, stages_ms: Mapping[str, float]) -> None:
        """Make the spans of a frame whose result has been handed on.

        `began_ns` and `ended_ns`: its batch, on this process's monotonic clock. `stages_ms`: of that batch.
        """
        header = frame.header
        told = {"p2pcamera.session": header.session.hex(), "p2pcamera.filters": ",".join(header.filters)}
        span = self._traces.begin("worker", frame.arrived_ns, parent=header.trace, told=told)
        # A frame that comes while the batch is put together may be a part of it.
        began_ns = max(began_ns, frame.arrived_ns)
        self._traces.add("wait", frame.arrived_ns, began_ns, parent=span)
        stages = {f"p2pcamera.{stage}_ms": took_ms for stage, took_ms in stages_ms.items()}
        self._traces.add("batch", began_ns, ended_ns, parent=span, told=stages)
        end(span, time.monotonic_ns())
