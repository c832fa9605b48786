"""`python -m inference_service new NAME`: a package to start from, with a filter, its tests and a README."""

from __future__ import annotations

import argparse
import keyword
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from string import Template

from inference_service import exit_codes
from inference_service.filters.installed import BUILT_IN

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MAX_NAME = 40
FILES = {
    "filter.py.txt": "$module.py",
    "tests/conftest.py.txt": "tests/conftest.py",
    "tests/test_filter.py.txt": "tests/test_$module.py",
    "pyproject.toml.txt": "pyproject.toml",
    "README.md.txt": "README.md",
}
"""What lies in `template`, and what it is called in the package."""


def main(argv: Sequence[str]) -> int:
    """Make the package in the present folder; return 0, 1 where it cannot be written, 2 for a bad name."""
    parser = argparse.ArgumentParser(
        prog="python -m inference_service new",
        description="Make a package with a filter to start from, in a folder of its name.",
    )
    parser.add_argument("name", metavar="NAME", help="of the filter: small letters, digits and -")
    name = parser.parse_args(argv).name
    if fault := _fault(name):
        sys.stderr.write(f"{fault}\n")
        return exit_codes.REFUSED
    folder = Path(name)
    if folder.exists():
        sys.stderr.write(f"{folder} is there already; take another name, or move it away\n")
        return exit_codes.FAILED
    try:
        _make(folder, name)
    except OSError as exc:
        sys.stderr.write(f"{folder} cannot be written: {exc.strerror or exc}\n")
        return exit_codes.FAILED
    sys.stdout.write(
        f"{folder}/ is made. Next:\n"
        f"  cd {folder}\n"
        "  python -m pytest                     # its tests (pip install pytest)\n"
        "  python -m inference_service dev .    # live on http://localhost:7860/, loaded anew when you save\n"
    )
    return exit_codes.DONE


def _fault(name: str) -> str:
    """Return what is wrong with a name, empty where nothing is."""
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        return (
            f"{name!r} cannot be a filter's name here: expected at most {MAX_NAME} small letters, digits "
            "and -, a letter first"
        )
    if name in BUILT_IN:
        return f"{name!r} is a filter of the project, which would win; take another name"
    if keyword.iskeyword(name) or keyword.iskeyword(_class_of(name)):
        return f"{name!r} is a word of Python; take another name"
    return ""


def _make(folder: Path, name: str) -> None:
    """Write all files, or none: under their own name only when they are whole."""
    words = name.split("-")
    values = {
        "name": name,
        "module": f"p2pcamera_{name.replace('-', '_')}",
        "cls": _class_of(name),
        "title": " ".join(words).capitalize(),
        "range": _range(),
    }
    template = files(__package__) / "template"
    part = Path(tempfile.mkdtemp(prefix=f".{name}-", dir="."))
    try:
        part.chmod(0o755)
        for source, target in FILES.items():
            path = part / Template(target).substitute(values)
            path.parent.mkdir(exist_ok=True)
            text = template.joinpath(*source.split("/")).read_text("utf-8")
            path.write_text(Template(text).substitute(values), "utf-8")
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _class_of(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


def _range() -> str:
    """Return the versions that the package takes: from this one on, below the next that may differ."""
    try:
        major, minor = version("p2pcamera").split(".")[:2]
        return (
            f">={major}.{minor},<{major}.{int(minor) + 1}" if major == "0" else f">={major},<{int(major) + 1}"
        )
    except (PackageNotFoundError, ValueError):
        return ""
