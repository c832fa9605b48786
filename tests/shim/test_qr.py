"""The demo page's QR codes are read by readers, and are those of another's encoder where both fill a code."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.shim.test_node import node

QR = Path(__file__).parents[2] / "static" / "demo" / "qr.js"
FULL = (14, 26, 42, 62, 84, 106, 122, 152, 180, 213, 251, 287, 331, 362, 412, 450, 504, 560, 624, 666)
"""Bytes that each version has room for at level M (ISO/IEC 18004:2015, table 7)."""
SCRIPT = """
import { pathOf, qrCode } from %s;
const texts = JSON.parse(process.argv[1]);
console.log(JSON.stringify(texts.map((text) => {
  const modules = qrCode(text);
  return modules && { modules, path: pathOf(modules) };
})));
"""


def test_codes_are_those_of_another_encoder_and_readable() -> None:
    segno = pytest.importorskip("segno")
    links = ["x", "https://cam.example.org/watch/aB3-_x9?é=%20", "https://cam.example.org/" + "a" * 200]
    texts = [*links, *("".join(chr(97 + index * 7 % 26) for index in range(n)) for n in FULL), "x" * 667]
    script = SCRIPT % json.dumps(QR.as_uri())
    ran = subprocess.run(
        [node(), "--input-type=module", "-e", script, "--", json.dumps(texts)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    *codes, too_long = json.loads(ran.stdout)
    assert too_long is None
    for text, code in zip(texts, codes, strict=False):
        modules = np.array(code["modules"], np.uint8)
        assert code["path"].count("M") == modules.sum()
        if text in links:
            assert read(modules) == text
            continue
        version = FULL.index(len(text)) + 1
        made = [
            segno.make(
                text, error="m", version=version, mask=mask, mode="byte", boost_error=False, micro=False
            )
            for mask in range(8)
        ]
        assert any(np.array_equal(np.array(one.matrix, np.uint8), modules) for one in made), version


def read(modules: np.ndarray) -> str:
    picture = np.kron(255 * np.pad(1 - modules, 4, constant_values=1), np.ones((6, 6))).astype(np.uint8)
    return str(cv2.QRCodeDetector().detectAndDecode(picture)[0])
