from __future__ import annotations

from pathlib import Path

import pytest

from signaling_service.cores import usable_cores


@pytest.mark.parametrize(
    ("text", "cores"), [("50000 100000", 0.5), ("max 100000", None), ("nonsense", None), ("1 0", None)]
)
def test_a_containers_limit_is_known(tmp_path: Path, text: str, cores: float | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert usable_cores(tmp_path) == (usable_cores(tmp_path / "none") if cores is None else cores)
