"""A filter that is written while a camera looks: `new`, then `dev`, and a save in mid-call."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.deadline import eventually
from harness.peer import Peer
from harness.picture import Picture
from harness.services import Process, free_port, in_namespace
from inference_service import commands

pytestmark = pytest.mark.asyncio(loop_scope="session")

WAIT_S = 60.0
KEEPS, INVERTS = "return pictures.lerp(", "return 255 - pictures.lerp("


async def test_a_save_in_mid_call_changes_the_picture_and_a_mistake_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert commands.main(["new", "dawn"]) == 0
    file = tmp_path / "dawn" / "p2pcamera_dawn.py"
    written = file.read_text()
    assert written.count(KEEPS) == 1
    port = free_port()
    command = [sys.executable, "-m", "inference_service", "dev", str(file.parent), "--port", str(port)]
    addresses = {} if in_namespace() else {"SIGNALING_ICE_ADDRESSES": "127.0.0.1"}
    # Not below `tmp_path`, whose path can be longer than a socket's may be.
    run_dir = tempfile.TemporaryDirectory(prefix="p2p")
    dev = Process("dev", command, tmp_path / "dev.log", {
        "OMP_NUM_THREADS": "1", "P2PCAMERA_RUN_DIR": run_dir.name, **addresses,
    })  # fmt: skip
    dev.start()
    try:
        await eventually(lambda: "dawn: open http://localhost:" in dev.output(), WAIT_S, "the page's address")
        async with (
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as http,
            Peer(http, Picture(320, 240), fps=15) as peer,
        ):
            await peer.call()
            await peer.control_open()

            def is_inverted() -> list[bool]:
                return [one.reading.is_inverted for one in peer.readable()[-3:] if one.reading]

            await eventually(lambda: is_inverted() == [False] * 3, WAIT_S, "the filter as it was made")
            file.write_text(written.replace(KEEPS, INVERTS))
            await eventually(lambda: is_inverted() == [True] * 3, WAIT_S, "the filter as it was saved")

            file.write_text(written.replace(KEEPS, "return no_such_thing.lerp("))
            told = "NameError: name 'no_such_thing' is not defined (p2pcamera_dawn.py, line 40, in apply)"
            line = written.partition(KEEPS)[0].count("\n") + 1
            told = told.replace("line 40", f"line {line}")

            def errors() -> list[Any]:
                heard = [one for one in peer.messages if isinstance(one, dict) and one.get("type") == "error"]
                return [one for one in heard if told in one["error"]["message"]]

            await eventually(errors, WAIT_S, "the mistake on the page")
            file.write_text(written)
            count = len(peer.readable())
            await eventually(
                lambda: len(peer.readable()) > count + 5 and is_inverted() == [False] * 3,
                WAIT_S,
                "the mended one",
            )
        shown = dev.output()
        assert (
            "ERROR filter dawn could not be loaded: NameError: name 'no_such_thing' is not defined\n" in shown
        )
        assert f"    p2pcamera_dawn.py, line {line}, in apply\n        return no_such_thing.lerp(" in shown
        assert "Traceback" not in shown
    finally:
        print(dev.output())
        assert await dev.stop() == 0
        run_dir.cleanup()
