"""Weights on disk: downloaded once, checked before anybody opens them.

    get ── there ────────────────────────────────────────────> check ──> path
      └─── not there ──> lock ──> NAME.part ──> check ──> rename ──> path

Under its final name a file is whole and checked, whatever crashed: it gets that name last, by a rename. One
that has the name and is not what is expected was put there by someone: it is reported and never replaced.
Workers that share a folder download a file once; the others wait for the lock, which ends with its process.

A file on Hugging Face's hub may be declared without a sum. Then the hub is asked for it, over TLS, and its
answer is kept beside the file as NAME.sum, so that later starts need no network.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlsplit

from inference_service.errors import Cause, DownloadError, WeightsError
from inference_service.weights import hub, sums
from inference_service.weights.fetch import FetchError, download

OnProgress = Callable[[str, float], None]
"""What is being done, and the fraction of it that is done, 0..1."""

_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,127}", re.ASCII)
_WEB = re.compile(r"https?://[^/?#\s]", re.IGNORECASE)
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
    """A file of another size is refused."""
    about_bytes: int = 0
    """For words alone, where the exact size is not stated; 0: nobody knows."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name.endswith((".part", ".lock", ".sum")):
            raise ValueError(f"weights: {self.name!r} is no file name to keep them under")
        if not _WEB.match(self.url):
            raise ValueError(f"weights: expected an http or https address, not {self.url!r}")
        if self.sum_prefix is not None:
            sums.split(self.sum_prefix)
        elif hub.commit_in(self.url) is None:
            raise ValueError(f"weights: {self.url!r} names no commit, so what it says may change")


class _Public(TypedDict):
    public: str
    cause: Cause
    subject: str


@dataclass(frozen=True, slots=True)
class WeightsFolder:
    """Where weights lie. `on_progress` is called in the thread that calls `get`, a few times a second."""

    path: Path
    on_progress: OnProgress | None = None

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
                stated = hub.ask(file.url)
            except FetchError as exc:
                raise DownloadError(
                    f"{urlsplit(file.url).hostname} could not be asked for the sum of {file.name}: {exc}. "
                    f"Try again, or bring {file.name} and {note.name} to {self.path} from a host where "
                    f"`python -m inference_service download` has fetched them, {_by_hand(target)}",
                    **_public(file, exc),
                ) from exc
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
            raise DownloadError(
                f"{file.name} cannot be kept in {self.path} ({exc.strerror}); see that this user may write "
                "there and that there is room, or choose another folder (--weights-dir)",
                public=f"the worker cannot keep {file.name} ({exc.strerror})",
                cause=Cause.NOT_KEPT,
                subject=file.name,
            ) from exc
        return self._present(file, target)

    def _present(self, file: WeightsFile, target: Path) -> Path:
        self._report(f"checking {file.name}", 0.0)
        try:
            sums.check(target, file.sum_prefix, file.size_bytes)
        except WeightsError as exc:
            raise WeightsError(
                f"{exc}. Delete it, and it is downloaded anew, {_by_hand(target)}",
                public=f"{file.name} is damaged, or another file",
                cause=Cause.DAMAGED,
                subject=file.name,
            ) from exc
        return target

    def _download(self, file: WeightsFile, target: Path) -> None:
        part = _part(target)

        def on_bytes(has: int, wanted: int | None) -> None:
            of = "" if wanted is None else f" of {wanted / 1e6:.0f}"
            text = f"downloading {file.name} ({has / 1e6:.0f}{of} MB)"
            self._report(text, _fraction(has, wanted))

        try:
            download(file.url, part, file.size_bytes, on_bytes)
        except FetchError as exc:
            again = "The next try goes on from what has come" if part.exists() else "Try again"
            raise DownloadError(
                f"{file.name} could not be downloaded from {file.url}: {exc}. {again}, {_by_hand(target)}",
                **_public(file, exc),
            ) from exc
        self._report(f"checking {file.name}", 1.0)
        try:
            sums.check(part, file.sum_prefix, file.size_bytes)
        except WeightsError as exc:
            part.unlink()
            raise DownloadError(
                f"{file.url} gave another file than {file.name}, which has been deleted again: {exc}. "
                f"Try again, {_by_hand(target)}",
                public=f"{urlsplit(file.url).hostname} gave another file than {file.name}",
                cause=Cause.WRONG_FILE,
                subject=_subject(file),
            ) from exc
        part.replace(target)

    @contextmanager
    def _locked(self, file: WeightsFile) -> Iterator[None]:
        """Hold the lock of a file. Whoever waits shows how far the other is."""
        from filelock import FileLock, Timeout

        part = _part(self.path / file.name)
        lock = FileLock(self.path / f".{file.name}.lock", timeout=_LOOK_AGAIN_S)
        while True:
            try:
                lock.acquire()
                break
            except Timeout:
                has = part.stat().st_size if part.exists() else 0
                self._report(
                    f"waiting for another worker, which downloads {file.name} ({has / 1e6:.0f} MB so far)",
                    _fraction(has, file.size_bytes),
                )
        try:
            yield
        finally:
            lock.release()

    def _report(self, text: str, fraction: float) -> None:
        if self.on_progress is not None:
            self.on_progress(text, fraction)


def default_folder() -> Path:
    """Return the user's cache folder for weights, by the XDG base directory specification."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "p2pcamera" / "weights"


def _fraction(has: int, wanted: int | None) -> float:
    return min(has / wanted, 1.0) if wanted else 0.0


def _part(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def _public(file: WeightsFile, exc: FetchError) -> _Public:
    subject = _subject(file)
    told = f"{subject}, {exc.said}" if exc.said else subject
    return {"public": f"{subject}: {exc}", "cause": exc.cause, "subject": told}


def _subject(file: WeightsFile) -> str:
    return f"{urlsplit(file.url).hostname}, {file.name}"


def _by_hand(target: Path) -> str:
    return f"or put the right file at {target} yourself, or name one in the filter's `weights` setting"
