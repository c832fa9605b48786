from __future__ import annotations

import pytest

from signaling_service.access import session_time
from signaling_service.access.session_time import SessionTime, TimedToken
from signaling_service.errors import TokenSpent


def token(name: str, *, expires_s: float = 1e9, limit_s: float = 60.0) -> TimedToken:
    return TimedToken.of(f"header.{name}.signature", expires_s, limit_s)


def test_the_time_begins_once_and_is_over_for_that_token_alone() -> None:
    time = SessionTime()
    assert time.left_s(token("a"), 100.0) == 60.0
    time.begin(token("a"), 100.0, 0.0)
    time.begin(token("a"), 150.0, 0.0)
    assert time.left_s(token("a"), 150.0) == 10.0
    assert time.left_s(token("b"), 150.0) == 60.0
    for now_s in (160.0, 1e6):
        with pytest.raises(TokenSpent):
            time.left_s(token("a"), now_s)


def test_another_signature_makes_no_other_token() -> None:
    assert TimedToken.of("header.a.one", 1e9, 60.0) == TimedToken.of("header.a.other", 1e9, 60.0)
    assert TimedToken.of("header.a.one", 1e9, 60.0) != TimedToken.of("header.b.one", 1e9, 60.0)


def test_tokens_are_forgotten_when_they_have_expired_or_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_time, "MAX_TOKENS", 3)
    time = SessionTime()
    for number, expires_s in enumerate((5.0, 50.0, 5.0, 50.0)):
        time.begin(token(str(number), expires_s=expires_s), 0.0, 10.0)
    assert len(time._begun) == 2
    for number in range(4, 20):
        time.begin(token(str(number), expires_s=50.0), 0.0, 10.0)
        assert len(time._begun) <= 3
    with pytest.raises(TokenSpent):
        time.left_s(token("19"), 60.0)
