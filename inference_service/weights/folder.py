"""Weights on disk: downloaded once, checked before anybody opens them.

    get ── there ────────────────────────────────────────────> check ──> path
      └─── not there ──> lock ──> NAME.part ──> check ──> rename ──> path

Under its final name a file is whole and checked, whatever crashed: it gets that name last, by a rename. One
that has the name and is not what is expected was put there by someone: it is reported and never replaced.
Workers that share a folder download a file once; the others wait for the lock, which ends with its process.

The prefix of a sum, as model zoos write it into file names, tells a broken file from the right one. It is no
proof against a forged one: that is TLS, and who may write to the folder.

A file on Hugging Face's hub whose sum is not written down here is declared without one. Then the hub is asked
for it, over TLS, and what it says is kept beside the file as NAME.sum, so that later starts need no network.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from inference_service.errors import WeightsError
from inference_service.weights import hub, sums
from inference_service.weights.fetch import Fetch, FetchError, is_web_url

OnProgress = Callable[[str, float], None]
"""What is being done, and the fraction of it that is done, 0..1."""

_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,127}", re.ASCII)
_REPORT_EVERY_S = 0.25
_LOOK_AGAIN_S = 0.5


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """One file that a filter needs. Raises ValueError for a file that could never be had."""

    name: str
    """The file's own name in the folder, so best one that no other model has."""
    url: str
    """Where it is downloaded from: http or https."""
    sum_prefix: str | None
    """`md5:` or `sha256:` and the first 6 or more hexadecimal digits of that sum; None: the hub is asked."""
    licence: str
    """In words, for whoever downloads it."""
    size_bytes: int | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name.endswith((".part", ".lock", ".sum")):
            raise ValueError(f"weights: {self.name!r} is no file name to keep them under")
        if not is_web_url(self.url):
            raise ValueError(f"weights: expected an http or https address, not {self.url!r}")
        if self.sum_prefix is not None:
            sums.split(self.sum_prefix)
        elif hub.commit_in(self.url) is None:
            raise ValueError(f"weights: {self.url!r} names no commit, so what it says may change")


def check(path: Path, sum_prefix: str | None, size_bytes: int | None = None) -> None:
    """Raise WeightsError unless `path` is a readable file with such a sum; see `WeightsFile.sum_prefix`."""
    kind, prefix = ("md5", "") if sum_prefix is None else sums.split(sum_prefix)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            found = hashlib.file_digest(file, lambda: sums.hasher(kind, size)).hexdigest()
    except FileNotFoundError:
        raise WeightsError(f"there is no file {path}; put the weights there") from None
    except OSError as exc:
        raise WeightsError(f"{path} cannot be read ({exc.strerror})") from exc
    if size_bytes is not None and size != size_bytes:
        what = "truncated" if size < size_bytes else "not the file that is expected"
        raise WeightsError(f"{path} is {what}: it has {size:,} bytes, expected are {size_bytes:,}")
    if not found.startswith(prefix):
        raise WeightsError(
            f"{path} is truncated or not the file that is expected: the {kind.upper()} sum of its {size:,} "
            f"bytes begins with {found[: len(prefix)]}, expected is {prefix}"
        )


@dataclass(frozen=True, slots=True)
class WeightsFolder:
    """Where weights lie. `on_progress` is called in the thread that calls `get`, a few times a second."""

    path: Path
    on_progress: OnProgress | None = None
    fetch: Fetch = field(default_factory=Fetch)

    def get(self, file: WeightsFile) -> Path:
        """Return the path of a checked file, downloaded if it is not there.

        Reads the whole file once for its sum. May last as long as the download, its own or another worker's.
        Raises WeightsError, which tells the operator what to do.
        """
        return self._get(self._stated(file))

    def get_all(self, files: Sequence[WeightsFile]) -> list[Path]:
        """As `get` for each, with one progress over all of them."""
        known = [self._stated(file) for file in files]
        # One whose size nobody knows until it comes counts little.
        sizes = [file.size_bytes or 1 for file in known]
        paths: list[Path] = []
        for n, file in enumerate(known):
            before, share = sum(sizes[:n]) / sum(sizes), sizes[n] / sum(sizes)
            paths.append(replace(self, on_progress=self._within(before, share))._get(file))
        return paths

    def _within(self, before: float, share: float) -> OnProgress:
        return lambda text, fraction: self._report(text, before + share * fraction)

    def _stated(self, file: WeightsFile) -> WeightsFile:
        """Return the file with a sum: its own, or what the hub says of it, has said before."""
        if file.sum_prefix is not None:
            return file
        target, note = self.path / file.name, self.path / f"{file.name}.sum"
        stated = hub.kept(note, file.url)
        if stated is None:
            self._report(f"asking for the sum of {file.name}", 0.0)
            try:
                stated = hub.ask(file.url, self.fetch)
            except FetchError as exc:
                raise WeightsError(
                    f"{urlsplit(file.url).hostname} could not be asked for the sum of {file.name}: {exc}. "
                    f"Try again, or bring {file.name} and {note.name} to {self.path} from a host where "
                    f"`python -m inference_service download` has fetched them, {_by_hand(target)}"
                ) from exc
            # A folder that may only be read will do, if what is needed lies there.
            with suppress(OSError):
                self.path.mkdir(parents=True, exist_ok=True)
                hub.keep(note, file.url, stated)
        return replace(file, sum_prefix=stated.sum, size_bytes=stated.size_bytes)

    def _get(self, file: WeightsFile) -> Path:
        target = self.path / file.name
        try:
            # Without the lock, so that a folder that may only be read will do.
            if not target.exists():
                self.path.mkdir(parents=True, exist_ok=True)
                with self._locked(file):
                    if not target.exists():
                        self._download(file, target)
                        return target
        except OSError as exc:
            raise WeightsError(
                f"{file.name} cannot be kept in {self.path} ({exc.strerror}); see that this user may write "
                "there and that there is room, or choose another folder (--weights-dir)"
            ) from exc
        return self._present(file, target)

    def _present(self, file: WeightsFile, target: Path) -> Path:
        self._report(f"checking {file.name}", 0.0)
        try:
            check(target, file.sum_prefix, file.size_bytes)
        except WeightsError as exc:
            raise WeightsError(f"{exc}. Delete it, and it is downloaded anew, {_by_hand(target)}") from exc
        return target

    def _download(self, file: WeightsFile, target: Path) -> None:
        part = _part(target)
        report = _Throttled(self._report, file.name)
        try:
            has_older_bytes = self.fetch.into(part, file.url, file.size_bytes, report)
            if has_older_bytes and not _is_right(part, file):
                # What lay there may be of a crash or of another version: once more, from the start.
                part.unlink()
                self.fetch.into(part, file.url, file.size_bytes, report)
        except FetchError as exc:
            kept = (
                "What has come is kept, and the next try goes on from there" if part.exists() else "Try again"
            )
            raise WeightsError(
                f"{file.name} could not be downloaded from {file.url}: {exc}. {kept}, {_by_hand(target)}"
            ) from exc
        self._report(f"checking {file.name}", 1.0)
        try:
            check(part, file.sum_prefix, file.size_bytes)
        except WeightsError as exc:
            part.unlink()
            raise WeightsError(
                f"{file.url} gave another file than {file.name}, which has been deleted again: {exc}. "
                f"Try again, {_by_hand(target)}"
            ) from exc
        _sync(part)
        part.replace(target)
        _sync(self.path)

    @contextmanager
    def _locked(self, file: WeightsFile) -> Iterator[None]:
        """Hold the lock of a file. Whoever waits shows how far the other is."""
        part = _part(self.path / file.name)
        lock_fd = os.open(
            self.path / f".{file.name}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644
        )
        try:
            # flock knows no time limit that would let the wait be shown, so it is asked again and again.
            while not _try_lock(lock_fd):
                has = part.stat().st_size if part.exists() else 0
                self._report(
                    f"waiting for another worker, which downloads {file.name} ({has / 1e6:.0f} MB so far)",
                    _fraction(has, file.size_bytes),
                )
                time.sleep(_LOOK_AGAIN_S)
            yield
        finally:
            os.close(lock_fd)

    def _report(self, text: str, fraction: float) -> None:
        if self.on_progress is not None:
            self.on_progress(text, fraction)


def default_folder() -> Path:
    """Return the user's cache folder for weights, by the XDG base directory specification."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "p2pcamera" / "weights"


class _Throttled:
    """Turns counts of bytes into a progress that changes a few times a second."""

    def __init__(self, report: OnProgress, name: str) -> None:
        self._report = report
        self._name = name
        self._reported_s = float("-inf")

    def __call__(self, has: int, wanted: int | None) -> None:
        now_s = time.monotonic()
        if now_s - self._reported_s < _REPORT_EVERY_S and has != wanted:
            return
        self._reported_s = now_s
        of = "" if wanted is None else f" of {wanted / 1e6:.0f}"
        self._report(f"downloading {self._name} ({has / 1e6:.0f}{of} MB)", _fraction(has, wanted))


def _fraction(has: int, wanted: int | None) -> float:
    return min(has / wanted, 1.0) if wanted else 0.0


def _part(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def _is_right(part: Path, file: WeightsFile) -> bool:
    try:
        check(part, file.sum_prefix, file.size_bytes)
    except WeightsError:
        return False
    return True


def _try_lock(lock_fd: int) -> bool:
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync(path: Path) -> None:
    # The bytes before the name: after a loss of power the name must not stand for less than was checked.
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _by_hand(target: Path) -> str:
    return f"or put the right file at {target} yourself, or name one in the filter's `weights` setting"
