"""A small certificate authority for a studio: its own, the server's and the clients' certificates.

ECDSA over P-256, which every TLS 1.2 and 1.3 library speaks. The authority may sign nothing but
end certificates (path length 0); a server's certificate cannot stand for a client, nor the other
way round.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from airoto.errors import BadRequestError
from airoto.wire.access import secret_file
from airoto_server.access.folders import private_folder
from airoto_server.access.tokens import write_secret

CA_DAYS = 3650
DAYS = 397

# Clocks of a studio differ a little.
_EARLIER = timedelta(hours=1)
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9-]+)*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_USAGE = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}


@dataclass(frozen=True)
class CertificateInfo:
    """What a certificate says.

    Attributes:
        file: where it lies.
        role: `ca`, `server` or `client`.
        name: its common name.
        hosts: names and addresses of a server.
        ends: when it ends, in UTC.
    """

    file: Path
    role: str
    name: str
    hosts: tuple[str, ...]
    ends: datetime

    def days_left(self, now: datetime) -> float:
        """Negative when it has ended."""
        return (self.ends - now) / timedelta(days=1)


class Authority:
    """A folder with `ca.pem`, `ca.key` and what was signed by them; mode 0700."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self, studio: str, days: int = CA_DAYS) -> CertificateInfo:
        """Make the authority.

        Raises:
            BadRequestError: there is one already.
        """
        if (self.folder / "ca.pem").exists():
            raise BadRequestError(f"{self.folder} holds an authority already")
        private_folder(self.folder, "the folder's argument")
        key = ec.generate_private_key(ec.SECP256R1())
        name = _named(f"{studio} AIRoto CA")
        made = (
            _builder(name, name, key.public_key(), days)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        return self._write("ca", key, made)

    def server(self, hosts: Iterable[str], days: int = DAYS) -> CertificateInfo:
        """A certificate of a server under its host names and addresses; the first one names it.

        Raises:
            BadRequestError: a host is neither; there is no authority.
        """
        names = tuple(hosts)
        return self._sign("server", names[0], days, [_alternative(host) for host in names])

    def client(self, name: str, days: int = DAYS) -> CertificateInfo:
        """A certificate of somebody who uses servers, by name.

        Raises:
            BadRequestError: the name is not fit; there is no authority.
        """
        if not _NAME.fullmatch(name):
            raise BadRequestError(
                f"{name!r} is no name; allowed: letters, digits, . _ @ -, at most 64"
            )
        return self._sign("client", name, days, [])

    def renew(self, file: str, days: int = DAYS) -> CertificateInfo:
        """A new key and certificate with the same names, in the same files.

        Args:
            file: as `list` names it (`server-render1.pem`).
        """
        found = inspect(self.folder / file)
        if found.role == "ca":
            raise BadRequestError(
                "an authority is not renewed: whoever trusts it has to get the new one",
                hint="make a new folder, hand out its ca.pem, then its certificates",
            )
        if found.role == "server":
            return self.server(found.hosts, days)
        return self.client(found.name, days)

    def certificates(self) -> tuple[CertificateInfo, ...]:
        """All that lie in the folder, the authority's first."""
        found = [inspect(path) for path in sorted(self.folder.glob("*.pem"))]
        return tuple(sorted(found, key=lambda one: (one.role != "ca", one.ends)))

    def _sign(
        self, role: str, name: str, days: int, hosts: list[x509.GeneralName]
    ) -> CertificateInfo:
        if not (self.folder / "ca.pem").exists():
            raise BadRequestError(
                f"{self.folder} holds no authority", hint=f"airoto certs init {self.folder}"
            )
        authority = _certificate(self.folder / "ca.pem")
        signing = serialization.load_pem_private_key(
            secret_file(self.folder / "ca.key"), password=None
        )
        if not isinstance(signing, ec.EllipticCurvePrivateKey):
            raise BadRequestError(f"{self.folder / 'ca.key'} is no key of ours")
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(_named(name), authority.subject, key.public_key(), days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([_USAGE[role]]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()),
                critical=False,
            )
        )
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        return self._write(f"{role}-{_as_file(name)}", key, builder.sign(signing, hashes.SHA256()))

    def _write(
        self, stem: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
    ) -> CertificateInfo:
        path = self.folder / f"{stem}.pem"
        write_secret(
            self.folder / f"{stem}.key",
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )
        write_secret(path, certificate.public_bytes(serialization.Encoding.PEM))
        path.chmod(0o644)  # no secret: everybody who is shown it may read it
        return inspect(path)


def inspect(path: Path) -> CertificateInfo:
    """What a certificate's file says.

    Raises:
        BadRequestError: it cannot be read or is no certificate.
    """
    found = _certificate(path)
    names = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    hosts: tuple[str, ...] = ()
    role = "client"
    for extension in found.extensions:
        match extension.value:
            case x509.BasicConstraints(ca=True):
                role = "ca"
            case x509.ExtendedKeyUsage() as usage if ExtendedKeyUsageOID.SERVER_AUTH in usage:
                role = "server"
            case x509.SubjectAlternativeName() as others:
                hosts = tuple(str(one.value) for one in others)
    name = str(names[0].value) if names else ""
    return CertificateInfo(path, role, name, hosts, found.not_valid_after_utc)


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as exc:
        raise BadRequestError(f"{path} cannot be read: {exc.strerror}", path=str(path)) from exc
    except ValueError as exc:
        raise BadRequestError(f"{path} is no certificate in PEM form", path=str(path)) from exc


def _builder(
    name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
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


def _named(name: str) -> x509.Name:
    try:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    except ValueError as exc:
        raise BadRequestError(f"{name!r} is no name for a certificate: {exc}") from exc


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not _HOST.fullmatch(host):
        raise BadRequestError(f"{host!r} is no host name and no address")
    return x509.DNSName(host)


def _as_file(name: str) -> str:
    return name.replace(":", "_")
