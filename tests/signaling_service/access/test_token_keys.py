from __future__ import annotations

from pathlib import Path

import pytest

from signaling_service.access.secret_files import MAX_SECRET_BYTES
from signaling_service.access.token_keys import MAX_JWKS_KEYS, key_from_setting, keys_from_jwks
from tests.signaling_service.access.minting import SECRET, private_pem, public_jwk, public_pem


def test_the_algorithms_follow_from_the_kind_of_key() -> None:
    assert key_from_setting(SECRET).algorithms == ("HS256", "HS384", "HS512")
    assert set(key_from_setting(public_pem("rsa")).algorithms) >= {"RS256", "PS256"}
    assert key_from_setting(public_pem("ec")).algorithms == ("ES256",)
    assert key_from_setting(public_pem("ed25519")).algorithms == ("EdDSA",)


def test_a_key_may_lie_in_a_file(tmp_path: Path) -> None:
    for name, text in (("secret", SECRET), ("public", public_pem("ec"))):
        path = tmp_path / name
        path.write_text(f"{text}\n")
        assert key_from_setting(str(path)).algorithms == key_from_setting(text).algorithms


def test_a_file_that_is_no_key_is_not_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "film"
    file.write_text("x" * (MAX_SECRET_BYTES + 1))
    with pytest.raises(ValueError, match=f"is over {MAX_SECRET_BYTES} bytes"):
        key_from_setting(str(file))


@pytest.mark.parametrize("name", ["s" * 300, f"{'s' * 300}/{'s' * 40}", "s" * 40 + "\0"])
def test_a_key_that_no_file_can_be_named_is_a_secret(name: str) -> None:
    assert key_from_setting(name).key == name.encode()


def test_a_public_key_on_one_line_is_never_looked_for_as_a_file() -> None:
    long = public_pem("rsa").replace("\n", "\\n").replace("/", "_")
    with pytest.raises(ValueError, match="expected a public key"):  # not OSError: name too long
        key_from_setting(long)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("short", "at least 32 bytes"),
        ("-----BEGIN PUBLIC KEY-----\nnot one\n-----END PUBLIC KEY-----", "expected a public key"),
        (private_pem("rsa"), "private key stays with whoever mints"),
        (public_pem("weak rsa"), "no kind or size"),
    ],
    ids=["short", "no key", "private", "weak"],
)
def test_a_key_that_cannot_be_used_is_refused_and_not_shown(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        key_from_setting(text)
    assert text not in str(refused.value)


def test_of_a_set_only_public_keys_for_signatures_are_taken() -> None:
    keys = keys_from_jwks(
        {
            "keys": [
                public_jwk("rsa", kid="a"),
                public_jwk("ec", kid="b", alg="ES256", use="sig"),
                public_jwk("ec", kid="for encryption", use="enc"),
                public_jwk("ec", kid="of another algorithm", alg="RS256"),
                {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
                {"kty": "EC", "kid": "broken"},
                {"kty": "??", "kid": "unknown"},
                "no key",
            ]
        }
    )
    assert set(keys) == {"a", "b"}
    assert keys["b"].algorithms == ("ES256",)
    # One that is for a single algorithm of its kind is for that alone.
    named = keys_from_jwks({"keys": [public_jwk("rsa", kid="c", alg="PS384")]})
    assert named["c"].algorithms == ("PS384",)


def test_a_set_may_have_so_many_keys() -> None:
    keys = [public_jwk("ec", kid=str(number)) for number in range(MAX_JWKS_KEYS + 1)]
    assert set(keys_from_jwks({"keys": keys})) == {str(number) for number in range(MAX_JWKS_KEYS)}


@pytest.mark.parametrize(
    "document", [None, [], {}, {"keys": {}}, {"keys": []}, {"keys": [{"kty": "oct", "k": "eA"}]}]
)
def test_a_set_without_a_key_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match="no usable"):
        keys_from_jwks(document)
