"""The files of a filter that is being written: found, imported, forgotten, and watched."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import linecache
import re
import sys
import tomllib
import traceback
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from inference_service.filters.base import Filter
from inference_service.filters.installed import BUILT_IN, GROUP

MAX_LINE = 300


class SourceFault(Exception):
    """No filter can be had of what was named; the text says why."""


class Source:
    """A file, or a folder with a pyproject.toml, or the name of an installed package."""

    def __init__(self, target: str) -> None:
        """Find the filters' names. Raises SourceFault, and what the import of a file raises."""
        path = Path(target).resolve()
        self._file: Path | None = None
        if path.is_file():
            self.root = path.parent
            self._file = path
            sys.path.append(str(self.root))
            self._values = dict.fromkeys(self._classes(), "")
        elif path.is_dir():
            self.root = path
            self._values = _declared(path)
            sys.path[:0] = [str(folder) for folder in (path, path / "src") if folder.is_dir()]
        else:
            self._values = _installed(target)
            self.root = _folder_of(next(iter(self._values.values())))
        if taken := [name for name in self._values if name in BUILT_IN]:
            raise SourceFault(f"{', '.join(taken)} is a filter of the project; give yours another name")

    @property
    def names(self) -> tuple[str, ...]:
        """The filters that it has, in the order in which they are written."""
        return tuple(self._values)

    def points(self) -> dict[str, EntryPoint]:
        """Return what a registry needs of each: its name, and how its class is loaded."""
        return {name: _Point(name, value, GROUP)._of(self) for name, value in self._values.items()}

    def load(self, name: str) -> Any:
        """Return the class; raises what its import raises."""
        if self._file is None:
            return EntryPoint(name, self._values[name], GROUP).load()
        classes = self._classes()
        if name not in classes:
            raise SourceFault(
                f"{self._file.name} has no filter {name!r} any more; start again for another name"
            )
        return classes[name]

    def forget(self) -> None:
        """Have the next `load` import everything below the folder anew."""
        for name, _ in list(self._modules()):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        linecache.checkcache()

    def stamps(self) -> dict[Path, tuple[int, int]]:
        """Return the time of change (ns) and the size of each watched file; one that is gone has none."""
        files = {Path(module.__file__) for _, module in self._modules() if module.__file__}
        files |= {self._file} if self._file else set(_python_files(self.root))
        stamps = {}
        for file in files:
            try:
                found = file.stat()
            except OSError:
                continue
            stamps[file] = (found.st_mtime_ns, found.st_size)
        return stamps

    def frame_of(self, exc: BaseException) -> traceback.FrameSummary | None:
        """Return the author's own frame of a traceback, the last one below the folder; None without one."""
        if isinstance(exc, SyntaxError) and exc.filename and self._is_own(exc.filename):
            return traceback.FrameSummary(exc.filename, exc.lineno or 0, "", line=(exc.text or "").strip())
        frames = traceback.extract_tb(exc.__traceback__)
        return next((frame for frame in reversed(frames) if self._is_own(frame.filename)), None)

    def explain(self, exc: BaseException) -> str:
        """Return an exception in a line, with the author's own frame, and without the folder's path."""
        text = (exc.msg if isinstance(exc, SyntaxError) else str(exc)).strip().partition("\n")[0]
        text = text.replace(f"{self.root}/", "")[:MAX_LINE]
        line = f"{type(exc).__name__}: {text}" if text else type(exc).__name__
        if frame := self.frame_of(exc):
            line += f" ({self.place(frame)})"
        return line

    def place(self, frame: traceback.FrameSummary) -> str:
        """Return where a frame is: `mirror.py, line 9, in apply`."""
        file = Path(frame.filename).resolve().relative_to(self.root)
        return f"{file}, line {frame.lineno}" + (f", in {frame.name}" if frame.name else "")

    def _is_own(self, filename: str) -> bool:
        path = Path(filename).resolve()
        return path.is_relative_to(self.root) and "site-packages" not in path.relative_to(self.root).parts

    def _modules(self) -> Iterator[tuple[str, ModuleType]]:
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if (
                file
                and name != "__main__"
                and self._is_own(file)
                and not name.startswith("inference_service")
            ):
                yield name, module

    def _classes(self) -> dict[str, type[Filter]]:
        """Import the file; return the filters that it defines."""
        assert self._file is not None
        name = _module_name(self._file)
        found = sys.modules.get(name)
        if found is None:
            spec = importlib.util.spec_from_file_location(name, self._file)
            if spec is None or spec.loader is None:
                raise SourceFault(f"{self._file.name} is no Python file")
            found = sys.modules[name] = importlib.util.module_from_spec(spec)
            try:
                spec.loader.exec_module(found)
            except BaseException:
                sys.modules.pop(name, None)
                raise
        classes = {
            one.name: one
            for one in vars(found).values()
            if inspect.isclass(one)
            and issubclass(one, Filter)
            and one.__module__ == name
            and hasattr(one, "name")
        }
        if not classes:
            raise SourceFault(
                f"{self._file.name} has no filter: no class with a name made from "
                "inference_service.filters.base.Filter"
            )
        return classes


class _Point(EntryPoint):
    """An entry point whose class comes from a source."""

    def _of(self, source: Source) -> _Point:
        # The base class lets nobody set attributes.
        vars(self)["source"] = source
        return self

    def load(self) -> Any:
        return vars(self)["source"].load(self.name)


def _module_name(file: Path) -> str:
    """Return the name by which the file's folder would import it, unless that is another module's."""
    name = file.stem
    if name.isidentifier():
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None and Path(spec.origin).resolve() == file:
            return name
    return f"filter_in_{re.sub(r'[^0-9A-Za-z_]', '_', name)}"


def _declared(folder: Path) -> dict[str, str]:
    """Return the entry points of a folder's pyproject.toml."""
    path = folder / "pyproject.toml"
    try:
        project = tomllib.loads(path.read_text("utf-8")).get("project", {})
    except OSError as exc:
        raise SourceFault(
            f"{folder.name} has no pyproject.toml that can be read; name a file instead"
        ) from exc
    except ValueError as exc:
        raise SourceFault(f"{folder.name}/pyproject.toml: {exc}") from exc
    found = project.get("entry-points", {}).get(GROUP, {})
    if not found:
        raise SourceFault(f'{folder.name}/pyproject.toml has no [project.entry-points."{GROUP}"]')
    return {str(name): str(value) for name, value in found.items()}


def _installed(target: str) -> dict[str, str]:
    """Return the entry points of a distribution, or of a module, of this name."""
    wanted = target.replace("-", "_").lower()
    found = {
        point.name: point.value
        for point in entry_points(group=GROUP)
        if wanted in (point.dist.name.replace("-", "_").lower() if point.dist else "", point.module)
    }
    if not found:
        raise SourceFault(f"{target}: no such file or folder, and no installed package of filters")
    return found


def _folder_of(value: str) -> Path:
    spec = importlib.util.find_spec(value.partition(":")[0].partition(".")[0])
    if spec is None or not spec.origin:
        raise SourceFault(f"{value} cannot be found")
    file = Path(spec.origin).resolve()
    # Of a module alone that lies beside others only this file is meant, but its folder is what is watched.
    return file.parent


def _python_files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith((".", "__pycache__")) or path.name in ("node_modules", "site-packages"):
            continue
        if path.is_dir() and not (path / "pyvenv.cfg").exists():
            yield from _python_files(path)
        elif path.suffix == ".py":
            yield path
