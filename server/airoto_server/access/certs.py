"""A small certificate authority for a studio: its own, the server's and the clients' certificates.

ECDSA over P-256, which every TLS 1.2 and 1.3 library speaks. The authority may sign nothing but
end certificates (path length 0); a server's certificate cannot stand for a client, nor the other
way round.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from airoto.errors import BadRequestError
from airoto.wire.access import secret_file
from airoto_server.access.certificates import (
    CertificateInfo,
    alternative,
    as_file,
    begun,
    certificate,
    inspect,
    key_usage,
    named,
)
from airoto_server.access.folders import changing, private_folder
from airoto_server.access.revocation import Issued, read_list, remember, write_list
from airoto_server.access.tokens import write_secret

CA_DAYS = 3650
DAYS = 397

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_LIST = "ca.crl"
_ISSUED = "issued.json"
_USAGE = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}


class Authority:
    """A folder with `ca.pem`, `ca.key` and what was signed by them; mode 0700.

    `ca.crl` names what was revoked, `issued.json` what was issued to clients.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def revocations(self) -> Path:
        """The revocation list, for servers."""
        return self.folder / _LIST

    def create(self, studio: str, days: int = CA_DAYS) -> CertificateInfo:
        """Make the authority.

        Raises:
            BadRequestError: there is one already.
        """
        if (self.folder / "ca.pem").exists():
            raise BadRequestError(f"{self.folder} holds an authority already")
        private_folder(self.folder, "the folder's argument")
        key = ec.generate_private_key(ec.SECP256R1())
        name = named(f"{studio} AIRoto CA")
        made = (
            begun(name, name, key.public_key(), days)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(key_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        info = self._write("ca", key, made)
        write_list(self.revocations, (), made, key)
        return info

    def server(self, hosts: Iterable[str], days: int = DAYS) -> CertificateInfo:
        """A certificate of a server under its host names and addresses; the first one names it.

        Raises:
            BadRequestError: a host is neither; there is no authority.
        """
        names = tuple(hosts)
        return self._sign("server", names[0], days, [alternative(host) for host in names])

    def client(self, name: str, days: int = DAYS) -> CertificateInfo:
        """A certificate of somebody who uses servers, by name.

        Raises:
            BadRequestError: the name is not fit; there is no authority.
        """
        if not _NAME.fullmatch(name):
            raise BadRequestError(
                f"{name!r} is no name; allowed: letters, digits, . _ @ -, at most 64"
            )
        self._authority()
        with changing(self.folder / _ISSUED):
            self._issued()  # what lies there by that name is overwritten now
            made = self._sign("client", name, days, [])
            self._issued()
        return made

    def revoke(self, name: str) -> tuple[Issued, ...]:
        """Let no certificate count that this client had until now; which ones.

        Servers have to be shown the list that is written, `ca.crl`.

        Raises:
            BadRequestError: none was issued under that name that has not ended.
        """
        authority, key = self._signing()
        with changing(self.folder / _ISSUED):
            gone = tuple(one for one in self._issued() if one.name == name)
            if not gone:
                raise BadRequestError(
                    f"no certificate of a client {name!r} is in use",
                    hint=f"airoto certs list {self.folder} shows them; those of servers cannot be "
                    "revoked: make a new authority",
                )
            write_list(self.revocations, (int(one.serial, 16) for one in gone), authority, key)
        return gone

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
        listed = self.revocations.exists()
        gone = {one.serial_number for one in read_list(self.revocations)} if listed else set()
        found = [replace(one, revoked=one.serial in gone) for one in found]
        return tuple(sorted(found, key=lambda one: (one.role != "ca", one.ends)))

    def _issued(self) -> tuple[Issued, ...]:
        """What clients have, with what lies in the folder."""
        return remember(self.folder / _ISSUED, self.certificates(), datetime.now(UTC))

    def _signing(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        found = self._authority()
        key = serialization.load_pem_private_key(secret_file(self.folder / "ca.key"), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise BadRequestError(f"{self.folder / 'ca.key'} is no key of ours")
        return found, key

    def _authority(self) -> x509.Certificate:
        if not (self.folder / "ca.pem").exists():
            raise BadRequestError(
                f"{self.folder} holds no authority", hint=f"airoto certs init {self.folder}"
            )
        return certificate(self.folder / "ca.pem")

    def _sign(
        self, role: str, name: str, days: int, hosts: list[x509.GeneralName]
    ) -> CertificateInfo:
        authority, signing = self._signing()
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            begun(named(name), authority.subject, key.public_key(), days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([_USAGE[role]]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()),
                critical=False,
            )
        )
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        return self._write(f"{role}-{as_file(name)}", key, builder.sign(signing, hashes.SHA256()))

    def _write(
        self, stem: str, key: ec.EllipticCurvePrivateKey, made: x509.Certificate
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
        # No secret: everybody who is shown it may read it.
        write_secret(path, made.public_bytes(serialization.Encoding.PEM), 0o644)
        return inspect(path)
