"""The words of `--help`, of both services."""

from __future__ import annotations

import re

import pytest

from inference_service.config import read_settings as read_inference
from signaling_service.config import read_settings as read_signaling


@pytest.mark.parametrize("read", [read_signaling, read_inference])
def test_help_speaks_no_python(
    read, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as left:
        read(["--help"])
    assert left.value.code == 0
    said = capsys.readouterr().out
    assert (
        re.findall(
            r"None|\(\)|factory|lambda|tuple|dict\[|'|\bstr\b|\bFalse\b|default: \)", said.replace("'s", "")
        )
        == []
    )
    for line in said.splitlines():
        assert line.count("(default") <= 1
    if read is read_signaling:
        assert "(default: h264,vp8)" in said
        assert "(default: all that workers serve)\n" in said
        assert re.search(r"--max-sessions N .*\(default: as many as the measured load allows\)\n", said)
        assert re.search(r"--open, --no-open .*\(default: no\)\n", said)
