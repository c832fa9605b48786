"""A certificate that this machine signs for itself, for trials: `make run TLS=selfsigned`.

Browsers warn of it, since nobody vouches for it. It is kept and used again, so that they warn once.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import socket
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

LASTS = datetime.timedelta(days=397)
"""Some browsers take no certificate that is valid for longer than 398 days."""
RENEWED_BEFORE = datetime.timedelta(days=30)


def folder(environ: Mapping[str, str]) -> Path:
    """Return the user's folder for it, by the XDG base directory specification."""
    data = environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "p2pcamera" / "tls"


def certificate_for(addresses: Sequence[str], folder: Path) -> tuple[Path, Path]:
    """Return the files of the chain and the key, mode 0600; what is there is kept while it fits.

    It fits while it names `addresses`, and for a month or more. Raises OSError where it cannot be written.
    """
    chain, key = folder / "fullchain.pem", folder / "privkey.pem"
    if not _fits(chain, key, addresses):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        certificate, private = made(addresses)
        _write(key, private)
        _write(chain, certificate)
    return chain, key


def made(addresses: Sequence[str]) -> tuple[bytes, bytes]:
    """Return a certificate and its key, PEM, for the loopback, this host's name and these addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "p2pcamera of this machine")])
    host = socket.gethostname()
    hosts = {"localhost", *([host, f"{host.partition('.')[0]}.local"] if host.isascii() and host else [])}
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in sorted(hosts)]
    names += [
        x509.IPAddress(ipaddress.ip_address(address))
        for address in dict.fromkeys(["127.0.0.1", "::1", *addresses])
    ]
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + LASTS)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def fingerprint(chain: Path) -> str:
    """Return the SHA-256 of the certificate, as browsers show it."""
    return x509.load_pem_x509_certificate(chain.read_bytes()).fingerprint(hashes.SHA256()).hex(":").upper()


def _fits(chain: Path, key: Path, addresses: Sequence[str]) -> bool:
    try:
        found = x509.load_pem_x509_certificate(chain.read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        private = serialization.load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound):
        return False
    if private.public_key() != found.public_key():
        return False
    named = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    is_fresh = datetime.datetime.now(datetime.UTC) < found.not_valid_after_utc - RENEWED_BEFORE
    return is_fresh and named >= set(addresses)


def _write(path: Path, content: bytes) -> None:
    # A temporary file has mode 0600 from its first moment.
    number, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(number, "wb") as file:
        file.write(content)
    Path(name).replace(path)
