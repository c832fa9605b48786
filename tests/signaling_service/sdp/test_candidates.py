from __future__ import annotations

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from hypothesis import given
from hypothesis import strategies as st

from signaling_service.errors import UnusableCandidates
from signaling_service.sdp.candidates import (
    MAX_CHECKED,
    MAX_CHECKED_IN_ALL,
    PageCandidates,
    with_loopback_alone,
    with_public_addresses,
)
from signaling_service.sdp.sdp_limits import MAX_CANDIDATES

HIDDEN = "a=candidate:1 1 udp 2113937151 6b6c5d1e-4d7c-4e1d-9c38-0123456789ab.local 50000 typ host"
HOST = "a=candidate:2 1 udp 2113937151 192.0.2.7 50001 typ host generation 0"
TCP = "a=candidate:3 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active generation 0"
COUNTED_FROM_ZERO = "a=candidate:4 0 udp 2113937151 192.0.2.8 50002 typ host"
END = "a=end-of-candidates"


def offer(*lines: str) -> str:
    return "\r\n".join(["v=0", "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:0", *lines]) + "\r\n"


def fragment(*lines: str) -> str:
    return "\r\n".join(["m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:0", *lines])


@pytest.mark.parametrize(
    ("said", "passed_on"),
    [
        ([HOST, END], [HOST, END]),
        ([HOST, TCP, END], [HOST, END]),
        ([HIDDEN, END], []),
        ([HIDDEN, HOST, END], [HOST]),
        ([COUNTED_FROM_ZERO, HOST, END], [HOST]),
        ([TCP, END], []),
        ([END], []),
        ([], []),
    ],
)
def test_an_offer_keeps_what_can_be_checked_and_its_end_where_nothing_is_hidden(
    said: list[str], passed_on: list[str]
) -> None:
    assert PageCandidates().from_offer(offer(*said)) == offer(*passed_on)


def test_a_fragment_is_read_as_an_offer_is() -> None:
    candidates, is_end = PageCandidates().from_fragment(fragment(HOST, END), {"0"})
    assert [(one.ip, one.port, one.sdpMid) for one in candidates] == [("192.0.2.7", 50001, "0")]
    assert is_end
    assert PageCandidates().from_fragment(fragment(HIDDEN, END), {"0"}) == ([], False)
    assert PageCandidates().from_fragment(fragment(END), {"0"}) == ([], False)


def test_what_the_offer_hid_is_remembered_by_later_fragments() -> None:
    hiding = PageCandidates()
    hiding.from_offer(offer(HIDDEN))
    assert hiding.from_fragment(fragment(HOST), {"0"})[1] is False
    assert hiding.from_fragment(fragment(END), {"0"}) == ([], False)

    open_ = PageCandidates()
    open_.from_offer(offer(HOST))
    assert open_.from_fragment(fragment(END), {"0"}) == ([], True)


def test_a_session_takes_so_many_candidates_and_no_more() -> None:
    page = PageCandidates()
    page.from_fragment(fragment(*[HIDDEN] * MAX_CANDIDATES), {"0"})
    with pytest.raises(UnusableCandidates, match="at most"):
        page.from_fragment(fragment(HOST), {"0"})


@given(st.text(max_size=300))
def test_any_text_is_an_offer_to_pass_on_or_a_fragment_to_refuse(text: str) -> None:
    PageCandidates().from_offer(text)
    PageCandidates().from_offer("a=candidate:" + text)
    for start in ("", "a=mid:0\r\na=candidate:", "a=candidate:1 1 udp 1 "):
        try:
            PageCandidates().from_fragment(start + text, {"0"})
        except UnusableCandidates:
            continue


ANSWER = """v=0
o=- 1 1 IN IP4 0.0.0.0
s=-
t=0 0
m=video 50002 UDP/TLS/RTP/SAVPF 96
c=IN IP4 10.0.0.5
a=mid:0
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:1 1 udp 2130706431 10.0.0.5 50002 typ host
a=candidate:2 1 udp 2130706431 172.17.0.1 50003 typ host
a=candidate:3 1 udp 2130706431 2001:db8::5 50002 typ host
a=candidate:4 1 udp 2130706431 127.0.0.1 50004 typ host
a=candidate:5 1 udp 1694498815 203.0.113.9 50002 typ srflx raddr 10.0.0.5 rport 50002
a=candidate:6 1 udp 16777215 192.0.2.1 50009 typ relay raddr 203.0.113.9 rport 50002
a=end-of-candidates
""".replace("\n", "\r\n")


def test_host_candidates_carry_the_public_address_and_nothing_else_changes() -> None:
    lines = with_public_addresses(ANSWER, ["203.0.113.9"]).split("\r\n")
    before = ANSWER.split("\r\n")
    assert [line for line in lines if "candidate:" in line] == [
        "a=candidate:1 1 udp 2130706431 203.0.113.9 50002 typ host",
        "a=candidate:2 1 udp 2130706431 203.0.113.9 50003 typ host",
        *before[10:12],
        before[13],
    ]
    assert "c=IN IP4 203.0.113.9" in lines
    others = [line for line in before if not line.startswith(("a=candidate", "c="))]
    assert [line for line in lines if not line.startswith(("a=candidate", "c="))] == others


def test_each_family_has_its_public_address() -> None:
    hosts = [
        line.split()[4]
        for line in with_public_addresses(ANSWER, ["203.0.113.9", "2001:db8::99"]).split("\r\n")
        if "typ host" in line
    ]
    assert hosts == ["203.0.113.9", "203.0.113.9", "2001:db8::99", "127.0.0.1"]
    ipv6 = ANSWER.replace("c=IN IP4 10.0.0.5", "c=IN IP6 2001:db8::5")
    assert "c=IN IP6 2001:db8::99" in with_public_addresses(ipv6, ["2001:db8::99"])
    assert with_public_addresses(ANSWER, []) == ANSWER


def test_one_port_number_for_udp_and_tcp_makes_two_candidates() -> None:
    answer = "\r\n".join(
        [
            "m=video 5000 UDP/TLS/RTP/SAVPF 96",
            "a=candidate:1 1 udp 2130706431 10.0.0.5 5000 typ host",
            "a=candidate:2 1 tcp 1520435199 10.0.0.5 5000 typ host tcptype passive",
        ]
    )
    assert with_public_addresses(answer, ["203.0.113.9"]) == answer.replace("10.0.0.5", "203.0.113.9")


def test_a_service_on_loopback_alone_stays_there() -> None:
    answer = ANSWER.replace("10.0.0.5", "127.0.0.1")
    assert "c=IN IP4 127.0.0.1" in with_public_addresses(answer, ["203.0.113.9"])


def test_to_a_page_on_loopback_no_line_names_an_address_of_this_host() -> None:
    answer = with_loopback_alone(ANSWER)
    assert "10.0.0.5" not in answer
    assert "c=IN IP4 127.0.0.1" in answer
    # What a server has told stays, without what it is related to.
    assert "203.0.113.9 50002 typ srflx raddr 0.0.0.0 rport 9" in answer
    assert [line.split()[4] for line in answer.split("\r\n") if "typ host" in line] == ["127.0.0.1"]


async def test_aiortc_reads_what_is_announced() -> None:
    offerer, answerer = RTCPeerConnection(), RTCPeerConnection()
    offerer.createDataChannel("control")
    await answerer.setRemoteDescription(RTCSessionDescription((await offerer.createOffer()).sdp, "offer"))
    answer = (await answerer.createAnswer()).sdp.replace(
        "a=mid:0", "a=mid:0\r\na=candidate:1 1 udp 2130706431 10.0.0.5 50002 typ host"
    )
    sdp = with_public_addresses(answer, ["203.0.113.9"])
    assert sdp.count("203.0.113.9 50002 typ host") == 1
    RTCSessionDescription(sdp, "answer")
    await offerer.close()
    await answerer.close()


def at(*addresses: str) -> list[str]:
    return [f"a=candidate:{i} 1 udp 1 {address} {50000 + i} typ host" for i, address in enumerate(addresses)]


@pytest.mark.parametrize(
    ("own", "said", "passed_on"),
    [
        (["203.0.113.1"], ["127.0.0.1", "10.0.0.9", "169.254.1.1", "198.51.100.1"], ["198.51.100.1"]),
        (["203.0.113.1"], ["::1", "fe80::1", "fc00::1", "2001:db8::1"], ["2001:db8::1"]),
        (["10.0.0.5"], ["192.168.1.1", "127.0.0.1"], ["192.168.1.1"]),
        (["10.0.0.5"], ["::ffff:172.16.0.1", "::ffff:127.0.0.1"], ["::ffff:172.16.0.1"]),
        (["127.0.0.1"], ["127.0.0.1", "10.0.0.9"], ["127.0.0.1"]),
        (["10.0.0.5", "127.0.0.1"], ["224.0.0.1", "ff02::1", "0.0.0.0", "::", "255.255.255.255"], []),
        # IPv4 within IPv6: by a translator (NAT64), by 6to4, and in forms that no page has.
        (["203.0.113.1"], ["64:ff9b::a00:9", "64:ff9b::c633:6401", "64:ff9b::1"], ["64:ff9b::c633:6401"]),
        (["203.0.113.1"], ["2002:a00:9::1", "2002:c633:6401::1", "2002:e000:1::"], ["2002:c633:6401::1"]),
        (["203.0.113.1", "127.0.0.1"], ["::127.0.0.1", "::10.0.0.9", "64:ff9b:1::a00:9", "fec0::1"], []),
        (["10.0.0.5"], ["0.1.2.3", "240.0.0.1", "::ffff:0.0.0.0", "::ffff:224.0.0.1"], []),
        ([], ["10.0.0.9", "198.51.100.1"], ["198.51.100.1"]),
    ],
)  # fmt: skip
def test_an_offer_makes_no_checks_to_networks_where_this_service_is_not(
    own: list[str], said: list[str], passed_on: list[str]
) -> None:
    lines = PageCandidates(own).from_offer(offer(*at(*said), END)).split("\r\n")
    assert [line.split()[4] for line in lines if "candidate:" in line] == passed_on
    # The page may still be found by its own checks, so aioice must not give up.
    assert (END in lines) == (said == passed_on)


def test_restarts_of_ice_make_no_checks_to_ever_more_addresses() -> None:
    page: PageCandidates | None = None
    taken = 0
    for restart in range(20):
        page = PageCandidates((), page)
        many = [f"198.51.{restart}.{number}" for number in range(MAX_CHECKED)]
        taken += len(page.from_fragment(fragment(*at(*many)), {"0"})[0])
        # An address that is known may be named again and again.
        known = fragment(*at("198.51.0.0"))
        assert len(PageCandidates((), page).from_fragment(known, {"0"})[0]) == 1
    assert taken == MAX_CHECKED_IN_ALL


def test_few_addresses_of_a_page_are_checked() -> None:
    page = PageCandidates()
    many = [f"198.51.100.{number}" for number in range(1, 60)]
    passed_on = page.from_offer(offer(*at(*many[:10]))).count("candidate:")
    candidates, is_end = page.from_fragment(fragment(*at(*many[10:50]), END), {"0"})
    assert passed_on + len(candidates) == MAX_CHECKED
    assert not is_end
