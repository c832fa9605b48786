"""`python -m inference_service dev FILE_OR_PACKAGE`: both services with a filter that is being written.

This process starts them and ends them. The worker is one of its own (dev_worker.py), which loads the filter
anew on each save; it is started again when the filter takes it down. The other is the signaling service.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence

from inference_service import exit_codes
from shared.run_dir import run_dir

END_LIMIT_S = 5.0
LOOK_EVERY_S = 0.1
AGAIN_AFTER_S = 2.0
"""A worker that dies at once is not started again and again without a pause."""


def main(argv: Sequence[str]) -> int:
    """Run until Ctrl-C and return 0; 2: the target has no filter. Else the code of a service that ended."""
    parser = argparse.ArgumentParser(
        prog="python -m inference_service dev",
        description="Both services on this machine with a filter that you are writing. When you save it, it "
        "is loaded anew, and calls go on. Errors are shown here and on the page.",
    )
    parser.add_argument(
        "target", metavar="FILE_OR_PACKAGE", help="a .py file, a folder with pyproject.toml, or a package"
    )
    parser.add_argument("--port", type=int, default=7860, help="of the page (default: 7860)")
    parser.add_argument("--device", help="as for a worker: auto, cpu, cuda or cuda:N")
    parser.add_argument("--filter-settings", metavar="JSON", help="as for a worker")
    arguments = parser.parse_args(argv)
    if importlib.util.find_spec("signaling_service") is None or importlib.util.find_spec("aiortc") is None:
        sys.stderr.write("dev needs the signaling service: python -m pip install 'p2pcamera[signaling]'\n")
        return exit_codes.REFUSED
    flags = [
        f"--{name.replace('_', '-')}={value}"
        for name in ("device", "filter_settings")
        if (value := getattr(arguments, name)) is not None
    ]
    both = _Both(arguments.target, flags, _environment(os.environ, arguments.port))
    try:
        return both.run()
    except KeyboardInterrupt:
        return exit_codes.DONE
    finally:
        both.end()


class _Both:
    """The two processes. `end` leaves none of them."""

    def __init__(self, target: str, flags: Sequence[str], environment: Mapping[str, str]) -> None:
        self._target = target
        self._flags = list(flags)
        self._environment = dict(environment)
        self._ended = threading.Event()
        self._worker: subprocess.Popen[bytes] | None = None
        self._service: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Start both, and return the exit code of the first one whose end means the end."""
        names = self._start_worker()
        assert self._worker is not None
        if not names:
            return self._worker.wait() or exit_codes.REFUSED
        self._environment.setdefault("SIGNALING_DEFAULT_FILTER", names.partition(",")[0])
        # Nobody takes its calls over.
        self._environment.setdefault("SIGNALING_DRAIN_SECONDS", "0")
        self._service = subprocess.Popen([sys.executable, "-m", "signaling_service"], env=self._environment)
        threading.Thread(target=self._announce, args=(names,), daemon=True).start()
        while not self._ended.wait(LOOK_EVERY_S):
            if (code := self._service.poll()) is not None:
                return code or 1
            if (code := self._worker.poll()) is not None:
                sys.stderr.write(f"the worker ended with code {code}; it is started again\n")
                self._ended.wait(AGAIN_AFTER_S)
                if not self._start_worker():
                    sys.stderr.write("mend the file; it is tried again\n")
        return exit_codes.DONE

    def end(self) -> None:
        """Ask both to end, and kill what is still there after a while."""
        self._ended.set()
        processes = [one for one in (self._service, self._worker) if one is not None]
        for one in processes:
            one.terminate()
        for one in processes:
            try:
                one.wait(END_LIMIT_S)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()

    def _start_worker(self) -> str:
        """Return the names of the filters, empty where the worker has ended without any."""
        names_from, names_to = os.pipe()
        command = [sys.executable, "-m", "inference_service.commands.dev_worker", str(names_to), self._target]
        try:
            self._worker = subprocess.Popen(  # noqa: S603 - what the author named, as an argument
                [*command, *self._flags], env=self._environment, pass_fds=(names_to,)
            )
        finally:
            os.close(names_to)
        with os.fdopen(names_from) as names:
            return names.readline().strip()

    def _announce(self, names: str) -> None:
        """Print the page's address when a call would be taken."""
        url = f"http://localhost:{self._environment['SIGNALING_PORT']}/"
        while not self._ended.wait(2 * LOOK_EVERY_S):
            try:
                with urllib.request.urlopen(f"{url}readyz", timeout=1):  # noqa: S310 - of this machine
                    sys.stdout.write(
                        f"\n  {names}: open {url}   (save the file to see a change, Ctrl-C ends)\n\n"
                    )
                    sys.stdout.flush()
                    return
            except (urllib.error.URLError, OSError):
                continue


def _environment(given: Mapping[str, str], port: int) -> dict[str, str]:
    """Return the environment of both: they meet at a socket that is named after the port."""
    environment = dict(given)
    results = f"ipc://{run_dir(given) / f'results-dev-{port}.ipc'}"
    environment |= {
        "SIGNALING_PORT": str(port),
        "SIGNALING_RESULTS_BIND": results,
        "INFERENCE_SIGNALING": results,
    }
    environment.setdefault("SIGNALING_HOST", "127.0.0.1")
    # Where the services lie in a folder instead of being installed, a child finds them as this process did.
    folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (folder, environment.get("PYTHONPATH", ""))))
    return environment
