"""The data channel: `ping`, changes of the filter without renegotiation, statistics.

Statistics are pushed once a second, and at once when the picture becomes another one: the first of a filter,
the card, the raw camera.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from aiortc.rtcdatachannel import RTCDataChannel

from signaling_service.errors import MalformedRequest, SignalingError, TakenOver
from signaling_service.session.requests import Change, FilterMessage, parsed
from signaling_service.session.statistics import Statistics
from signaling_service.session.wish import Wish
from signaling_service.streams.publication import Publication
from signaling_service.strict_json import read_json

LABEL = "control"
STATS_EVERY_S = 1.0
TELL_EVERY_S = 1.0
MAX_MESSAGE_CHARS = 64 * 1024
_TOO_LONG = f"a message may have at most {MAX_MESSAGE_CHARS} characters"
MAX_WAITING = 16
MAX_BUFFERED_BYTES = 256 * 1024
LEAVES_IN_S = 0.2
"""A message has left after this time."""


class Control:
    """Everything that is said over a session's data channels."""

    def __init__(
        self,
        session: str,
        wish: Wish,
        statistics: Statistics,
        publication: Publication,
        change: Callable[[Change], Awaitable[int | None]],
    ) -> None:
        """`change` makes a change of the session, and returns and raises what Changes.make does."""
        self._session = session
        self._wish = wish
        self._statistics = statistics
        self._publication = publication
        self._change = change
        self._channel: RTCDataChannel | None = None
        self._waiting: asyncio.Queue[str] = asyncio.Queue(MAX_WAITING)
        self._told_error_s: dict[str, float] = {}
        self._is_attached = asyncio.Event()
        self._is_other_picture = asyncio.Event()
        self._drains_until_s: float | None = None

    def attach(self, channel: RTCDataChannel) -> None:
        """Take a channel that the page has opened; `ping` is answered on any, the rest on `control`."""
        if channel.label == LABEL:
            self._channel = channel
            self._is_attached.set()

        def on_message(message: str | bytes) -> None:
            if isinstance(message, str):
                self._on_text(channel, message)

        channel.on("message", on_message)

    async def run(self) -> None:
        """Answer changes one after the other, and push statistics."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._answer_changes())
            group.create_task(self._push_stats())

    async def tell_end(self, error: SignalingError, limit_s: float) -> None:
        """Say why the session is about to end; waits for the page's channel, which opens after the media."""
        await self._attached(limit_s)
        self._say_error(error)
        # The connection closes next, and would take along what aiortc has not handed to the network yet.
        await asyncio.sleep(LEAVES_IN_S)

    def tell_error(self, code: str, text: str, field: str = "") -> None:
        """Pass a worker's error on, each code at most once a second; with what is in the filter's way."""
        now_s = time.monotonic()
        if now_s - self._told_error_s.get(code, 0.0) >= TELL_EVERY_S:
            if len(self._told_error_s) > MAX_WAITING:
                self._told_error_s.clear()
            self._told_error_s[code] = now_s
            self._say(_worker_error(code, text, field, self._wish.trouble))

    def tell_refused(self, code: str, text: str, field: str, *, is_left: bool) -> None:
        """Say which parameter a worker has refused, and what the session has gone back to, if it has."""
        if is_left:
            self._say({**_worker_error(code, text, field), **self._choice()})
        else:
            self.tell_error(code, text, field)

    async def tell_taken_over(self, limit_s: float) -> None:
        """Say that another session publishes under the name of this one, which goes on without viewers."""
        await self._attached(limit_s)
        self._say({"type": "error", "of": "publication", "error": TakenOver().as_json()})

    def tell_progress(self, name: str, text: str, fraction: float) -> None:
        """Say how far a worker is with loading a filter, and what it does just now."""
        self._say({"type": "progress", "filter": name, "text": text, "fraction": round(fraction, 3)})

    def tell_showing(self) -> None:
        """Say at once what the returned picture is now."""
        self._is_other_picture.set()

    def tell_draining(self, until_s: float) -> None:
        """Say at once, and with all statistics from now on, that the page should move; monotonic clock."""
        self._drains_until_s = until_s
        self._is_other_picture.set()

    def _on_text(self, channel: RTCDataChannel, text: str) -> None:
        if text.startswith("ping"):
            if len(text) > MAX_MESSAGE_CHARS:
                self._say_error(MalformedRequest(_TOO_LONG))
            elif _takes_more(channel):
                channel.send("pong" + text[4:])
        elif channel is self._channel:
            try:
                self._waiting.put_nowait(text)
            except asyncio.QueueFull:
                self._say_error(MalformedRequest("too many changes at a time; this one was not taken"))

    async def _answer_changes(self) -> None:
        while True:
            text = await self._waiting.get()
            try:
                first_rtp_timestamp = await self._change(_parse(text))
            except SignalingError as exc:
                self._say_error(exc)
            else:
                said = {"type": "filter", "ok": True, **self._choice()}
                self._say({**said, "first_rtp_timestamp": first_rtp_timestamp})

    def _choice(self) -> dict[str, Any]:
        wish = self._wish
        return {
            "filter": list(wish.choice.filters),
            "params": wish.choice.params,
            "outage": wish.outage.value,
            "private": wish.is_private,
            "generation": wish.choice.generation,
            **({"publish": name} if (name := self._publication.name) else {}),
        }

    async def _push_stats(self) -> None:
        wish = self._wish
        figures: dict[str, Any] = {}
        due_s = time.monotonic() + STATS_EVERY_S
        while True:
            await self._until(due_s, self._is_other_picture if figures else None)
            self._is_other_picture.clear()
            if time.monotonic() >= due_s:
                due_s = time.monotonic() + STATS_EVERY_S
                figures = self._statistics.take()
                if self._channel is not None:
                    self._statistics.remarks.ask()
            # Between two seconds with the figures of the last one: those of a moment would say nothing.
            self._say(
                {
                    "type": "stats",
                    "session": self._session,
                    "filters": list(wish.choice.filters),
                    "generation": wish.choice.generation,
                    "outage": wish.outage.value,
                    "private": wish.is_private,
                    "trouble": wish.trouble,
                    **self._audience(),
                    **self._draining(),
                    **figures,
                    "state": self._statistics.state,
                }
            )

    def _audience(self) -> dict[str, Any]:
        publication = self._publication
        return {"publish": publication.name, "viewers": publication.viewers} if publication.name else {}

    def _draining(self) -> dict[str, Any]:
        if self._drains_until_s is None:
            return {}
        return {"draining_s": round(max(0.0, self._drains_until_s - time.monotonic()), 1)}

    async def _until(self, due_s: float, event: asyncio.Event | None) -> None:
        left_s = max(0.0, due_s - time.monotonic())
        if event is None:
            await asyncio.sleep(left_s)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(left_s):
                await event.wait()

    async def _attached(self, limit_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._is_attached.wait()

    def _say_error(self, error: SignalingError) -> None:
        self._say({"type": "error", "error": error.as_json()})

    def _say(self, message: dict[str, Any]) -> None:
        channel = self._channel
        if channel is None or not _takes_more(channel):
            return
        text = json.dumps(message)
        if len(text) > MAX_MESSAGE_CHARS:
            # Chromium takes 256 KiB; a page that has sent so much by HTTP knows what it was.
            text = json.dumps({name: value for name, value in message.items() if name != "params"})
        channel.send(text)


def _worker_error(code: str, text: str, field: str, trouble: dict[str, str] | None = None) -> dict[str, Any]:
    more = {"field": field, "trouble": trouble}
    error = {"code": code, "message": text} | {name: value for name, value in more.items() if value}
    # `of` tells it from the answer to a change that was refused.
    return {"type": "error", "of": "worker", "error": error}


def _takes_more(channel: RTCDataChannel) -> bool:
    # A channel is "open" for a while after its connection has gone; what is sent then fails in aiortc's task.
    is_connected = channel.transport.transport.state == "connected"
    return is_connected and channel.readyState == "open" and channel.bufferedAmount < MAX_BUFFERED_BYTES


def _parse(text: str) -> Change:
    if len(text) > MAX_MESSAGE_CHARS:
        raise MalformedRequest(_TOO_LONG)
    try:
        values = read_json(text)
    except (ValueError, RecursionError) as exc:
        raise MalformedRequest("expected JSON, or a text that starts with ping") from exc
    message = parsed(FilterMessage, values)
    wanted = message.model_dump(include={"params", "outage", "publish"}, exclude_none=True)
    if message.name is None and not wanted:
        raise MalformedRequest("expected name, params, outage or publish")
    return Change(filter=message.name, publisher=message.publisher, **wanted)
