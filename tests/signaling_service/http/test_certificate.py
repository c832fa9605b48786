"""A renewed certificate, and what is in the files before it is whole."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from harness.certificate import write_certificate
from harness.deadline import eventually
from signaling_service.http import certificate as module
from signaling_service.http.certificate import Certificate, CertificateUnusable
from tests.signaling_service.test_main import start

Connect = Callable[[str | None], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@pytest.fixture
def pairs(tmp_path: Path) -> list[tuple[Path, Path]]:
    """Three pairs of certificate and key; the first is what the server has."""
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    return [write_certificate(folder) for folder in folders]


@contextlib.asynccontextmanager
async def echoing(certificate: Certificate) -> AsyncIterator[Connect]:
    """A TLS server that sends back lines."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=certificate.context)
    port = server.sockets[0].getsockname()[1]
    client = ssl.create_default_context()
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    async with server:
        yield lambda name: asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)


def replace(pair: tuple[Path, Path], by: tuple[Path, Path]) -> None:
    for old, new in zip(pair, by, strict=True):
        shutil.copy(new, old)


def certificate_of(writer: asyncio.StreamWriter) -> bytes:
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    assert isinstance(found, bytes)
    return found


def der(pair: tuple[Path, Path]) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pair[0].read_text())


async def test_handshakes_take_the_newest_pair_that_fits_and_connections_stay(
    pairs: list[tuple[Path, Path]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    caplog.set_level(logging.INFO)
    live, second, third = pairs
    wanted = [der(pair) for pair in pairs]
    certificate = Certificate(*live)
    running = asyncio.create_task(certificate.run())

    def told() -> str:
        return "\n".join(one.getMessage() for one in caplog.records if one.levelno == logging.WARNING)

    async with echoing(certificate) as connect:

        async def given(name: str | None = "localhost") -> bytes:
            _, writer = await connect(name)
            found = certificate_of(writer)
            writer.close()
            return found

        reader, writer = await connect("localhost")
        assert certificate_of(writer) == wanted[0]

        # The chain of one with the key of the other, as between the two writes of what renews them.
        shutil.copy(second[0], live[0])
        await eventually(
            lambda: "is not that of the certificate" in told(), 10, "a key that does not fit is told"
        )
        assert await given() == wanted[0]

        live[0].write_bytes(second[0].read_bytes()[:100])
        await eventually(lambda: "both PEM" in told(), 10, "half a file is told")
        live[0].unlink()
        await eventually(lambda: "No such file" in told(), 10, "a missing file is told")
        assert await given() == wanted[0]
        said = told()
        for _ in range(5):
            certificate._look()
        assert told() == said

        replace(live, second)

        async def is_second() -> bool:
            return await given() == wanted[1]

        await eventually(is_second, 10, "a handshake takes the second")
        assert await given(None) == wanted[1]
        replace(live, third)

        async def is_third() -> bool:
            return await given() == wanted[2]

        await eventually(is_third, 10, "a handshake takes the third")
        assert all("in use stays" in line for line in told().splitlines())

        writer.write(b"still here\n")
        assert await asyncio.wait_for(reader.readline(), 10) == b"still here\n"
        assert certificate_of(writer) == wanted[0]
        writer.close()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_at_the_start_a_pair_that_does_not_fit_is_one_sentence(
    pairs: list[tuple[Path, Path]], free_port: int
) -> None:
    (chain, _), (_, key), _ = pairs
    with pytest.raises(CertificateUnusable, match="is not that of the certificate"):
        Certificate(chain, key)
    ended = start("--port", str(free_port), "--ssl-certfile", str(chain), "--ssl-keyfile", str(key))
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert str(key) in ended.stderr
