"""The files of a filter in the making: found, imported anew, and what is told of their faults."""

from __future__ import annotations

import sys
import textwrap

import pytest

from inference_service.commands.source import Source, SourceFault

MODULE = """
from inference_service.filters.base import Filter
import {helper}

class Blinks(Filter):
    name, title = "blinks", {helper}.TITLE
    def apply(self, batch, items):
        return batch + {helper}.nothing
"""


@pytest.fixture(autouse=True)
def own_modules():
    modules, path = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if not name.startswith(("torch", "inference_service", "numpy")):
            del sys.modules[name]


def write(path, text):
    path.write_text(textwrap.dedent(text))
    return path


@pytest.fixture
def file(tmp_path):
    write(tmp_path / "blink_helper.py", "TITLE = 'Blinks'\n")
    return write(tmp_path / "blinks_filter.py", MODULE.format(helper="blink_helper"))


def test_a_file_names_its_filters_and_gives_their_classes(file):
    source = Source(str(file))
    assert source.names == ("blinks",)
    (point,) = source.points().values()
    assert (point.name, point.load().title) == ("blinks", "Blinks")
    assert point.load() is point.load()


def test_what_is_forgotten_is_imported_anew_with_the_modules_beside_it(file, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    source = Source(str(file))
    before, stamps = source.load("blinks"), source.stamps()
    assert {path.name for path in stamps} == {"blinks_filter.py", "blink_helper.py"}
    write(file.with_name("blink_helper.py"), "TITLE = 'Changed'\n")
    assert source.stamps() != stamps
    source.forget()
    assert (before.title, source.load("blinks").title) == ("Blinks", "Changed")


def test_a_file_that_is_called_as_another_module_hides_nothing(tmp_path):
    import json

    write(tmp_path / "blink_helper.py", "TITLE = 'Blinks'\n")
    source = Source(str(write(tmp_path / "json.py", MODULE.format(helper="blink_helper"))))
    assert source.load("blinks").title == "Blinks"
    assert sys.modules["json"] is json


def test_a_folder_is_known_by_its_entry_points_before_anything_is_imported(tmp_path):
    write(
        tmp_path / "pyproject.toml",
        '[project.entry-points."p2pcamera.filters"]\nblinks = "pack_blinks:Blinks"\n',
    )
    write(tmp_path / "pack_helper.py", "TITLE = 'Packed'\n")
    (tmp_path / ".venv").mkdir()
    write(tmp_path / ".venv" / "other.py", "")
    broken = write(tmp_path / "pack_blinks.py", "def (")
    source = Source(str(tmp_path))
    assert source.names == ("blinks",)
    with pytest.raises(SyntaxError) as raised:
        source.load("blinks")
    assert source.explain(raised.value) == "SyntaxError: invalid syntax (pack_blinks.py, line 1)"
    write(broken, MODULE.format(helper="pack_helper"))
    source.forget()
    assert source.load("blinks").title == "Packed"
    assert {path.name for path in source.stamps()} == {"pack_blinks.py", "pack_helper.py"}


def test_an_exception_is_told_in_a_line_with_the_author_s_own_frame(file):
    source = Source(str(file))
    with pytest.raises(AttributeError) as raised:
        source.load("blinks")().apply(None, [])
    told = source.explain(raised.value)
    assert told == (
        "AttributeError: module 'blink_helper' has no attribute 'nothing' "
        "(blinks_filter.py, line 8, in apply)"
    )
    frame = source.frame_of(raised.value)
    assert frame is not None
    assert frame.line == "return batch + blink_helper.nothing"
    assert source.explain(ValueError(f"in {file}\nand more")) == "ValueError: in blinks_filter.py"


def test_a_filter_that_is_gone_from_its_file_is_told(file):
    source = Source(str(file))
    file.write_text(file.read_text().replace('"blinks"', '"winks"'))
    source.forget()
    with pytest.raises(SourceFault, match=r"blinks_filter\.py has no filter 'blinks' any more"):
        source.load("blinks")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("empty_file.py", "x = 1", "empty_file.py has no filter"),
        ("notes_file.txt", "hello", "notes_file.txt is no Python file"),
        ("pyproject.toml", "[project]\n", "has no [project.entry-points"),
        ("pyproject.toml", "[project\n", "pyproject.toml: "),
        ("other", "", "has no pyproject.toml"),
        (
            "pyproject.toml",
            '[project.entry-points."p2pcamera.filters"]\nink = "a:B"',
            "is a filter of the project",
        ),
    ],
)
def test_what_is_no_filter_is_refused_with_the_reason(tmp_path, name, text, told):
    path = write(tmp_path / name, text)
    target = path if path.suffix in (".py", ".txt") else tmp_path
    with pytest.raises(SourceFault) as raised:
        Source(str(target))
    assert told in str(raised.value)


def test_a_name_that_is_neither_a_path_nor_a_package_is_refused():
    with pytest.raises(SourceFault, match="no-such-thing: no such file or folder"):
        Source("no-such-thing")
