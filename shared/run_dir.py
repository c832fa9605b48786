"""The folder of this user's sockets and lock files, for services of one host.

`$P2PCAMERA_RUN_DIR`, else `$XDG_RUNTIME_DIR/p2pcamera`, else a folder of the user's own below the system's
temporary folder. Whoever may enter it may take part: see every raw frame, and answer in a worker's place. So
it is made for its owner alone, and one that others own or may enter is refused.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from shared.errors import RunDirError

VARIABLE = "P2PCAMERA_RUN_DIR"
RESULTS_NAME = "results.ipc"
"""Socket for results and status of a service that is told no other."""


def run_dir(environ: Mapping[str, str]) -> Path:
    """Return the folder; it need not be there yet."""
    if chosen := environ.get(VARIABLE):
        return Path(chosen).absolute()
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "p2pcamera"
    return Path(tempfile.gettempdir()) / f"p2pcamera-{os.getuid()}"


def make(folder: Path) -> None:
    """Make the folder, mode 0700, or check the one that is there; raises RunDirError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as exc:
        raise RunDirError(folder, f"cannot be made ({exc.strerror})") from exc
    # Never through a link that someone else laid into a shared temporary folder.
    if not stat.S_ISDIR(found.st_mode):
        raise RunDirError(folder, "is a link, not a folder")
    if found.st_uid != os.getuid():
        raise RunDirError(folder, f"belongs to user {found.st_uid}, not to {os.getuid()}")
    if found.st_mode & 0o077:
        raise RunDirError(folder, f"has mode {stat.S_IMODE(found.st_mode):04o}, so others may enter it: 0700")
