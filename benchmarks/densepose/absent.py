"""Stands in for packages that DensePose imports and its inference never uses.

So a GPU machine without network needs only a few megabytes carried to it: scipy, matplotlib, PyAV and
pycocotools would be 150 MB. Each name that is looked up in them is an empty class.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

UNUSED = ("scipy", "matplotlib", "av", "pycocotools", "tensorboard", "PIL")


def stand_in(names: Iterable[str] = UNUSED) -> list[str]:
    """Stand in for those of the packages that are not installed; return their names."""
    absent = [name for name in names if importlib.util.find_spec(name) is None]
    sys.meta_path.append(_Finder(frozenset(absent)))
    return absent


class _Finder(MetaPathFinder, Loader):
    def __init__(self, absent: frozenset[str]) -> None:
        self._absent = absent

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in self._absent:
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Absent(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


class _Absent(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "use":
            # matplotlib.use, which DensePose calls when it is imported.
            return lambda *args, **kwargs: None
        return _Nothing(name, (), {})


class _Nothing(type):
    """A class whose every attribute is another one of its kind: enough to be named in annotations."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing(name, (), {})
