from __future__ import annotations

import json
import os
import re
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from deploy.extension import STATIC, build
from harness.services import ROOT

SOURCE = STATIC / "extension"
LANGUAGES = ("en", "ja")
IMPORTED = re.compile(r'^(?!.*@import).*from "\./([^"]+)"', re.M)
"""Types alone are named by @import."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, _ = build(tmp_path_factory.mktemp("build"))
    return folder


@pytest.fixture(scope="module")
def manifest(built: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((built / "manifest.json").read_text())
    return loaded


def _words(language: str) -> dict[str, Any]:
    words: dict[str, Any] = json.loads((SOURCE / "_locales" / language / "messages.json").read_text())
    return words


def test_zip_is_the_same_from_the_same_sources(tmp_path: Path) -> None:
    _, first = build(tmp_path / "first")
    for file in (tmp_path / "first").rglob("*"):
        os.utime(file, (0, 0))
    _, second = build(tmp_path / "second")
    assert first.read_bytes() == second.read_bytes()


def test_zip_holds_the_folder_and_nothing_is_left_of_an_older_one(tmp_path: Path) -> None:
    stale = tmp_path / "p2pcamera-extension" / "old.js"
    stale.parent.mkdir()
    stale.touch()
    folder, archive = build(tmp_path)
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert set(zipfile.ZipFile(archive).namelist()) == files
    assert not stale.exists()


def test_both_worlds_have_the_shim_under_a_name_of_their_own(built: Path, manifest: dict[str, Any]) -> None:
    shim = (STATIC / "p2pcamera.js").read_bytes()
    page, own = manifest["content_scripts"]
    assert (page["world"], own["world"]) == ("MAIN", "ISOLATED")
    assert page["js"][1] != own["js"][1], "Chrome runs no file twice in a frame"
    for script in (page, own):
        assert (built / script["js"][1]).read_bytes() == shim


def test_every_file_that_the_manifest_and_the_pages_name_is_there(
    built: Path, manifest: dict[str, Any]
) -> None:
    named = [file for script in manifest["content_scripts"] for file in script["js"]]
    named += manifest["icons"].values()
    named += [manifest["background"]["service_worker"], manifest["action"]["default_popup"]]
    for page in built.glob("*.html"):
        named += re.findall(r'(?:src|href)="([^"]+)"', page.read_text())
    for script in built.rglob("*.js"):
        folder = script.parent.relative_to(built)
        named += [str(folder / file) for file in IMPORTED.findall(script.read_text())]
    assert len(named) > 20
    assert [name for name in named if not (built / name).exists()] == []


def test_scripts_run_before_the_page_in_all_frames_of_meet_and_teams(manifest: dict[str, Any]) -> None:
    for script in manifest["content_scripts"]:
        assert script["matches"] == [
            "https://meet.google.com/*",
            "https://teams.microsoft.com/*",
            "https://teams.live.com/*",
            "https://teams.cloud.microsoft/*",
        ]
        assert script["run_at"] == "document_start"
        assert script["all_frames"]
        assert script["match_about_blank"]
        assert script["match_origin_as_fallback"]


def test_no_page_can_load_a_file_or_send_a_message(manifest: dict[str, Any]) -> None:
    assert "web_accessible_resources" not in manifest
    assert "externally_connectable" not in manifest
    assert "host_permissions" not in manifest
    assert sorted(manifest["permissions"]) == ["activeTab", "scripting", "storage"]


def test_version_is_the_project_s(manifest: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert manifest["version"] == project["version"]


def test_both_languages_say_everything_that_is_asked_for() -> None:
    english, japanese = map(_words, LANGUAGES)
    assert english.keys() == japanese.keys()
    for key, words in english.items():
        assert words.get("placeholders") == japanese[key].get("placeholders"), key
    files = [*SOURCE.glob("*.html"), *SOURCE.glob("*.js"), SOURCE / "manifest.json"]
    text = "\n".join(file.read_text() for file in files)
    asked = re.findall(r'data-say(?:-\w+)?="(\w+)"|__MSG_(\w+)__|\bsay\("(\w+)"', text)
    assert {key for keys in asked for key in keys if key} <= english.keys()
    assert [key for key in english if f'"{key}"' not in text and f"__MSG_{key}__" not in text] == []
