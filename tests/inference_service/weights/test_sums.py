from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from inference_service.errors import WeightsError
from inference_service.weights.sums import check

CONTENT = b'{"_class_name": "UNet2DConditionModel"}\n'
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "mine.pkl"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize("written", [MD5[:10], MD5, SHA256[:15], SHA256, None])
def test_right_file_passes(path: Path, written: str | None) -> None:
    check(path, written)
    check(path, written, len(CONTENT))


def test_sum_of_git_is_gits_own(path: Path) -> None:
    by_git = subprocess.run(["git", "hash-object", path], capture_output=True, text=True, check=True)
    check(path, f"git:{by_git.stdout.strip()}")


@pytest.mark.parametrize("written", ["sha256:000000", "md5:000000", "git:000000"])
def test_wrong_sum_is_told(path: Path, written: str) -> None:
    with pytest.raises(WeightsError, match="expected is 000000"):
        check(path, written)


def test_file_that_is_missing_or_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no file .*nothing; put the weights there"):
        check(tmp_path / "nothing", MD5)
    with pytest.raises(WeightsError, match="cannot be read"):
        check(tmp_path, MD5)
