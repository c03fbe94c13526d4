"""Certificates that count no more: revoked, ended, or under a list that is not to be had."""

from __future__ import annotations

import base64
import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from airoto.errors import AIRotoError, BadRequestError, UnauthenticatedError
from airoto_client.grpc_link import GrpcLink
from airoto_server.access.certs import Authority
from airoto_server.access.certs_cli import main as certs
from airoto_server.access.revocation import CertificateCheck
from airoto_server.service.gate import REFUSAL

from .studios import make_studio, serving


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path / "ca")
    made.create("Studio")
    return made


def pem(authority: Authority, name: str) -> bytes:
    return (authority.folder / f"client-{name}.pem").read_bytes()


def check(authority: Authority, **more: object) -> CertificateCheck:
    files = authority.folder / "ca.pem", authority.revocations
    return CertificateCheck(*files, **more)  # type: ignore[arg-type]


def test_every_certificate_that_a_client_ever_had_is_revoked_and_a_later_one_counts(
    authority: Authority,
) -> None:
    authority.client("anna")
    first = pem(authority, "anna")
    authority.client("bert")
    authority.renew("client-anna.pem")  # the first is in no file of the authority any more
    second = pem(authority, "anna")
    judge = check(authority)
    assert judge.counts(first)
    assert judge.counts(second)
    assert len(authority.revoke("anna")) == 2
    assert not judge.counts(first)  # the list changed under a running server
    assert not judge.counts(second)
    assert judge.counts(pem(authority, "bert"))
    assert [one.name for one in authority.certificates() if one.revoked] == ["anna"]
    authority.client("anna")
    assert judge.counts(pem(authority, "anna"))
    authority.revoke("bert")
    assert not judge.counts(first)  # what was revoked stays so


def test_a_certificate_ends_under_a_connection_too(authority: Authority) -> None:
    authority.client("anna", days=10)
    now = datetime.now(UTC)
    shown = pem(authority, "anna")
    assert check(authority).counts(shown)
    for later in (timedelta(days=10, seconds=1), -timedelta(days=1)):
        assert not check(authority, clock=lambda later=later: now + later).counts(shown)
    assert not check(authority).counts(b"-----BEGIN CERTIFICATE-----\nnone\n")


def test_a_list_that_is_not_the_authoritys_or_is_damaged_does_not_do(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority.client("anna")
    other = Authority(tmp_path / "other")
    other.create("Studio")  # the same name, another key
    with pytest.raises(BadRequestError, match="not signed by an authority"):
        CertificateCheck(authority.folder / "ca.pem", other.revocations)
    with pytest.raises(BadRequestError, match="has ended"):
        check(authority, clock=lambda: datetime.now(UTC) + timedelta(days=4000))
    judge = check(authority)
    good = authority.revocations.read_bytes()
    for data in (b"", b"-----BEGIN X509 CRL-----\n", other.revocations.read_bytes(), None):
        if data is None:
            authority.revocations.unlink()
        else:
            authority.revocations.write_bytes(data)
        with caplog.at_level(logging.ERROR):
            assert not judge.counts(pem(authority, "anna"))
        assert "nobody is let in" in caplog.text
        caplog.clear()
    authority.revocations.write_bytes(good)
    assert judge.counts(pem(authority, "anna"))


def test_a_list_that_could_not_be_read_for_a_while_counts_again_though_it_did_not_change(
    authority: Authority, tmp_path: Path
) -> None:
    authority.client("anna")
    judge, aside = check(authority), tmp_path / "aside"
    authority.revocations.rename(aside)
    authority.revocations.mkdir()
    assert not judge.counts(pem(authority, "anna"))
    authority.revocations.rmdir()
    aside.rename(authority.revocations)
    assert judge.counts(pem(authority, "anna"))


@pytest.mark.parametrize(
    "wrong", [{"serial": "anna"}, {"serial": 7}, {"ends": "soon"}, {"ends": "2040-01-01T00:00:00"}]
)
def test_a_damaged_list_of_what_was_issued_is_named(
    authority: Authority, wrong: dict[str, object]
) -> None:
    authority.client("anna")
    path = authority.folder / "issued.json"
    data = json.loads(path.read_text())
    data["issued"][0] |= wrong
    path.write_text(json.dumps(data))
    with pytest.raises(BadRequestError, match=r"issued\.json is no list of what was issued"):
        authority.revoke("anna")


def test_a_list_with_any_byte_damaged_lets_nobody_in_and_says_so(
    authority: Authority, tmp_path: Path
) -> None:
    """Much of a list is parsed only when it is asked for."""
    authority.client("anna")
    authority.revoke("anna")
    good = x509.load_pem_x509_crl(authority.revocations.read_bytes())
    data = good.public_bytes(serialization.Encoding.DER)
    path = tmp_path / "damaged.crl"
    for place in range(len(data)):
        damaged = data[:place] + bytes([data[place] ^ 0x15]) + data[place + 1 :]
        text = base64.encodebytes(damaged)
        path.write_bytes(b"-----BEGIN X509 CRL-----\n" + text + b"-----END X509 CRL-----\n")
        with pytest.raises(BadRequestError, match=r"damaged\.crl"):
            CertificateCheck(authority.folder / "ca.pem", path)


def test_an_authority_from_before_there_were_lists_can_revoke(authority: Authority) -> None:
    authority.client("anna")
    authority.revocations.unlink()
    (authority.folder / "issued.json").unlink()
    assert len(authority.revoke("anna")) == 1
    assert not check(authority).counts(pem(authority, "anna"))


def test_the_command_revokes_lists_and_names_what_it_cannot(
    authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(authority.folder)
    assert certs(["client", folder, "anna"]) == 0
    assert certs(["server", folder, "render1"]) == 0
    assert certs(["revoke", folder, "anna"]) == 0
    assert "REVOKED" in capsys.readouterr().out
    assert certs(["list", folder, "--json"]) == 0
    told = {one["name"]: one["revoked"] for one in json.loads(capsys.readouterr().out)}
    assert told["anna"] is True
    assert told["render1"] is False
    for name in ("render1", "nobody"):
        assert certs(["revoke", folder, name]) == 2
        assert "cannot be revoked" in capsys.readouterr().err
    assert authority.revocations.stat().st_mode & 0o777 == 0o644
    assert (authority.folder / "issued.json").stat().st_mode & 0o777 == 0o600


def test_a_running_server_lets_a_revoked_certificate_in_no_more(tmp_path: Path) -> None:
    studio = make_studio(tmp_path)
    authority = studio.authority
    ended = authority.client("late", days=0)
    assert ended.days_left(datetime.now(UTC)) <= 0
    options = ("--client-ca", str(authority.folder / "ca.pem"))
    options += ("--client-crl", str(authority.revocations))

    def told(link: GrpcLink) -> object:
        try:
            return link.call("GetServerInfo", {}, timeout=20)["pid"]
        except AIRotoError as exc:
            return exc

    with serving(tmp_path, *studio.tls(), *options) as (port, _):
        to = f"localhost:{port}"
        with (
            GrpcLink(to, studio.access(client="anna")) as anna,
            GrpcLink(to, studio.access(client="mallory")) as mallory,
            GrpcLink(to, studio.access(client="late")) as late,
        ):
            assert not isinstance(told(anna), AIRotoError)
            assert not isinstance(told(mallory), AIRotoError)
            refused = told(late)
            assert isinstance(refused, AIRotoError)
            assert refused.kind == "server_unreachable"  # by TLS itself: nothing is said
            authority.revoke("mallory")
            gone = told(mallory)  # over the connection that was open before
            assert isinstance(gone, UnauthenticatedError)
            assert REFUSAL in gone.message
            assert not isinstance(told(anna), AIRotoError)


def test_a_list_without_certificates_is_refused(
    authority: Authority, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from airoto_client.cli import main as airoto

    studio = make_studio(tmp_path / "studio")
    crl = ["--client-crl", str(studio.authority.revocations)]
    tokens = ["--tokens", str(studio.tokens.path)]
    assert airoto(["serve", "--listen", "127.0.0.1:0", *studio.tls(), *tokens, *crl]) == 2
    assert "--client-crl needs --client-ca" in capsys.readouterr().err
