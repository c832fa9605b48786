from __future__ import annotations

import os
from pathlib import Path

import pytest

from signaling_service.config import Settings, read_settings
from tests.signaling_service.access.minting import SECRET


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
    assert "secret" not in repr(read_settings(["--api-key", "secret", "--token-key", "secret" * 6]))


def test_tokens_guard_a_service_as_a_key_does() -> None:
    for flags in (["--token-key", "x" * 32], ["--token-jwks", "https://site.example/keys"]):
        settings = read_settings(["--host", "0.0.0.0", *flags])
        assert settings.is_guarded
        assert settings.tokens is not None
    assert read_settings(["--token-jwks", "http://127.0.0.1:8000/keys"]).has_tokens


async def test_tokens_of_a_set_of_keys_name_this_service_since_the_keys_sign_for_others_too() -> None:
    for flags, is_needed in (
        (["--token-jwks", "https://site.example/keys"], True),
        (["--token-key", SECRET], False),
        (["--token-key", SECRET, "--token-audience", "cam"], True),
    ):
        tokens = read_settings(flags).tokens
        assert tokens is not None
        assert tokens._needs_audience is is_needed


def test_the_first_filter_that_is_allowed_is_the_default() -> None:
    assert read_settings(["--allowed-filters", "invert,ink"]).default_filter == "invert"
    settings = read_settings(["--allowed-filters", "invert,ink", "--default-filter", "ink"])
    assert (settings.default_filter, settings.allowed) == ("ink", frozenset({"invert", "ink"}))
    assert Settings.model_validate(settings.model_dump(mode="json")) == settings


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--origins", "meet.example"], "--origins / SIGNALING_ORIGINS: 'meet.example': expected SCHEME"),
        (["--trusted-proxies", "proxy"], "--trusted-proxies / SIGNALING_TRUSTED_PROXIES: 'proxy'"),
        (["--api-key-file", "/no/such"], "--api-key-file / SIGNALING_API_KEY_FILE: /no/such cannot be read"),
        (["--api-key-file", "/dev/null"], "/dev/null is empty"),
        (["--api-key", "a", "--api-key-file", "/proc/sys/kernel/ostype"], "expected alone"),
        (["--api-key", "schlüssel"], "--api-key / SIGNALING_API_KEY: expected one line of ASCII"),
        (["--api-key", " spaced "], "--api-key / SIGNALING_API_KEY: expected one line of ASCII"),
        (["--api-key-file", __file__], "--api-key-file / SIGNALING_API_KEY_FILE: expected one line"),
        (["--token-key", "short"], "--token-key / SIGNALING_TOKEN_KEY: a secret has at least 32 bytes"),
        (
            ["--token-jwks", "http://site.example/keys"],
            "--token-jwks / SIGNALING_TOKEN_JWKS: expected an https",
        ),
        (
            ["--token-jwks", "https://a", "--token-key", "x" * 32],
            "--token-jwks / SIGNALING_TOKEN_JWKS: expected a",
        ),
        (["--token-issuer", "a"], "--token-issuer / SIGNALING_TOKEN_ISSUER: expected with"),
        (
            ["--allowed-filters", "a,b", "--default-filter", "c"],
            "--default-filter / SIGNALING_DEFAULT_FILTER: 'c'",
        ),
    ],
)
def test_a_fault_is_reported_by_its_names(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert named in refusal(arguments, capsys)
