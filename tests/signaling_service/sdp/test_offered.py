from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from aiortc.sdp import SessionDescription

from signaling_service.errors import UnusableOffer
from signaling_service.sdp.offered import Offered, read_offer
from signaling_service.sdp.written_offer import PLAYOUT_DELAY_URI
from signaling_service.setting_types import VIDEO_CODECS
from tests.signaling_service.calling import Camera, Running, page, running, until
from tests.signaling_service.making import WireWorker

TRANSPORT = f"""a=ice-ufrag:abcd
a=ice-pwd:0123456789abcdef01234567
a=fingerprint:sha-256 {":".join(["AB"] * 32)}
a=setup:actpass
"""
VIDEO = f"""m=video 9 UDP/TLS/RTP/SAVPF 96
c=IN IP4 0.0.0.0
{TRANSPORT}a=mid:0
a=sendrecv
a=rtcp-mux
a=rtpmap:96 H264/90000
a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
"""
AUDIO = f"""m=audio 9 UDP/TLS/RTP/SAVPF 111
{TRANSPORT}a=mid:1
a=sendrecv
a=rtcp-mux
a=rtpmap:111 opus/48000/2
"""
DATA = f"""m=application 9 UDP/DTLS/SCTP webrtc-datachannel
{TRANSPORT}a=mid:2
a=sctp-port:5000
"""
HEAD = "v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\n"


def offer(*sections: str, head: str = "") -> str:
    return (HEAD + head + "".join(sections)).replace("\n", "\r\n")


def video(old: str, new: str) -> str:
    assert old in VIDEO
    return offer(VIDEO.replace(old, new))


def fmtp(text: str) -> str:
    return offer(re.sub(r"(?<=a=fmtp:96 ).*", text, VIDEO))


def read(sdp: str) -> Offered:
    offered = read_offer(sdp, VIDEO_CODECS)
    SessionDescription.parse(offered.text)
    return offered


VP8 = VIDEO.replace("H264/90000", "VP8/90000")
NO_FMTP = "a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\n"
TAKEN = {
    "as browsers write it": offer(VIDEO, AUDIO, DATA, head="a=group:BUNDLE 0 1 2\n"),
    "spaces in fmtp": fmtp("level-asymmetry-allowed=1; packetization-mode=1; profile-level-id=42e01f"),
    "an end and capitals in fmtp": fmtp("Packetization-Mode=1 ; Profile-Level-Id=42E01F;"),
    "direction missing": video("a=sendrecv\n", ""),
    "direction at session level": offer(VIDEO.replace("a=sendrecv\n", ""), head="a=sendrecv\n"),
    "attributes behind extmap": offer(VIDEO + "a=extmap:3 urn:ietf:params:rtp-hdrext:toffset 2 x=1\n"),
    "an extmap's number of another range": offer(VIDEO + "a=extmap:4097 urn:example\na=extmap:\n"),
    "fmtp without rtpmap": offer(VIDEO + "a=fmtp:107 a=1\na=fmtp:96\na=rtcp-fb:107 nack\na=rtcp-fb:96\n"),
    "packetization mode absent": fmtp("profile-level-id=42e01f"),
    "packetization mode 0": fmtp("packetization-mode=0;profile-level-id=42e01f"),
    "H264 without fmtp": video(NO_FMTP, ""),
    **{
        f"profile {profile}": fmtp(f"packetization-mode=1;profile-level-id={profile}")
        for profile in ("4d001f", "64001f", "640c1f", "640829", "42c01e", "4d4020", "42f03e")
    },
    "static audio types": offer(
        VIDEO, AUDIO.replace(" 111", " 0 8 13").replace("a=rtpmap:111 opus/48000/2\n", "")
    ),
    "audio that nobody knows": offer(AUDIO.replace("opus/48000/2", "telephone-event/8000"), VIDEO, DATA),
    "a section that is closed": offer(VIDEO, AUDIO.replace(" 9 ", " 0 ")),
    "a section of text": offer(VIDEO, "m=text 9 RTP/AVP 98\n", "m=image 9 udptl t38\n"),
    "a camera behind another video": offer(
        VIDEO.replace("mid:0", "mid:3").replace("sendrecv", "recvonly"), VIDEO
    ),
    "a camera behind a codec that nobody knows": offer(
        VIDEO.replace("H264", "VP9").replace("mid:0", "mid:3"), VIDEO
    ),
    "transport at session level": offer(VIDEO.replace(TRANSPORT, ""), head=TRANSPORT),
    "transport of the bundle": offer(
        VIDEO, DATA.replace(TRANSPORT, "a=bundle-only\n").replace(" 9 ", " 0 "), head="a=group:BUNDLE 0 2\n"
    ),
    "no names": offer(VIDEO.replace("a=mid:0\n", ""), DATA.replace("a=mid:2\n", "")),
    "no role": video("a=setup:actpass\n", ""),
    "no port of SCTP": offer(VIDEO, DATA.replace("a=sctp-port:5000\n", "")),
    "a port of SCTP that is none": offer(VIDEO, DATA.replace("5000", "5%00")),
    "a port of SCTP beyond all": offer(VIDEO, DATA.replace("5000", "65536")),
    "messages of no size": offer(VIDEO, DATA + "a=max-message-size:much\n"),
    "messages of endless size": offer(VIDEO, DATA + f"a=max-message-size:{'9' * 5000}\n"),
    "a map of SCTP that is none": offer(VIDEO, DATA + "a=sctpmap:5000\na=sctpmap:x webrtc-datachannel 5\n"),
    "a source without a value": offer(VIDEO + "a=ssrc:5 previous\na=ssrc:6\na=ssrc-group:FID x\n"),
    "a profile of before": video("UDP/TLS/RTP/SAVPF", "RTP/SAVPF"),
    "a payload type below 64": offer(VP8.replace("96", "45")),
    "spaces at the ends": offer(VIDEO).replace("\r\n", " \r\n"),
    "a reserved payload type": offer(VIDEO.replace("SAVPF 96", "SAVPF 72 96 300 x")),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_what_the_rules_allow_is_read(name: str) -> None:
    offered = read(TAKEN[name])
    seen = SessionDescription.parse(offered.text)
    assert len(seen.media) + len(offered.refused) == TAKEN[name].count("\nm=")
    camera = next(media for media in seen.media if media.kind == "video")
    assert camera.direction == "sendrecv"
    assert [codec.payloadType for codec in camera.rtp.codecs] == [45 if "below 64" in name else 96]


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        ("packetization-mode=1; profile-level-id=64001f", "packetization-mode=1;profile-level-id=64001f"),
        ("profile-level-id=4d0028", "packetization-mode=0;profile-level-id=4d0028"),
        ("", "packetization-mode=0;profile-level-id=42000a"),
        (
            "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42c01e",
            "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42c033",
        ),
    ],
)
def test_profile_and_mode_of_an_answer_are_the_offers(said: str, answered: str) -> None:
    (h264,) = read(fmtp(said)).h264.values()
    assert ";".join(f"{name}={value}" for name, value in h264.answered().items()) == answered


def test_of_several_formats_those_that_browsers_use_are_taken() -> None:
    sdp = offer(
        VIDEO.replace("SAVPF 96", "SAVPF 90 97 98 99 96 100")
        + "".join(f"a=rtpmap:{number} H264/90000\n" for number in (97, 98, 99))
        + "a=fmtp:97 packetization-mode=1;profile-level-id=64001f\na=fmtp:98 profile-level-id=42e01f\n"
        + "a=fmtp:99 packetization-mode=1;profile-level-id=42001f\n"
        + "a=rtpmap:100 rtx/90000\na=fmtp:100 apt=97\n"
    )
    assert set(read(sdp).h264) == {96, 99}


REFUSED = {
    "no video": (offer(AUDIO), "the offer sends no video"),
    "a closed camera": (video(" 9 ", " 0 "), "the offer sends no video"),
    "recvonly": (video("sendrecv", "recvonly"), r"must send and receive \(sendrecv\); it is recvonly"),
    "recvonly at session level": (
        offer(VIDEO.replace("a=sendrecv\n", ""), head="a=recvonly\n"),
        "; it is recvonly",
    ),
    "no codec": (video("H264", "VP9"), r"no video codec of this service \(H264 or VP8\)$"),
    "profile": (
        fmtp("packetization-mode=1;profile-level-id=7a001f"),
        "H264 of profile-level-id 7a001f is not",
    ),
    "nonsense": (fmtp("packetization-mode=1;profile-level-id=high"), "H264 of profile-level-id high is not"),
    "mode 2": (fmtp("packetization-mode=2;profile-level-id=42e01f"), "H264 of packetization-mode 2 is not"),
    "no password": (video("a=ice-pwd:0123456789abcdef01234567\n", ""), "no a=ice-ufrag or a=ice-pwd"),
    "no fingerprint": (offer(re.sub("a=finger.*\n", "", VIDEO)), "has no a=fingerprint"),
    "held": (video("setup:actpass", "setup:holdconn"), "a=setup:holdconn, not actpass"),
    "no medium": (video("m=video 9", "m=video"), "not a media section: 'm=video UDP"),
    "no candidate": (offer(VIDEO + "a=candidate:1 1 udp\n"), "not a candidate"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_names_its_reason(name: str) -> None:
    sdp, reason = REFUSED[name]
    with pytest.raises(UnusableOffer, match=reason):
        read_offer(sdp, VIDEO_CODECS)


@pytest.fixture
async def service(results: str) -> AsyncIterator[Running]:
    async with running(results) as made:
        with WireWorker(results):
            await made.has_worker()
            yield made


async def test_an_answer_has_the_offers_sections_names_and_groups(service: Running) -> None:
    for name, sdp in TAKEN.items():
        response = await service.http.post("/offer", json={"type": "offer", "sdp": sdp})
        assert response.status_code == 200, (name, response.text)
        answer = response.json()["sdp"]
        await service.http.delete(f"/sessions/{response.json()['session']}")
        assert re.findall(r"^m=(\w+)", answer, re.M) == re.findall(r"^m=(\w+)", sdp, re.M), name
        offered, answered = (re.findall(r"^m=\w+ \d+ (\S+)", text, re.M) for text in (sdp, answer))
        assert answered == offered, name
        mids = {
            one: set(re.findall(r"^a=mid:(\S+)", text, re.M)) for one, text in (("o", sdp), ("a", answer))
        }
        assert mids["a"] == mids["o"], name
        assert ("group:BUNDLE" in answer) == ("group:BUNDLE" in sdp), name
        refused = re.findall(r"^m=\w+ 0 ", answer, re.M)
        assert len(refused) == len(read(sdp).refused), name
        assert f"a=rtpmap:{45 if 'below 64' in name else 96} " in answer, name


def test_what_a_page_receives_alone_is_read_where_this_service_only_sends_it() -> None:
    wanted = f"a=extmap:6/recvonly {PLAYOUT_DELAY_URI}\n"
    others = "a=extmap:7/recvonly urn:ietf:params:rtp-hdrext:toffset\na=extmap:8/sendonly urn:x\n"
    offered = read(offer(VIDEO + wanted + others, DATA))
    assert re.findall("a=extmap:.*(?=\r)", offered.text) == [f"a=extmap:6 {PLAYOUT_DELAY_URI}"]
    assert offered.received == {f"a=extmap:6 {PLAYOUT_DELAY_URI}"}
    both = read(offer(VIDEO + wanted.replace("/recvonly", "")))
    assert (f"a=extmap:6 {PLAYOUT_DELAY_URI}" in both.text, both.received) == (True, frozenset())


@pytest.mark.parametrize(("direction", "answered"), [("", ""), ("/recvonly", "/sendonly")])
async def test_a_page_that_only_receives_the_playout_delay_gets_it(
    service: Running, direction: str, answered: str
) -> None:
    """Firefox offers it so (RFC 8285 section 6)."""
    async with page() as caller:
        sdp = await caller.offer()
        sdp = re.sub(rf"a=extmap:\d+ {PLAYOUT_DELAY_URI}\r\n", "", sdp)
        line = f"a=extmap:13{direction} {PLAYOUT_DELAY_URI}\r\n"
        sdp = re.sub(r"(m=video.*?\r\n)(?=a=)", rf"\g<1>{line}", sdp, count=1, flags=re.S)
        response = await service.http.post("/offer", json={"type": "offer", "sdp": sdp})
        assert f"a=extmap:13{answered} {PLAYOUT_DELAY_URI}\r\n" in response.json()["sdp"]


@pytest.mark.parametrize(
    ("said", "mode"),
    [
        ("packetization-mode=0;profile-level-id=42e01f", 0),
        ("packetization-mode=1;profile-level-id=64001f", 1),
    ],
)
async def test_the_picture_comes_back_in_a_format_that_no_browser_asks_for(
    service: Running, said: str, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`said` is put between two peers of aiortc, which themselves know one format."""
    async with page() as caller:
        sdp = await caller.offer()
        (number,) = re.findall(r"a=fmtp:(\d+) .*profile-level-id=42e0", sdp)
        sdp = re.sub(r"(?<=^m=video )(\d+ \S+).*?(?=\r)", rf"\g<1> {number}", sdp, count=1, flags=re.M)
        sdp = re.sub(rf"(?<=a=fmtp:{number} ).*?(?=\r)", said, sdp)
        response = await service.http.post("/offer", json={"type": "offer", "sdp": sdp})
        answer = response.json()
        assert f"a=fmtp:{number} {said.replace(' ', '')}" in answer["sdp"]
        usual = "packetization-mode=1;profile-level-id=42e01f"
        await caller.begin({**answer, "sdp": answer["sdp"].replace(said, usual)})
        receiver = caller.connection.getReceivers()[0]
        kinds: set[int] = set()
        original = type(receiver)._handle_rtp_packet

        async def noted(self: object, packet: object, arrival_time_ms: int) -> None:
            if self is receiver:
                kinds.add(packet.payload[0] & 31)  # type: ignore[attr-defined]
            await original(self, packet, arrival_time_ms)  # type: ignore[arg-type]

        monkeypatch.setattr(type(receiver), "_handle_rtp_packet", noted)
        await until(lambda: len(caller.frames) > 3)
        assert caller.frames[-1].width == Camera.width
        # STAP-A and FU-A exist in mode 1 alone (RFC 6184 table 3).
        assert bool(kinds & {24, 28}) == bool(mode)
