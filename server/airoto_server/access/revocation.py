"""Certificates that do not count any more, though they have not ended.

The authority remembers what it issued (`issued.json`) and signs a revocation list (`ca.crl`, an
X.509 CRL in PEM form, which other tools read too). A server looks at both the end and the list at
every call, so a connection that was open before is judged as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from airoto.errors import BadRequestError
from airoto.wire.access import secret_file
from airoto_server.access.certificates import DAMAGED, EARLIER, CertificateInfo, parsed
from airoto_server.access.reread import Reread
from airoto_server.access.tokens import write_secret

FORMAT = 1
_LIST_BYTES = 8 << 20
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

RevocationList = x509.CertificateRevocationList


@dataclass(frozen=True)
class Issued:
    """A client's certificate that the authority made.

    Attributes:
        serial: its number, in hex.
        name: whose it is.
        ends: ISO 8601 in UTC.
    """

    serial: str
    name: str
    ends: str


def read_issued(path: Path) -> tuple[Issued, ...]:
    """All that the authority remembers; none where there is no file.

    Raises:
        BadRequestError: it is damaged or open to others.
    """
    if not path.exists():
        return ()
    try:
        data = json.loads(secret_file(path, largest=_LIST_BYTES))
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']!r}")
        return tuple(_issued(one) for one in data["issued"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise BadRequestError(f"{path} is no list of what was issued", path=str(path)) from exc


def remember(path: Path, found: Iterable[CertificateInfo], now: datetime) -> tuple[Issued, ...]:
    """Add these certificates of clients to what is remembered; those that have ended go."""
    known = {one.serial: one for one in read_issued(path)}
    for one in found:
        if one.role == "client":
            made = Issued(f"{one.serial:x}", one.name, one.ends.isoformat(timespec="seconds"))
            known.setdefault(made.serial, made)
    kept = tuple(one for one in known.values() if datetime.fromisoformat(one.ends) > now)
    data = {"format": FORMAT, "issued": [asdict(one) for one in kept]}
    write_secret(path, json.dumps(data, indent=1).encode() + b"\n")
    return kept


def write_list(
    path: Path,
    serials: Iterable[int],
    authority: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
) -> None:
    """Write a signed list of these numbers and of those that it had, in place of the former."""
    now = datetime.now(UTC)
    number, entries = 1, {}
    if path.exists():
        former = read_list(path)
        entries = {one.serial_number: one for one in former}
        number += former.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    for serial in serials:
        entries.setdefault(
            serial,
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build(),
        )
    # It is good for as long as the authority: a newer one takes its place when there is need.
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.subject)
        .last_update(now - EARLIER)
        .next_update(authority.not_valid_after_utc)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
    )
    for entry in entries.values():
        builder = builder.add_revoked_certificate(entry)
    made = builder.sign(key, hashes.SHA256())
    write_secret(path, made.public_bytes(serialization.Encoding.PEM), 0o644)  # every server's


def read_list(path: Path) -> RevocationList:
    """A revocation list.

    Raises:
        BadRequestError: it cannot be read or is none.
    """
    with parsed(path, "revocation list", "airoto certs revoke writes one, ca.crl"):
        found = x509.load_pem_x509_crl(path.read_bytes())
        _ = found.issuer, found.extensions, [one.serial_number for one in found]
    return found


class CertificateCheck:
    """Tells a server whether a client's certificate still counts; a changed list counts at once.

    With a list that cannot be read nobody is let in.

    Args:
        authorities: the file of those that sign clients' certificates.
        path: of the revocation list; None: only the end of a certificate is looked at.
    """

    def __init__(
        self,
        authorities: Path,
        path: Path | None = None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """
        Raises:
            BadRequestError: the list is not signed by an authority, has ended or is damaged.
        """
        self._authorities = [
            x509.load_pem_x509_certificate(text)
            for text in _CERTIFICATE.findall(authorities.read_bytes())
        ]
        self._clock = clock
        self._list = None if path is None else Reread(path, partial(self._read, path))

    def counts(self, pem: bytes) -> bool:
        """Whether this certificate, which TLS took for good, does so now."""
        try:
            shown = _shown(pem)
            begins, ends = shown.not_valid_before_utc, shown.not_valid_after_utc
            issuer, serial = shown.issuer, shown.serial_number
        except DAMAGED:
            return False
        now = self._clock()
        if not begins <= now < ends:
            return False
        if self._list is None:
            return True
        revoked = self._list.current()
        if revoked is None or revoked.next_update_utc is None or revoked.next_update_utc < now:
            return False
        if issuer != revoked.issuer:
            return True  # another authority's, of which this list says nothing
        return revoked.get_revoked_certificate_by_serial_number(serial) is None

    def _read(self, path: Path) -> RevocationList:
        found = read_list(path)
        with parsed(path, "revocation list"):
            signed = any(
                one.subject == found.issuer and found.is_signature_valid(one.public_key())  # type: ignore[arg-type]
                for one in self._authorities
            )
        if not signed:
            raise BadRequestError(
                f"{path} is not signed by an authority of --client-ca", path=str(path)
            )
        if found.next_update_utc is None or found.next_update_utc < self._clock():
            raise BadRequestError(f"the revocation list {path} has ended", path=str(path))
        return found


def _issued(data: dict[str, Any]) -> Issued:
    made = Issued(data["serial"], data["name"], data["ends"])
    int(made.serial, 16)
    if datetime.fromisoformat(made.ends).tzinfo is None:
        raise ValueError("a time without its zone")
    return made


@lru_cache(maxsize=1024)
def _shown(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)
