from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared import run_dir
from shared.errors import RunDirError


def test_the_folder_is_the_variables_then_the_runtime_folders_then_one_of_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/tmp")
    assert run_dir.run_dir({"P2PCAMERA_RUN_DIR": "/a/b", "XDG_RUNTIME_DIR": "/run/user/7"}) == Path("/a/b")
    assert run_dir.run_dir({"XDG_RUNTIME_DIR": "/run/user/7"}) == Path("/run/user/7/p2pcamera")
    assert run_dir.run_dir({"P2PCAMERA_RUN_DIR": ""}) == Path(f"/tmp/p2pcamera-{os.getuid()}")
    monkeypatch.chdir(tmp_path)
    assert run_dir.run_dir({"P2PCAMERA_RUN_DIR": "here"}) == tmp_path / "here"


def test_the_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    was = os.umask(0)
    try:
        run_dir.make(tmp_path / "run")
    finally:
        os.umask(was)
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    run_dir.make(tmp_path / "run")


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    with pytest.raises(RunDirError, match=r"mode 0750.*P2PCAMERA_RUN_DIR"):
        run_dir.make(tmp_path)


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(RunDirError, match="belongs to user"):
        run_dir.make(tmp_path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    (tmp_path / "run").symlink_to(tmp_path / "theirs")
    with pytest.raises(RunDirError, match="link"):
        run_dir.make(tmp_path / "run")


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunDirError, match="cannot be made"):
        run_dir.make(tmp_path / "file" / "run")
