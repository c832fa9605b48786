"""The worker of `python -m inference_service dev`, a process of its own: loads filters anew on each save.

`python -m inference_service.commands.dev_worker FD TARGET [FLAGS of a worker]`. It writes the filters' names,
with commas between them and a line's end, into the open descriptor FD.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path

from inference_service import exit_codes
from inference_service.commands.source import Source, SourceFault
from inference_service.config import read_settings
from inference_service.filters.installed import installed
from inference_service.process import work
from inference_service.worker import Worker
from shared import log_lines

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25


def main(argv: Sequence[str]) -> int:
    """Run the worker until it is ended; return its exit code, 2 for a target that has no filter."""
    names_to, target, *flags = argv
    # A file that was saved twice in a second would be read from the first one's bytecode.
    sys.dont_write_bytecode = True
    try:
        source = Source(target)
    except SourceFault as exc:
        sys.stderr.write(f"{exc}\n")
        return exit_codes.REFUSED
    except (Exception, SystemExit) as exc:
        sys.stderr.write(
            f"{target} cannot be imported: {type(exc).__name__}: {exc}\n{_own_frame(target, exc)}\n"
        )
        return exit_codes.REFUSED
    settings = read_settings([f"--filters={','.join(source.names)}", *flags])
    log_lines.configure(settings.log_level)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(OwnFrame(source))
    with os.fdopen(int(names_to), "w") as names:
        names.write(f"{','.join(source.names)}\n")
    points = {**installed(has_test_params=settings.test_params), **source.points()}
    return work(
        settings, points, explain=source.explain, on_open=lambda worker: Watcher(source, worker).start()
    )


class Watcher(threading.Thread):
    """Looks at the files, and has the worker load the filters anew when one of them has changed."""

    def __init__(self, source: Source, worker: Worker) -> None:
        super().__init__(name="watcher", daemon=True)
        self._source = source
        self._worker = worker
        self._seen = source.stamps()
        self._ended = threading.Event()

    def run(self) -> None:
        changed: dict[Path, tuple[int, int]] | None = None
        while not self._ended.wait(LOOK_EVERY_S):
            stamps = self._source.stamps()
            # Two looks that agree: an editor may be in the middle of writing.
            if stamps == self._seen:
                changed = None
            elif stamps != changed:
                changed = stamps
            else:
                new = [file.name for file in stamps if stamps[file] != self._seen.get(file)]
                self._seen, changed = stamps, None
                logger.info("loading anew: %s", ", ".join(sorted(new)) or "a file is gone")
                self._worker.renew(self._source.forget)


class OwnFrame(log_lines.OneLine):
    """Writes of a traceback the author's own frame alone."""

    def __init__(self, source: Source) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
        self._source = source

    def formatException(self, ei: object) -> str:  # noqa: N802 - the base class names it
        """Return two lines: where it was, and what is written there."""
        exc = ei[1] if isinstance(ei, tuple) else None
        frame = self._source.frame_of(exc) if isinstance(exc, BaseException) else None
        return "" if frame is None else f"    {self._source.place(frame)}\n        {frame.line}"

    def format(self, record: logging.LogRecord) -> str:
        """Return the record, without the empty line of an exception that no file of the author's is in."""
        return super().format(record).rstrip("\n")


def _own_frame(target: str, exc: BaseException) -> str:
    """Return where in the target's folder an import failed, as two lines."""
    if isinstance(exc, SyntaxError):
        return f"    {exc.filename}, line {exc.lineno}\n        {(exc.text or '').strip()}"
    folder = os.path.dirname(os.path.abspath(target))  # noqa: PTH100, PTH120 - what tracebacks have
    own = [one for one in traceback.extract_tb(exc.__traceback__) if one.filename.startswith(folder)]
    return f"    {own[-1].filename}, line {own[-1].lineno}\n        {own[-1].line}" if own else ""


if __name__ == "__main__":
    code = main(sys.argv[1:])
    logging.shutdown()
    os._exit(code)
