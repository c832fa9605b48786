"""Has pytest rewrite the tests' modules once, for all processes of a run.

pytest rewrites each `assert`: 10 s of CPU for all modules. Where Python may not keep what it compiles, every
process of every run would do that anew; elsewhere each of the first run.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Do it on all cores, where several processes are about to start; they find the results."""
    config = session.config
    if not getattr(config.option, "numprocesses", None):
        return
    global _config
    _config = config
    files = [*HERE.rglob("test_*.py"), *HERE.rglob("conftest.py")]
    # Forks, which have the configuration. This process has no other thread yet.
    with ProcessPoolExecutor(os.cpu_count(), get_context("fork")) as pool:
        for _ in pool.map(_keep, files, chunksize=4):
            pass


_config: pytest.Config


def _keep(source: Path) -> None:
    keep(_config, source)


def keep(config: pytest.Config, source: Path) -> None:
    """Write what pytest makes of a module to where it looks for that, unless it is there and current.

    A file that cannot be parsed is left to pytest, which tells of it.
    """
    folder = rewrite.get_cache_dir(source)
    kept = folder / f"{source.stem}{rewrite.PYC_TAIL}"
    if rewrite._read_pyc(source, kept) is not None or not rewrite.try_makedirs(folder):
        return
    try:
        source_hash, code = rewrite._rewrite_test(source, config)
    except SyntaxError:
        return
    rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, source_hash, kept)
