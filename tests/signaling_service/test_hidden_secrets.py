from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from harness import services
from harness.deadline import eventually
from harness.services import Process
from signaling_service.hidden_secrets import without_secrets


@pytest.mark.parametrize(
    ("given", "kept", "secrets"),
    [
        ([], [], {}),
        (["--port", "1", "--api-key", "s"], ["--port", "1"], {"SIGNALING_API_KEY": "s"}),
        (["--api-key=s=t", "--open"], ["--open"], {"SIGNALING_API_KEY": "s=t"}),
        (["--api-key", "a", "--api-key", "b"], [], {"SIGNALING_API_KEY": "b"}),
        (["--api-key-file", "f"], ["--api-key-file", "f"], {}),
        (["--api-key"], ["--api-key"], {}),
        (["--ice-servers", "", "--open"], ["--ice-servers", "", "--open"], {}),
        (["--api-key="], ["--api-key="], {}),
    ],
)
def test_secrets_are_told_apart(given: list[str], kept: list[str], secrets: dict[str, str]) -> None:
    assert without_secrets(given) == (kept, secrets)


async def test_the_list_of_processes_shows_no_secret(
    tmp_path: Path, free_port: int, results: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not forked: as a user starts it.
    monkeypatch.setattr(services, "nursery", None)
    argv = [sys.executable, "-m", "signaling_service", "--api-key", "VERYSECRET", "--port", str(free_port)]
    argv += ["--results-bind", results, "--ice-servers", "turn:u@t.example", "--processes", "1"]
    process = Process("signaling", argv, tmp_path / "log")
    process.start()
    try:
        seen = psutil.Process(process.pid)
        shown = [sys.executable, "-m", "signaling_service", "--port", str(free_port)]
        shown += ["--results-bind", results, "--processes", "1"]
        # In between there is no command line at all.
        await eventually(lambda: seen.cmdline() == shown, 20, f"{shown} is all that shows")
    finally:
        await process.stop(20)
