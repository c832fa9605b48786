from __future__ import annotations

import os
from pathlib import Path

import pytest

from signaling_service.config import Settings, read_settings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SIGNALING_"):
            monkeypatch.delenv(name)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(" of the file\n")
    return path


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        read_settings(arguments)
    assert caught.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "cam.example"])
def test_beyond_loopback_a_key_is_demanded_or_to_be_open_on_purpose(
    host: str, key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refusal(["--host", host], capsys)
    assert "--host / SIGNALING_HOST" in told
    assert "--open" in told
    for flags in (["--open"], ["--api-key", "secret"], ["--api-key-file", str(key_file)]):
        assert read_settings(["--host", host, *flags]).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST"])
def test_loopback_needs_no_key(host: str) -> None:
    assert not read_settings(["--host", host]).is_guarded


def test_origins_and_proxies_are_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings(["--origins", "https://A.example/, http://b:80"]).origins == (
        "https://a.example",
        "http://b",
    )
    monkeypatch.setenv("SIGNALING_ORIGINS", "*")
    monkeypatch.setenv("SIGNALING_TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8")
    settings = read_settings([])
    assert settings.origins == ("*",)
    assert settings.trusted_proxies == ("127.0.0.1", "10.0.0.0/8")
    assert Settings.model_validate(settings.model_dump(mode="json")) == settings


def test_the_key_comes_from_a_file_too(key_file: Path) -> None:
    settings = read_settings(["--api-key-file", str(key_file)])
    assert (settings.key, settings.is_guarded) == ("of the file", True)
    assert read_settings(["--api-key", "said"]).key == "said"
    assert read_settings([]).key is None


def test_no_setting_shows_a_key(key_file: Path) -> None:
    assert "secret" not in repr(read_settings(["--api-key", "secret"]))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--origins", "meet.example"], "--origins / SIGNALING_ORIGINS: 'meet.example': expected SCHEME"),
        (["--trusted-proxies", "proxy"], "--trusted-proxies / SIGNALING_TRUSTED_PROXIES: 'proxy'"),
        (["--api-key-file", "/no/such"], "--api-key-file / SIGNALING_API_KEY_FILE: /no/such cannot be read"),
        (["--api-key-file", "/dev/null"], "/dev/null is empty"),
        (["--api-key", "a", "--api-key-file", __file__], "expected alone"),
    ],
)
def test_a_fault_is_reported_by_its_names(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert named in refusal(arguments, capsys)
