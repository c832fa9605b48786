"""The certificate of `make run TLS=selfsigned`: kept, and for its owner alone."""

from __future__ import annotations

import datetime
import stat
from pathlib import Path

import pytest

from deploy import own_certificate
from deploy.own_certificate import certificate_for, fingerprint, folder
from signaling_service.http.certificate import Certificate

ADDRESSES = ["192.168.1.5", "2001:db8::5"]


def test_it_is_made_once_for_its_owner_alone_and_the_service_takes_it(tmp_path: Path) -> None:
    kept = folder({"XDG_DATA_HOME": str(tmp_path)})
    files = certificate_for(ADDRESSES, kept)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (kept, *files)] == [0o700, 0o600, 0o600]
    assert sorted(kept.iterdir()) == sorted(files)
    Certificate(*files)
    first = fingerprint(files[0])
    assert certificate_for(ADDRESSES[:1], kept) == files
    assert fingerprint(files[0]) == first


def test_one_that_does_not_fit_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain, key = certificate_for(ADDRESSES, tmp_path)
    seen = {fingerprint(chain)}

    def is_new() -> bool:
        found = fingerprint(certificate_for(ADDRESSES, tmp_path)[0])
        Certificate(chain, key)
        is_known = found in seen
        seen.add(found)
        return not is_known

    certificate_for([*ADDRESSES, "10.0.0.1"], tmp_path)
    assert is_new()
    assert not is_new()
    key.unlink()
    assert is_new()
    key.write_bytes(certificate_for(ADDRESSES, tmp_path / "other")[1].read_bytes())
    assert is_new()
    chain.write_bytes(b"-----BEGIN CERT")
    assert is_new()
    monkeypatch.setattr(own_certificate, "RENEWED_BEFORE", own_certificate.LASTS + datetime.timedelta(1))
    assert is_new()
