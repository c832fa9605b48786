"""Keys that tokens are checked with, and the algorithms that belong to each kind (RFC 7518 section 3).

The algorithm follows from the key, never from the token: else a public key could be taken for a secret, and
whoever knows it could mint tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from signaling_service.access.secret_files import secret_in

LEAST_SECRET_BYTES = 32
"""As long as the hash that HS256 makes of it (RFC 7518 section 3.2)."""
LEAST_RSA_BITS = 2048
SECRET_ALGORITHMS = ("HS256", "HS384", "HS512")
RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
CURVE_ALGORITHMS = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
MAX_JWKS_KEYS = 64


@dataclass(frozen=True, slots=True)
class TokenKey:
    """One key, and the algorithms that tokens under it may name."""

    key: Any
    algorithms: tuple[str, ...]


def key_from_setting(text: str) -> TokenKey:
    """Return the key of `--token-key`: a secret, a public key (PEM), or a file with either.

    Raises ValueError, which says nothing of the key.
    """
    if "-----BEGIN" not in text and "\n" not in text and _is_file(text):
        text = secret_in(Path(text))
    if "-----BEGIN" not in text:
        if len(text.encode()) < LEAST_SECRET_BYTES:
            raise ValueError(f"a secret has at least {LEAST_SECRET_BYTES} bytes: openssl rand -hex 32")
        return TokenKey(text.encode(), SECRET_ALGORITHMS)
    if "PRIVATE KEY" in text:
        raise ValueError("a private key stays with whoever mints tokens: expected its public key")
    try:
        # In the environment a key may stand on one line, with \\n in place of line breaks.
        return TokenKey(*_public(load_pem_public_key(text.replace("\\n", "\n").encode())))
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise ValueError(f"expected a public key of RSA, EC or Ed25519 (PEM): {exc}") from exc


def keys_from_jwks(document: Any) -> dict[str, TokenKey]:
    """Return the usable keys of a JWK set (RFC 7517) by their `kid`; raises ValueError where there are none.

    Secrets in a set, which anybody could fetch, are left out; so are keys for other uses.
    """
    found: dict[str, TokenKey] = {}
    listed = document.get("keys") if isinstance(document, dict) else None
    for jwk in (listed if isinstance(listed, list) else [])[:MAX_JWKS_KEYS]:
        if not isinstance(jwk, dict) or jwk.get("kty") == "oct" or jwk.get("use", "sig") != "sig":
            continue
        try:
            key, algorithms = _public(jwt.PyJWK.from_dict(jwk).key)
        except (jwt.PyJWTError, ValueError, TypeError, UnsupportedAlgorithm):
            continue
        if (named := jwk.get("alg")) is not None:
            algorithms = tuple(one for one in algorithms if one == named)
        if algorithms:
            found[str(jwk.get("kid", ""))] = TokenKey(key, algorithms)
    if not found:
        raise ValueError("no usable public key in it")
    return found


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:  # a name that no file can have, for example a long secret
        return False


def _public(key: Any) -> tuple[Any, tuple[str, ...]]:
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= LEAST_RSA_BITS:
        return key, RSA_ALGORITHMS
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVE_ALGORITHMS:
        return key, (CURVE_ALGORITHMS[key.curve.name],)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key, ("EdDSA",)
    raise ValueError(f"{type(key).__name__} is of no kind or size that is taken")
