"""How many viewers one core carries: the cost of sending each its own packets, without clients.

    python -m benchmarks.media.fan_out [--viewers 1,10,50] [--seconds 3]

Pictures of 640x480 at 1.5 Mbit/s and 30 a second are made once, as payloads. Each viewer has its own SRTP
session and its own UDP socket, and sends to one that nobody reads. aiortc's way is measured beside it in the
same run: its packet, with its extensions, through its coroutine, once for each viewer, the encoder left out.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import time
from contextlib import suppress
from typing import Any

import pylibsrtp
from aiortc import RTCRtpCodecParameters, clock
from aiortc.rtcdtlstransport import State
from aiortc.rtp import HeaderExtensionsMap, RtpPacket

from signaling_service.rtc.packets import Leaving
from signaling_service.streams.fan_out import EncodedPicture, FanOut

FPS = 30
BITS_PER_S = 1_500_000
PAYLOAD_BYTES = 1200
CODEC = RTCRtpCodecParameters(mimeType="video/H264", clockRate=90_000, payloadType=97)


class Connection:
    """One viewer's encrypted way out, as far as it is used."""

    def __init__(self, sink: tuple[str, int]) -> None:
        policy = pylibsrtp.Policy(key=os.urandom(30), ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        policy.allow_repeat_tx = True
        self._tx_srtp = pylibsrtp.Session(policy)
        self._state = State.CONNECTED
        self._RTCDtlsTransport__tx_bytes = self._RTCDtlsTransport__tx_packets = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self.remote_addr = sink
        self.transport = self.protocol = self._connection = self
        self._nominated = {1: self}

    def sendto(self, data: bytes, address: tuple[str, int]) -> None:
        with suppress(BlockingIOError):
            self._socket.sendto(data, address)


class Sender:
    def __init__(self, ssrc: int) -> None:
        self._ssrc = ssrc
        self._RTCRtpSender__rtp_started = asyncio.Event()
        self._RTCRtpSender__rtp_exited = asyncio.Event()
        self._RTCRtpSender__packet_count = self._RTCRtpSender__octet_count = 0

    async def _handle_rtcp_packet(self, packet: Any) -> None:
        raise AssertionError(packet)


def pictures() -> list[EncodedPicture]:
    size_bytes = BITS_PER_S // 8 // FPS
    sizes = [PAYLOAD_BYTES] * (size_bytes // PAYLOAD_BYTES) + [size_bytes % PAYLOAD_BYTES]
    payloads = tuple(os.urandom(size) for size in sizes)
    return [EncodedPicture(payloads, 3000 * i, clock.current_ntp_time()) for i in range(FPS)]


async def ours(connections: list[Connection], seconds: int) -> float:
    fan_outs, tasks = [], []
    for index, connection in enumerate(connections):
        sender: Any = Sender(index + 1)
        dtls: Any = connection
        fan_out = FanOut(sender, Leaving(dtls))
        fan_out.take_over()
        tasks.append(asyncio.create_task(sender._run_rtp(CODEC)))
        fan_outs.append(fan_out)
    await asyncio.sleep(0)
    shown = pictures()
    began_s = time.process_time()
    for _ in range(seconds):
        for picture in shown:
            for fan_out in fan_outs:
                fan_out.send(picture, BITS_PER_S)
    took_s = time.process_time() - began_s
    for task in tasks:
        task.cancel()
    return took_s / seconds


async def theirs(connections: list[Connection], seconds: int) -> float:
    extensions = HeaderExtensionsMap()
    shown = pictures()
    number = 0
    began_s = time.process_time()
    for _ in range(seconds):
        for picture in shown:
            for index, connection in enumerate(connections):
                dtls: Any = connection
                leaving = Leaving(dtls)
                for place, payload in enumerate(picture.payloads):
                    number = (number + 1) & 0x7FFF
                    packet = RtpPacket(97, int(place + 1 == len(picture.payloads)), number, picture.timestamp)
                    packet.ssrc, packet.payload = 1000 + index, payload
                    packet.extensions.abs_send_time = (clock.current_ntp_time() >> 14) & 0x00FFFFFF
                    packet.extensions.mid = "0"
                    await leaving.send(packet.serialize(extensions))
    return (time.process_time() - began_s) / seconds


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--viewers", default="1,10,50", help="how many, comma-separated (default: 1,10,50)")
    parser.add_argument("--seconds", type=int, default=3, help="of pictures (default: 3)")
    arguments = parser.parse_args()
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    print("| viewers | cores | packets/s | cores by aiortc's packets | ratio |\n|---|---|---|---|---|")
    for count in map(int, arguments.viewers.split(",")):
        connections = [Connection(sink.getsockname()) for _ in range(count)]
        own = await ours(connections, arguments.seconds)
        other = await theirs(connections, arguments.seconds)
        packets = count * FPS * len(pictures()[0].payloads)
        print(f"| {count} | {own:.3f} | {packets} | {other:.3f} | {own / other:.2f} |", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
