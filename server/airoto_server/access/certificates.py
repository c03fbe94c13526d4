"""What a certificate says, and the parts that one is made of (X.509, RFC 5280)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from airoto.errors import BadRequestError

# Clocks of a studio differ a little.
EARLIER = timedelta(hours=1)
# What asking a damaged certificate or list raises.
DAMAGED = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9-]+)*")


@dataclass(frozen=True)
class CertificateInfo:
    """What a certificate says.

    Attributes:
        file: where it lies.
        role: `ca`, `server` or `client`.
        name: its common name.
        hosts: names and addresses of a server.
        ends: when it ends, in UTC.
        serial: its number, which no other of the same authority has.
        revoked: whether the authority's list says that it does not count any more.
    """

    file: Path
    role: str
    name: str
    hosts: tuple[str, ...]
    ends: datetime
    serial: int
    revoked: bool = False

    def days_left(self, now: datetime) -> float:
        """Negative when it has ended."""
        return (self.ends - now) / timedelta(days=1)


def inspect(path: Path) -> CertificateInfo:
    """What a certificate's file says.

    Raises:
        BadRequestError: it cannot be read or is no certificate.
    """
    found = certificate(path)
    hosts: tuple[str, ...] = ()
    role = "client"
    with parsed(path, "certificate"):
        names = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        ends, serial = found.not_valid_after_utc, found.serial_number
        for extension in found.extensions:
            match extension.value:
                case x509.BasicConstraints(ca=True):
                    role = "ca"
                case x509.ExtendedKeyUsage() as usage if ExtendedKeyUsageOID.SERVER_AUTH in usage:
                    role = "server"
                case x509.SubjectAlternativeName() as others:
                    hosts = tuple(str(one.value) for one in others)
    name = str(names[0].value) if names else ""
    return CertificateInfo(path, role, name, hosts, ends, serial)


def certificate(path: Path) -> x509.Certificate:
    """A certificate's file.

    Raises:
        BadRequestError: it cannot be read or is no certificate.
    """
    with parsed(path, "certificate"):
        return x509.load_pem_x509_certificate(path.read_bytes())


@contextmanager
def parsed(path: Path, what: str, hint: str = "") -> Iterator[None]:
    """Read a file, or a part of what was read: much is parsed only once it is asked for.

    Raises:
        BadRequestError: it cannot be read or is none of what it should be.
    """
    try:
        yield
    except OSError as exc:
        raise BadRequestError(f"{path} cannot be read: {exc.strerror}", path=str(path)) from exc
    except DAMAGED as exc:
        raise BadRequestError(
            f"{path} is no {what} in PEM form", hint=hint, path=str(path)
        ) from exc


def begun(
    name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    """A certificate that only needs its extensions and a signature."""
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """What an authority's key, or anybody else's, may be used for."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def named(name: str) -> x509.Name:
    """A common name.

    Raises:
        BadRequestError: it is not fit for one.
    """
    try:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    except ValueError as exc:
        raise BadRequestError(f"{name!r} is no name for a certificate: {exc}") from exc


def alternative(host: str) -> x509.GeneralName:
    """A host's name or address.

    Raises:
        BadRequestError: it is neither.
    """
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not _HOST.fullmatch(host):
        raise BadRequestError(f"{host!r} is no host name and no address")
    return x509.DNSName(host)


def as_file(name: str) -> str:
    """A name as a part of a file's."""
    return name.replace(":", "_")
