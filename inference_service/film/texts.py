"""Text subtitles, written in the form that another container takes: plain, without colours and places."""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Sequence
from typing import Any

import av
from av.container import OutputContainer

from inference_service.film.remarks import Remarks

READ = frozenset({"mov_text", "subrip", "webvtt", "ass"})
WRITTEN = ("mov_text", "subrip", "webvtt")
"""The first that the container takes."""
ASS_FIELDS = 8
"""Before the text of a line of SubStation Alpha, as Matroska has it."""
_LENGTH = struct.Struct(">H")


def form_for(stream: Any, takes: Collection[str]) -> str | None:
    """Return the form in which a stream of subtitles can be written; None where there is none."""
    if stream.type != "subtitle" or stream.codec_context.codec.canonical_name not in READ:
        return None
    return next((one for one in WRITTEN if one in takes), None)


def read(form: str, data: bytes) -> str:
    """Return the text of a packet; empty where nothing is to be shown."""
    if form == "mov_text":
        # 3GPP TS 26.245: the length, the text, and how it looks.
        length = _LENGTH.unpack_from(data)[0] if len(data) >= _LENGTH.size else 0
        data = data[_LENGTH.size : _LENGTH.size + length]
    text = data.decode("utf-8", "replace").strip("\0")
    if form == "ass":
        text = text.split(",", ASS_FIELDS)[-1].replace(r"\N", "\n").replace(r"\n", "\n").replace(r"\h", " ")
    return re.sub(r"\{\\[^}]*\}|</?[a-zA-Z][^>]*>", "", text).strip()


def write(form: str, text: str) -> bytes:
    """Return the packet of a text."""
    data = text.encode()
    if form != "mov_text":
        return data
    while len(data) > 0xFFFF:
        text = text[: len(text) // 2]
        data = text.encode()
    return _LENGTH.pack(len(data)) + data


class Texts:
    """One stream of subtitles, on its way into another form."""

    def __init__(self, writing: OutputContainer, stream: Any, form: str) -> None:
        self._read = stream.codec_context.codec.canonical_name
        self._written = form
        self._stream: Any = writing.add_mux_stream(form)
        self._stream.metadata.update(stream.metadata)
        self._stream.disposition = stream.disposition
        self._last_pts = -1

    def packets(self, packet: av.Packet[Any], remarks: Remarks) -> Sequence[av.Packet[Any]]:
        text = read(self._read, bytes(packet)) if packet.size and packet.pts is not None else ""
        if not text:
            return ()
        unit = self._stream.time_base
        made: av.Packet[Any] = av.Packet(write(self._written, text))
        made.stream, made.time_base = self._stream, unit
        made.pts = made.dts = max(round((packet.pts or 0) * packet.time_base / unit), self._last_pts + 1)
        made.duration = round((packet.duration or 0) * packet.time_base / unit)
        made.is_keyframe = True
        self._last_pts = made.pts
        return (made,)

    def rest(self) -> Sequence[av.Packet[Any]]:
        return ()
