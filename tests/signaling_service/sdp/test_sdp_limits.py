from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from aiortc import RTCPeerConnection, VideoStreamTrack
from aiortc.sdp import SessionDescription

from signaling_service.errors import UnusableOffer
from signaling_service.rtc import answering
from signaling_service.sdp import sdp_limits
from signaling_service.sdp.sdp_limits import check_offer
from tests.signaling_service.calling import running
from tests.signaling_service.making import WireWorker

CANDIDATE = "a=candidate:{0} 1 udp 1 192.0.2.1 {0} typ host\r\n"


@pytest.fixture
async def offer() -> str:
    """A real one."""
    connection = RTCPeerConnection()
    connection.addTrack(VideoStreamTrack())
    connection.createDataChannel("control")
    sdp = (await connection.createOffer()).sdp
    await connection.close()
    return sdp


def many(line: str, count: int) -> Callable[[str], str]:
    return lambda sdp: sdp + "".join(line.format(number) for number in range(1, count + 1))


async def test_a_browsers_offer_is_within_the_limits(offer: str) -> None:
    check_offer(offer)
    check_offer(many(CANDIDATE, 60)(offer))


@pytest.mark.parametrize(
    ("grow", "named"),
    [
        (many(CANDIDATE, 14_000), "bytes"),
        (many(CANDIDATE, 65), "64 candidates"),
        (many("a=ssrc:{0} cname:x\r\n", 40_000), "bytes"),
        (many("a=ssrc:{0} cname:x\r\n", 129), "a=ssrc"),
        (many("a=rtpmap:{0} VP8/90000\r\n", 129), "a=rtpmap"),
        (many("a=rtcp-fb:* nack{0}\r\n", 513), "a=rtcp-fb"),
        (many("a=fingerprint:sha-256 {0}\r\n", 129), "a=fingerprint"),
        (many("m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", 17), "media sections"),
        (many("x\r\n", 129), "in a section"),
        (lambda sdp: sdp + "m=video 9 UDP/TLS/RTP/SAVPF" + " 96" * 200, "formats"),
        (lambda sdp: sdp + "é" * 40_000, "bytes"),
    ],
)
async def test_what_is_over_a_limit_is_refused_by_its_name(
    offer: str, grow: Callable[[str], str], named: str
) -> None:
    with pytest.raises(UnusableOffer, match=named):
        check_offer(grow(offer))


@pytest.mark.parametrize("way", ["/offer", "/whip"])
async def test_nothing_of_an_offer_over_a_limit_is_parsed(
    offer: str, results: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(results) as service:
        with WireWorker(results):
            await service.has_worker()
            parsed: list[str] = []
            monkeypatch.setattr(answering, "read_offer", lambda sdp, *_: parsed.append(sdp))
            sdp = many(CANDIDATE, 65)(offer)
            if way == "/whip":
                headers = {"content-type": "application/sdp"}
                answer = await service.http.post(way, content=sdp, headers=headers)
            else:
                answer = await service.http.post(way, json={"type": "offer", "sdp": sdp})
            assert (answer.status_code, parsed) == (422, [])
            assert "64 candidates" in answer.json()["error"]["message"]
            await service.is_free()


async def test_the_most_that_passes_is_parsed_at_once(offer: str) -> None:
    sections = []
    for number in range(13):
        section = f"m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:x{number}\r\na=setup:actpass\r\n"
        section += "".join(f"a=rtpmap:{n} V{n}/90000\r\n" for n in range(96, 127))
        section += "a=rtcp-fb:* nack\r\n" * 60
        section += "".join(f"a=ssrc:{n} cname:x\r\n" for n in range(1, 100))
        sections.append(section)
    large = offer + "".join(sections)
    assert len(large) > sdp_limits.MAX_BYTES // 2
    check_offer(large)
    began_s = time.process_time()
    assert len(SessionDescription.parse(large).media) == 15
    assert time.process_time() - began_s < 1.0
