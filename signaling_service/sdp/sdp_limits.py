"""What an offer's SDP may contain, looked at once, line by line, before anything parses it.

aiortc's parser compares each `a=ssrc` line with all sources so far and each `a=rtcp-fb` line with all codecs,
and aioice each candidate with all pairs: 40,000 lines held up every call of a process for 20 s. Within these
limits, several times what any browser sends, each of them is done in milliseconds.
"""

from __future__ import annotations

from collections import Counter

from signaling_service.errors import UnusableOffer

MAX_BYTES = 64 * 1024
MAX_SECTIONS = 16
MAX_CANDIDATES = 64
"""Of all sections together."""
MAX_FEEDBACK = 512
MAX_SAME = 128
"""Lines of any other kind in one section: Chromium describes 60 codecs, a source in up to four lines."""


def check_offer(sdp: str) -> None:
    """Raise UnusableOffer for one that is over a limit; takes linear time."""
    if len(sdp) > MAX_BYTES or len(sdp.encode(errors="replace")) > MAX_BYTES:
        raise UnusableOffer(f"the SDP is over {MAX_BYTES} bytes")
    sections = candidates = 0
    kinds: Counter[str] = Counter()
    for line in sdp.splitlines():
        if line.startswith("m="):
            sections += 1
            kinds.clear()
            _check("media sections", sections, MAX_SECTIONS)
            _check("formats in a section", len(line.split()), MAX_SAME)
            continue
        kind = line.partition(":")[0].rstrip()[:32]
        kinds[kind] += 1
        if kind == "a=candidate":
            candidates += 1
            _check("candidates", candidates, MAX_CANDIDATES)
        elif kind == "a=rtcp-fb":
            _check("lines a=rtcp-fb in a section", kinds[kind], MAX_FEEDBACK)
        else:
            _check(f"lines {kind!r} in a section", kinds[kind], MAX_SAME)


def _check(what: str, count: int, most: int) -> None:
    if count > most:
        raise UnusableOffer(f"the SDP has more than {most} {what}")
