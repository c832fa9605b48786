from __future__ import annotations

import pytest

from signaling_service.access.origins import Origins, checked, host_of, is_loopback, is_on_loopback

HOST = "127.0.0.1:7860"


@pytest.mark.parametrize(
    ("origin", "is_taken"),
    [
        (None, True), ("null", False), ("", False), ("http://127.0.0.1:7860", True),
        ("http://localhost:3000", True), ("https://app.localhost", True), ("http://[::1]:7860", True),
        ("http://127.9.9.9", True), ("chrome-extension://abcdefgh", True), ("moz-extension://a-b-c", True),
        ("https://meet.example", True), ("HTTPS://MEET.EXAMPLE", True), ("https://meet.example:8443", False),
        ("http://meet.example", False), ("https://evil.example", False), ("https://evil-meet.example", False),
        ("https://meet.example.evil.example", False), ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False), ("http://evil.example@localhost", False),
        ("http://evil.example/@localhost", False), ("http://evil.example#@localhost", False),
        ("http://evil.example\\@localhost", False), ("http://localhost, http://evil.example", False),
        ("chrome-extension:", False), ("blob:http://localhost/1", False), ("http://localhost/", False),
        ("file://", False), ("data:", False), ("http://[", False), ("x" * 9999, False),
        ("ftp://localhost", False),
    ],
)  # fmt: skip
def test_whose_pages_may_call(origin: str | None, is_taken: bool) -> None:
    assert Origins(["https://meet.example"]).takes(origin, HOST, "http") is is_taken


def test_all_pages_may_call_where_the_operator_says_so() -> None:
    assert all(Origins(["*"]).takes(origin, HOST, "http") for origin in ("null", "https://evil.example"))
    assert Origins(["*"]).takes_host("anything.example", "127.0.0.1")


@pytest.mark.parametrize(
    ("origin", "scheme", "is_taken"),
    [
        ("https://cam.example", "http", True), ("http://cam.example", "http", True),
        ("https://cam.example", "https", True), ("http://cam.example", "https", False),
        ("https://cam.example:8443", "https", False),
    ],
)  # fmt: skip
def test_the_service_s_own_pages_may_call_and_a_proxy_may_speak_https(
    origin: str, scheme: str, is_taken: bool
) -> None:
    assert Origins().takes(origin, "cam.example", scheme) is is_taken


@pytest.mark.parametrize(
    ("host", "is_taken"),
    [
        ("localhost:7860", True), ("127.0.0.1", True), ("[::1]:7860", True), ("LOCALHOST", True),
        ("192.168.1.5:7860", True), ("192.168.1.6:7860", False), ("cam.example", True),
        ("cam.example.:80", True),
        ("203.0.113.9", True), ("evil.example:7860", False), ("", False), ("localhost.evil.example", False),
        ("evil.example@localhost", False), ("evil.example/@localhost", False),
        ("localhost:80@evil.example", False), ("localhost evil.example", False), ("127.1", False),
        ("evil.example#localhost", False), ("[evil.example]", False), ("[::1].evil.example", False),
    ],
)  # fmt: skip
def test_hosts_are_loopback_own_addresses_and_those_of_the_origins(host: str, is_taken: bool) -> None:
    origins = Origins(["https://cam.example"], ["0.0.0.0", "203.0.113.9"])
    assert origins.takes_host(host, "192.168.1.5") is is_taken


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://Meet.Example/", "https://meet.example"), ("http://a:80", "http://a"), (" * ", "*"),
        ("https://a:443", "https://a"), ("https://a:8443", "https://a:8443"), ("http://[::1]:80", "http://[::1]"),
        ("chrome-extension://abc", "chrome-extension://abc"),
    ],
)  # fmt: skip
def test_an_origin_is_kept_as_browsers_write_it(text: str, origin: str) -> None:
    assert checked(text) == origin


@pytest.mark.parametrize(
    "text",
    ["meet.example", "https://", "https://a/path", "https://*.example", "https://u@a", "null", "http://a b"],
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected SCHEME"):
        checked(text)


def test_loopback_has_names_and_addresses() -> None:
    assert all(
        map(is_loopback, ("localhost", "a.localhost", "127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"))
    )
    assert not any(map(is_loopback, ("localhostx", "xlocalhost", "128.0.0.1", "::2", "0.0.0.0", "")))
    assert is_on_loopback("http://localhost:1")
    assert not is_on_loopback(None)
    assert host_of("[::1]:80") == "::1"
