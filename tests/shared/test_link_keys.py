from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared import link_keys
from shared.errors import KeysError


def test_each_side_reads_its_own_pair_and_the_others_public_key(tmp_path: Path) -> None:
    link_keys.make(tmp_path / "keys")
    service, worker = (link_keys.load(tmp_path / "keys", side) for side in link_keys.SIDES)
    assert service.peer_public == worker.public
    assert worker.peer_public == service.public
    assert len({service.secret, worker.secret, service.public, worker.public}) == 4
    assert service.secret.decode() not in repr(service)


def test_secrets_are_their_owners_alone(tmp_path: Path) -> None:
    was = os.umask(0)
    try:
        files = link_keys.make(tmp_path / "keys")
    finally:
        os.umask(was)
    modes = {path.name: path.stat().st_mode & 0o777 for path in files}
    assert modes == {
        "service.public": 0o644,
        "service.secret": 0o600,
        "worker.public": 0o644,
        "worker.secret": 0o600,
    }
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


def test_keys_that_are_there_are_not_replaced(tmp_path: Path) -> None:
    link_keys.make(tmp_path)
    with pytest.raises(KeysError, match=r"worker\.secret"):
        link_keys.make(tmp_path)


def test_a_host_needs_the_files_of_its_own_side_alone(tmp_path: Path) -> None:
    link_keys.make(tmp_path)
    (tmp_path / "service.secret").unlink()
    link_keys.load(tmp_path, "worker")
    with pytest.raises(KeysError, match=r"service\.secret"):
        link_keys.load(tmp_path, "service")


@pytest.mark.parametrize("text", ["", "short", "x" * 41, " " * 39 + "~", "\x00" * 40, "~" * 40])
def test_what_is_no_key_is_refused_by_its_file(tmp_path: Path, text: str) -> None:
    link_keys.make(tmp_path)
    (tmp_path / "service.public").write_text(text)
    with pytest.raises(KeysError, match=r"service\.public"):
        link_keys.load(tmp_path, "worker")


def test_a_secret_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    link_keys.make(tmp_path)
    (tmp_path / "worker.secret").chmod(0o604)
    with pytest.raises(KeysError, match="chmod 600"):
        link_keys.load(tmp_path, "worker")


@pytest.mark.parametrize(
    ("name", "mode", "is_taken"),
    [
        ("service.public", 0o646, False),
        ("service.public", 0o664, True),
        (".", 0o777, False),
        (".", 0o1777, True),
    ],
)
def test_a_key_that_everybody_can_replace_is_refused(
    tmp_path: Path, name: str, mode: int, is_taken: bool
) -> None:
    link_keys.make(tmp_path / "keys")
    (tmp_path / "keys" / name).chmod(mode)
    if is_taken:
        link_keys.load(tmp_path / "keys", "worker")
        return
    with pytest.raises(KeysError, match="chmod o-w"):
        link_keys.load(tmp_path / "keys", "worker")
