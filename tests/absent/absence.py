"""Makes packages that are installed look as if they were not, in this process and in those that it starts.

Only the tests marked for them may use the packages of known models. All other tests then show that nothing
else needs them, with every package in one environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

VARIABLE = "P2PCAMERA_TEST_ABSENT"
"""Names the absent packages to child processes, which find `sitecustomize.py` by PYTHONPATH."""
HERE = str(Path(__file__).parent)


class Absence:
    """The finder of installed modules, but for those of some packages."""

    def __init__(self, names: Iterable[str]) -> None:
        self._absent = frozenset(names)
        self._hidden: dict[str, ModuleType] = {}

    def __getattr__(self, name: str) -> Any:
        # What importlib.metadata asks for the installed distributions.
        return getattr(PathFinder, name)

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find a module as the path says, or nothing where its package is absent."""
        return None if self._is_absent(name) else PathFinder.find_spec(name, path, target)

    def install(self) -> None:
        """Take the place of the finder in this process."""
        sys.meta_path[sys.meta_path.index(PathFinder)] = self

    def environ(self) -> dict[str, str]:
        """Return what a process needs in its environment so that the packages are absent there too."""
        folders = [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one not in ("", HERE)]
        return {VARIABLE: ",".join(sorted(self._absent)), "PYTHONPATH": os.pathsep.join([HERE, *folders])}

    def announce(self) -> None:
        """Tell the processes that are started from now on."""
        os.environ.update(self.environ())

    @contextmanager
    def lifted(self, names: frozenset[str]) -> Iterator[None]:
        """Let these packages be found within the block, here and in processes that are started in it.

        Modules imported in it are set aside at its end, and are the same objects in the next block.
        """
        if not names & self._absent:
            # Most tests: no list of thousands of modules is searched for them.
            yield
            return
        absent = self._absent
        self._absent = absent - names
        self.announce()
        for name in [name for name in self._hidden if not self._is_absent(name)]:
            sys.modules[name] = self._hidden.pop(name)
        try:
            yield
        finally:
            self._absent = absent
            self.announce()
            for name in [name for name in sys.modules if self._is_absent(name)]:
                self._hidden[name] = sys.modules.pop(name)

    def _is_absent(self, name: str) -> bool:
        return name.partition(".")[0] in self._absent
