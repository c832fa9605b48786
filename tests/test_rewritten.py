from __future__ import annotations

from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from _pytest.assertion import rewrite

from tests.rewritten import keep


def found(source: Path) -> CodeType | None:
    """Return what pytest finds of a module; None: it would rewrite it."""
    return rewrite._read_pyc(source, rewrite.get_cache_dir(source) / f"{source.stem}{rewrite.PYC_TAIL}")


def test_pytest_finds_a_module_that_was_rewritten_until_its_source_changes(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "test_one.py"
    source.write_text("def one(found):\n    assert found == 2\n")
    keep(request.config, source)
    names: dict[str, Any] = {}
    code = found(source)
    assert code is not None
    exec(code, names)
    with pytest.raises(AssertionError, match="assert 1 == 2"):
        names["one"](1)

    with monkeypatch.context() as patch:
        patch.delattr(rewrite, "_rewrite_test")
        keep(request.config, source)

    source.write_text("def one(found):\n    assert found == 3\n")
    assert found(source) is None
    keep(request.config, source)
    assert found(source) is not None


def test_a_module_that_cannot_be_parsed_is_left_to_pytest(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source = tmp_path / "test_wrong.py"
    source.write_text("def one(:\n")
    keep(request.config, source)
    assert found(source) is None
