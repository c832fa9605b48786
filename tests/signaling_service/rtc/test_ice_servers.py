from __future__ import annotations

import base64
import hashlib
import hmac

from signaling_service.rtc.ice_servers import CREDENTIALS_S, ice_servers_for_aiortc, ice_servers_for_browser
from signaling_service.setting_types import IceServer


def test_a_shared_secret_becomes_credentials_that_end() -> None:
    server = IceServer(urls=["turn:turn.example:3478"], secret="shared")
    (made,) = ice_servers_for_browser([server], now_s=1000.0)
    expires, _, user = made["username"].partition(":")
    assert int(expires) == 1000 + CREDENTIALS_S
    assert user
    expected = hmac.new(b"shared", made["username"].encode(), hashlib.sha1).digest()
    assert base64.b64decode(made["credential"]) == expected
    assert "shared" not in str(made)


def test_fixed_credentials_and_plain_servers_go_as_they_are() -> None:
    servers = [
        IceServer(urls="stun:stun.example"),
        IceServer(urls="turn:turn.example", username="u", credential="c"),
    ]
    assert ice_servers_for_browser(servers) == [
        {"urls": "stun:stun.example"},
        {"urls": "turn:turn.example", "username": "u", "credential": "c"},
    ]


def test_no_server_means_none_for_the_service_too() -> None:
    assert ice_servers_for_aiortc([]) == []
    (made,) = ice_servers_for_aiortc([IceServer(urls="turn:turn.example", secret="shared")])
    assert made.urls == "turn:turn.example"
    assert made.credential
