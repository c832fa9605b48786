"""What Chrome's store is told and shown fits its forms, and agrees with the extension."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from deploy.extension import STATIC, build
from harness.services import ROOT

EXTENSION = STATIC / "extension"
STORE = ROOT / "deploy" / "store"
LISTING = tomllib.loads((STORE / "listing.toml").read_text())
MANIFEST: dict[str, Any] = json.loads((EXTENSION / "manifest.json").read_text())
PRIVACY = (ROOT / LISTING["privacy"]).read_text()
LANGUAGES = ("en", "ja")
MOST_OF_NAME, MOST_OF_SUMMARY, MOST_OF_DESCRIPTION, MOST_OF_A_REASON = 75, 132, 16_000, 1_000
SCREENSHOT, TILE = (1280, 800), (440, 280)
MOST_SCREENSHOTS = 5
FORMS = {
    "Personally identifiable information",
    "Health information",
    "Financial and payment information",
    "Authentication information",
    "Personal communications",
    "Location",
    "Web history",
    "User activity",
    "Website content",
}
"""The boxes of the store's form "Data usage"."""

in_each_language = pytest.mark.parametrize("language", LANGUAGES)


def _message(language: str, key: str) -> str:
    words = json.loads((EXTENSION / "_locales" / language / "messages.json").read_text())
    return str(words[key]["message"])


@in_each_language
def test_name_summary_and_description_fit_the_store(language: str) -> None:
    assert 0 < len(_message(language, "name")) <= MOST_OF_NAME
    assert 0 < len(_message(language, "description")) <= MOST_OF_SUMMARY
    assert 0 < len(LISTING[language]["description"]) <= MOST_OF_DESCRIPTION


@in_each_language
def test_description_says_the_version_and_the_sites_of_the_manifest(language: str) -> None:
    said = LISTING[language]["description"]
    assert f"Chrome {MANIFEST['minimum_chrome_version']} " in said
    hosts = {match.split("/")[2] for match in MANIFEST["content_scripts"][0]["matches"]}
    assert {".".join(host.split(".")[-2:]) for host in hosts} == {
        "google.com",
        "microsoft.com",
        "live.com",
        "cloud.microsoft",
    }
    assert "Google Meet" in said
    assert "Microsoft Teams" in said


def test_every_permission_is_justified_and_none_that_is_not_asked_for() -> None:
    assert set(LISTING["permissions"]) == set(MANIFEST["permissions"])
    hosts = {"given": MANIFEST["content_scripts"], "optional": MANIFEST["optional_host_permissions"]}
    assert set(LISTING["hosts"]) == {name for name, asked in hosts.items() if asked}
    assert not MANIFEST.keys() & {"host_permissions", "optional_permissions", "externally_connectable"}
    reasons = [*LISTING["permissions"].values(), *LISTING["hosts"].values()]
    for reason in [*reasons, LISTING["single_purpose"], LISTING["remote_code"]]:
        assert 0 < len(reason) <= MOST_OF_A_REASON


def test_users_read_of_every_permission_too() -> None:
    table = (ROOT / "docs" / "extension.md").read_text().partition("## What it may do, and why")[2]
    told = table.partition("\n## ")[0]
    assert [name for name in MANIFEST["permissions"] if f"`{name}`" not in told] == []


def test_every_box_of_the_data_form_is_answered_once() -> None:
    collected, left = set(LISTING["data"]["collected"]), set(LISTING["data"]["not_collected"])
    assert collected | left == FORMS
    assert collected & left == set()
    assert len(LISTING["data"]["certified"]) == 3


def test_no_script_is_taken_from_outside_the_package(tmp_path: Path) -> None:
    folder, _ = build(tmp_path)
    policy = MANIFEST["content_security_policy"]["extension_pages"]
    assert "script-src 'self';" in policy
    assert policy.startswith("default-src 'none';")
    for file in [*folder.rglob("*.js"), *folder.rglob("*.html")]:
        text = re.sub(r"/\*.*?\*/", "", file.read_text(), flags=re.S)
        loaded = (
            r"\beval\(|new Function\(|importScripts\(|\bimport\(|(?:src|href)=[\"']?https?:|from [\"']https?:"
        )
        assert re.search(loaded, text) is None, file.name


def test_privacy_statement_names_all_that_is_kept_and_this_version() -> None:
    source = (EXTENSION / "settings.js").read_text()
    (defaults,) = re.findall(r"DEFAULTS = \{(.*?)\};", source)
    kept = {*re.findall(r"(\w+): ", re.sub(r"\{\}|\[\]", "", defaults)), "token"}
    kept |= set(re.findall(r'KEY = "(\w+)"', (EXTENSION / "session_table.js").read_text()))
    assert kept > {"server", "sessions"}
    assert set(re.findall(r"^\| `(\w+)` \|", PRIVACY, re.M)) == kept
    assert f"version {MANIFEST['version']}." in PRIVACY
    assert f"バージョン {MANIFEST['version']} " in PRIVACY


def test_privacy_statement_says_what_an_offer_carries() -> None:
    # What a page's frame may send: a new key here is something new that leaves the browser.
    checks = (EXTENSION / "checks.js").read_text()
    (offered,) = re.findall(r"hasKeys\(offer, \[(.*?)\]\)", checks)
    assert re.findall(r'"(\w+)"', offered) == ["type", "sdp", "filter", "params", "outage"]
    assert 'audio: "untouched"' in (EXTENSION / "own_world.js").read_text()
    assert "sound of your microphone is not sent" in PRIVACY


@in_each_language
def test_pictures_have_the_store_s_sizes_and_no_transparent_parts(language: str) -> None:
    shown = sorted((STORE / "pictures" / language).iterdir())
    assert len(shown) == len(LISTING[language]["screenshots"]) <= MOST_SCREENSHOTS
    for path in shown:
        with Image.open(path) as picture:
            assert (picture.size, picture.mode) == (SCREENSHOT, "RGB"), path.name


def test_tile_and_icon_have_the_store_s_sizes() -> None:
    with Image.open(STORE / "pictures" / "tile.png") as tile:
        assert (tile.size, tile.mode) == (TILE, "RGB")
    with Image.open(EXTENSION / MANIFEST["icons"]["128"]) as icon:
        # 16 transparent pixels all round, as the store asks for.
        assert (icon.format, icon.size, icon.getbbox()) == ("PNG", (128, 128), (16, 16, 112, 112))


def test_every_icon_has_the_size_that_the_manifest_says() -> None:
    for size, path in MANIFEST["icons"].items():
        with Image.open(EXTENSION / path) as icon:
            assert icon.size == (int(size), int(size))
