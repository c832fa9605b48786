"""Mints tokens as a site's own server would, and keys to do it with."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

SECRET = "of-the-site-and-this-service-alone"


def minted(key: Any = SECRET, algorithm: str = "HS256", *, kid: str | None = None, **claims: Any) -> str:
    """A token of `anna` for a minute; a claim of None is left out."""
    said = {"sub": "anna", "exp": int(time.time()) + 60, **claims}
    said = {name: value for name, value in said.items() if value is not None}
    return jwt.encode(said, key, algorithm, headers={"kid": kid} if kid else None)


@cache
def private_key(kind: str) -> Any:
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    if kind == "weak rsa":
        return rsa.generate_private_key(65537, 1024)
    return (
        ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ec.generate_private_key(ec.SECP256R1())
    )


def public_pem(kind: str) -> str:
    key = private_key(kind).public_key()
    return str(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def private_pem(kind: str) -> str:
    key = private_key(kind)
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def public_jwk(kind: str, **more: str) -> dict[str, Any]:
    algorithm = {"rsa": "RS256", "ec": "ES256", "ed25519": "EdDSA"}[kind]
    made = jwt.get_algorithm_by_name(algorithm).to_jwk(private_key(kind).public_key(), as_dict=True)
    return {name: value for name, value in made.items() if name != "key_ops"} | more
