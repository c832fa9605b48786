"""What the documents say of this project is there, and they say it in short sentences."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLACES = ("*.md", "docs/**/*.md", "benchmarks/**/*.md", "examples/**/*.md", "*_service/**/*.md")
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for place in PLACES
    for path in ROOT.glob(place)
    if "node_modules" not in path.parts
)
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir()}

MOST_WORDS_ON_AVERAGE = 15
MOST_WORDS = 40

document = pytest.mark.parametrize("name", DOCUMENTS)


def text_of(name: str) -> str:
    return (ROOT / name).read_text()


def test_there_are_documents() -> None:
    assert {"README.md", "ARCHITECTURE.md", "docs/use.md", "docs/design/media.md"} <= set(DOCUMENTS)


@document
def test_every_link_leads_somewhere(name: str) -> None:
    here = ROOT / name
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)]*))?\)", text_of(name)):
        file = here.parent / target if target else here
        assert file.exists(), f"{name} links to {target}"
        if anchor:
            assert anchor in anchors(file.read_text()), f"{name} links to {target}#{anchor}"


def anchors(text: str) -> set[str]:
    """Return the headings as GitHub makes anchors of them."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@document
def test_no_chapter_is_there_twice(name: str) -> None:
    chapters = re.findall(r"^## .*$", re.sub(r"```.*?```", "", text_of(name), flags=re.S), re.M)
    assert sorted(chapters) == sorted(set(chapters))


@document
def test_every_file_that_is_named_is_there(name: str) -> None:
    for path in re.findall(r"`([\w.-]+(?:/[\w.-]+)+/?)`", text_of(name)):
        if path.split("/")[0] in FOLDERS - {"build"} and not path.startswith("benchmarks/out/"):
            assert (ROOT / path).exists(), f"{name} names {path}"


@document
def test_every_module_that_is_run_is_there(name: str) -> None:
    for module in re.findall(r"python3? -m ([\w.]+)", text_of(name)):
        if module.split(".")[0] in FOLDERS:
            assert importlib.util.find_spec(module) is not None, f"{name} runs {module}"


@document
def test_every_target_of_make_is_there(name: str) -> None:
    targets = re.findall(r"^([\w-]+):", text_of("Makefile"), re.M)
    commands = re.findall(r"(?:^|`|&& )make ((?:(?!--)[\w-]+ ?)+)", text_of(name), re.M)
    named = {word for command in commands for word in command.split()[:1]}
    assert named <= set(targets), f"{name} names {named - set(targets)}"


@document
def test_sentences_are_short(name: str) -> None:
    counted = sorted((len(one.split()), one) for one in sentences(text_of(name)))
    assert counted[-1][0] <= MOST_WORDS, counted[-1][1]
    mean = sum(words for words, _ in counted) / len(counted)
    longest = "\n".join(one for _, one in counted[-5:])
    assert mean <= MOST_WORDS_ON_AVERAGE, f"{name}: {mean:.1f} words a sentence, the longest are\n{longest}"


def sentences(text: str) -> list[str]:
    """Return the sentences of prose: no code, tables, headings, quotes, pictures or addresses."""
    text = re.sub(r"```.*?```|<!--.*?-->", " ", text, flags=re.S)
    text = re.sub(r"^\s*(?:\||#|>|!\[).*$", " ", text, flags=re.M)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"`[^`]*`", "code", text)
    paragraphs = re.split(r"\n\s*\n|\n\s*(?:[-*]|\d+\.)\s", text)
    parts = [part for one in paragraphs for part in re.split(r"(?<=[.!?:])\s+", " ".join(one.split()))]
    return [part for part in parts if len(part.split()) > 2]
