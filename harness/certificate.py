"""A certificate for a service on this host."""

from __future__ import annotations

from pathlib import Path

from deploy.own_certificate import made


def write_certificate(folder: Path, *addresses: str) -> tuple[Path, Path]:
    """Write a new fullchain.pem and privkey.pem for the loopback and these addresses."""
    chain, key = folder / "fullchain.pem", folder / "privkey.pem"
    certificate, private = made(addresses)
    chain.write_bytes(certificate)
    key.write_bytes(private)
    return chain, key
