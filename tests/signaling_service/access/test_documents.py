"""The mints of docs/access.md make tokens that the service takes."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest

from signaling_service.access.token_keys import key_from_setting
from signaling_service.access.tokens import Claims, OneKey, Tokens
from tests.signaling_service.access.minting import SECRET

DOCUMENT = (Path(__file__).parents[3] / "docs" / "access.md").read_text()


def example(language: str, number: int = 0) -> str:
    return str(re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.S)[number])


async def check(token: str) -> None:
    claims = await Tokens(OneKey(key_from_setting(SECRET)), None, "p2pcamera", needs_audience=False).claims(
        token, "https://meet.example"
    )
    assert claims.sub == "anna"
    assert claims.filters == ["ink", "background"]


async def test_the_mint_in_python_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token.key").write_text(f"{SECRET}\n")
    monkeypatch.chdir(tmp_path)
    # Flask's part is a decorator and a dict of its own.
    text = example("python").replace("from flask import Flask, abort, session\n", "")
    text = re.sub(r"app.*\n|@app.*\n", "", text)

    def abort(status: int) -> NoReturn:
        raise RuntimeError(status)

    made: dict[str, Any] = {"session": {"user": "anna"}, "abort": abort}
    exec(text, made)
    await check(made["camera_token"]()["token"])
    made["session"].clear()
    with pytest.raises(RuntimeError, match="401"):
        made["camera_token"]()


def test_the_mint_in_javascript_works(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    (tmp_path / "token.key").write_text(f"{SECRET}\n")
    (tmp_path / "mint.mjs").write_text(f'{example("js")}\nconsole.log(cameraToken("anna"));\n')
    made = subprocess.run(
        [node, "mint.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    asyncio.run(check(made.stdout.strip()))


def test_the_document_names_every_claim() -> None:
    table = DOCUMENT.partition("| claim | meaning |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`(\w+)`", "\n".join(row.split("|")[1] for row in table.splitlines()[2:])))
    assert named == set(Claims.model_fields) | {"exp", "iss", "aud"}
