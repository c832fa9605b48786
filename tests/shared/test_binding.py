from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
import zmq

from shared import binding, sockets
from shared.errors import BindError

Context = zmq.Context[zmq.Socket[bytes]]
BIND_AND_SAY_SO = """
import sys, time, zmq
from shared import binding, sockets
context = zmq.Context()
binding.bind(sockets.sub_results(context), sys.argv[1])
print("bound", flush=True)
time.sleep(60)
"""


def binder(endpoint: str) -> subprocess.Popen[bytes]:
    """Start another process that has bound `endpoint`."""
    argv = [sys.executable, "-c", BIND_AND_SAY_SO, endpoint]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    assert process.stdout.readline() == b"bound\n"
    return process


def test_a_path_that_another_process_has_is_refused_until_that_is_gone(
    context: Context, folder: Path
) -> None:
    endpoint = f"ipc://{folder}/one.ipc"
    process = binder(endpoint)
    socket = sockets.sub_results(context)
    inode = (folder / "one.ipc").stat().st_ino
    with pytest.raises(BindError, match="another process has it"):
        binding.bind(socket, endpoint)
    assert (folder / "one.ipc").stat().st_ino == inode
    process.kill()
    process.communicate()
    assert (folder / "one.ipc").is_socket()
    bound = binding.bind(socket, endpoint)
    assert bound.endpoint == endpoint
    assert (folder / "one.ipc").stat().st_mode & 0o777 == 0o600
    socket.close()
    bound.release()
    bound.release()
    assert list(folder.iterdir()) == []


def test_what_is_no_socket_is_not_removed(context: Context, folder: Path) -> None:
    (folder / "precious").write_text("data")
    with pytest.raises(BindError, match="no socket"):
        binding.bind(sockets.sub_results(context), f"ipc://{folder}/precious")
    assert (folder / "precious").read_text() == "data"


def test_a_link_in_the_place_of_the_lock_is_not_followed(context: Context, folder: Path) -> None:
    (folder / "one.ipc.lock").symlink_to(folder / "elsewhere")
    with pytest.raises(BindError, match="no lock"):
        binding.bind(sockets.sub_results(context), f"ipc://{folder}/one.ipc")
    assert not (folder / "elsewhere").exists()


def test_a_lock_whose_file_was_removed_meanwhile_is_none(
    context: Context, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that had it ends just now, and a third process is quicker."""
    path, flock = folder / "one.ipc.lock", fcntl.flock
    held: list[int] = []

    def late(lock_fd: int, how: int) -> None:
        if not held:
            path.unlink()
            held.append(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            flock(held[0], fcntl.LOCK_EX)
        flock(lock_fd, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(BindError, match="another process has it"):
        binding.bind(sockets.sub_results(context), f"ipc://{folder}/one.ipc")
    os.close(held[0])


def test_a_folder_that_is_missing_is_reported_and_one_named_need_not_be_private(
    context: Context, folder: Path
) -> None:
    with pytest.raises(BindError, match="No such file"):
        binding.bind(sockets.sub_results(context), f"ipc://{folder}/no/one.ipc")
    folder.chmod(0o755)
    binding.bind(sockets.sub_results(context), f"ipc://{folder}/one.ipc").release()


def test_the_users_own_folder_is_made_and_checked(context: Context, folder: Path) -> None:
    environ = {"P2PCAMERA_RUN_DIR": str(folder / "run")}
    endpoint = f"ipc://{folder}/run/one.ipc"
    binding.bind(sockets.sub_results(context), endpoint, environ).release()
    assert (folder / "run").stat().st_mode & 0o777 == 0o700
    (folder / "run").chmod(0o777)
    with pytest.raises(BindError, match="others may enter"):
        binding.bind(sockets.sub_results(context), endpoint, environ)


def test_a_path_too_long_for_a_socket_says_so(context: Context, folder: Path) -> None:
    with pytest.raises(BindError, match="at most 107 bytes"):
        binding.bind(sockets.sub_results(context), f"ipc://{folder}/{'x' * 108}")


def test_a_port_is_bound_and_said(context: Context) -> None:
    socket = sockets.sub_results(context)
    bound = binding.bind(socket, "tcp://127.0.0.1:*")
    assert int(bound.endpoint.rpartition(":")[2]) > 0
    with pytest.raises(BindError, match="already in use"):
        binding.bind(sockets.sub_results(context), f"tcp://127.0.0.1:{bound.endpoint.rpartition(':')[2]}")
    bound.release()
    socket.close()


def test_what_killed_processes_left_is_swept_and_nothing_else(context: Context, folder: Path) -> None:
    killed, living = (binder(f"ipc://{folder}/worker-{name}.ipc") for name in "ab")
    killed.kill()
    killed.communicate()
    (folder / "worker-c.ipc").touch()
    binding.sweep(folder / "worker-*.ipc")
    left = {path.name for path in folder.iterdir()}
    assert left == {"worker-b.ipc", "worker-b.ipc.lock", "worker-c.ipc"}
    living.kill()
    living.communicate()
