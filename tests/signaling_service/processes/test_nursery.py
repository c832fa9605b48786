from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import asyncio, os, psutil, signal, socket
from signaling_service.processes import media_process
from signaling_service.processes.nursery import Nursery

async def one_lives(nursery):
    own, its = socket.socketpair()
    child = await nursery.start(its)
    its.close()
    print("parent", psutil.Process(child.pid).ppid() == nursery._server.pid)
    own.close()
    await child.wait()
    child.close()

nursery = Nursery()
nursery.fork()
server = nursery._server
print("fork", psutil.Process(server.pid).cmdline() == psutil.Process().cmdline(), server.poll())
asyncio.run(one_lives(nursery))
os.kill(server.pid, signal.SIGKILL)
os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
asyncio.run(one_lives(nursery))
print("replaced", server.poll(), nursery._server is not server)
nursery.close()

nursery = Nursery()
nursery.fork()
nursery._requests.close()
print("left", nursery._server.wait())
"""


def test_the_first_fork_server_is_a_fork_and_leaves_with_its_front() -> None:
    # A process of its own: one with threads must not fork.
    said = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=True
    )
    assert said.stdout.splitlines() == [
        "fork True None",
        "parent True",
        "parent True",
        "replaced -9 True",
        "left 0",
    ]
