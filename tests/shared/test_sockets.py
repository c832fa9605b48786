from __future__ import annotations

import pytest
import zmq

from shared import sockets
from shared.wire import MAX_MESSAGE_BYTES, STATUS_TOPIC

POLL_MS = 5000


def test_a_lane_keeps_the_newest_frame_alone(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    pull = sockets.pull_frames(context)
    port = pull.bind_to_random_port("tcp://127.0.0.1")
    push = sockets.push_frames(context)
    push.connect(f"tcp://127.0.0.1:{port}")
    assert push.poll(POLL_MS, zmq.POLLOUT)
    frames = [bytes([i]) * 2_000_000 for i in range(50)]
    for frame in frames:
        push.send(frame)
    received: list[int] = []
    while not received or received[-1] != 49:
        assert pull.poll(POLL_MS)
        received.append(pull.recv()[0])
    assert received == sorted(received)
    assert len(received) < len(frames)


def test_a_lane_takes_no_frame_while_no_worker_is_there(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    push = sockets.push_frames(context)
    push.connect("tcp://127.0.0.1:9")
    with pytest.raises(zmq.Again):
        push.send(b"frame", zmq.NOBLOCK)


def test_an_oversized_message_does_not_reach_the_worker(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    pull = sockets.pull_frames(context)
    port = pull.bind_to_random_port("tcp://127.0.0.1")
    good, bad = (sockets.push_frames(context) for _ in range(2))
    for push in (good, bad):
        push.connect(f"tcp://127.0.0.1:{port}")
        assert push.poll(POLL_MS, zmq.POLLOUT)
    bad.send(bytes(MAX_MESSAGE_BYTES + 1))
    good.send(b"good")
    assert pull.poll(POLL_MS)
    assert pull.recv() == b"good"
    assert not pull.poll(300)


def test_a_subscriber_that_stands_still_holds_no_more_than_the_marks(
    context: zmq.Context[zmq.Socket[bytes]],
) -> None:
    sub = sockets.sub_results(context)
    port = sub.bind_to_random_port("tcp://127.0.0.1")
    sub.subscribe(STATUS_TOPIC)
    pub = sockets.pub_results(context)
    pub.connect(f"tcp://127.0.0.1:{port}")
    while not sub.poll(20):
        pub.send_multipart([STATUS_TOPIC, b"-1"])
    body = bytes(400_000)
    sent = 400
    for i in range(sent):
        pub.send_multipart([STATUS_TOPIC, body + i.to_bytes(4, "big")])
    received = 0
    while sub.poll(500):
        sub.recv_multipart()
        received += 1
    # Both marks, and what the kernel's buffers hold; the default marks would have kept all 400.
    assert received < sent - 100


@pytest.mark.parametrize(
    "make", [sockets.push_frames, sockets.pull_frames, sockets.pub_results, sockets.sub_results]
)
def test_no_socket_holds_up_the_end_of_its_process(
    make: object, context: zmq.Context[zmq.Socket[bytes]]
) -> None:
    socket = make(context)  # type: ignore[operator]
    assert socket.getsockopt(zmq.LINGER) == 0
    assert socket.getsockopt(zmq.HEARTBEAT_IVL) == 0  # They can abort the process.
    assert socket.getsockopt(zmq.TCP_KEEPALIVE) == 1


def test_a_peer_that_is_away_is_looked_for_four_times_a_second() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        for made in (sockets.push_frames(context), sockets.pub_results(context)):
            assert made.getsockopt(zmq.RECONNECT_IVL_MAX) == 250
    finally:
        context.destroy(linger=0)
