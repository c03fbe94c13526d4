"""Real servers with TLS, tokens and certificates: who comes in, and what others learn."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from airoto.errors import AIRotoError, BadRequestError, UnauthenticatedError
from airoto.wire.access import Access, access_from
from airoto.wire.messages import GetServerInfoRequest
from airoto.wire.methods import METHODS
from airoto_client.cli import main as airoto
from airoto_client.grpc_link import GrpcLink
from airoto_server.access.certs import Authority
from airoto_server.access.tokens import TokenFile
from airoto_server.service.gate import REFUSAL

from .studios import Studio, make_studio, serving

# What nobody outside may learn.
TELLING = re.compile(rb"airoto|grpc|python|0\.1\.0|protobuf", re.IGNORECASE)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return make_studio(tmp_path_factory.mktemp("studio"))


@pytest.fixture(scope="module")
def with_tokens(studio: Studio) -> Iterator[tuple[int, Path]]:
    tokens = str(studio.tokens.path)
    with serving(studio.folder, *studio.tls(), "--tokens", tokens, "--log-level", "debug") as made:
        yield made


def info(port: int, access: Access) -> AIRotoError | dict[str, object]:
    with GrpcLink(f"localhost:{port}", access) as link:
        try:
            return link.call("GetServerInfo", {}, timeout=20)
        except AIRotoError as exc:
            return exc


def refusals(channel: grpc.Channel, metadata: object = ()) -> list[tuple[object, ...]]:
    """Everything that a caller sees of calls of every kind: code, text, headers, trailers."""
    seen = []
    paths = [METHODS["GetServerInfo"].path, METHODS["Render"].path, METHODS["Upload"].path]
    paths += ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"]
    paths += ["/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "/x.Y/Z", "/"]
    for path in paths:
        call = channel.stream_stream(path)(iter([b"\x08\x01"]), metadata=metadata, timeout=20)
        with pytest.raises(grpc.RpcError):
            list(call)
        headers = [key for key, _ in (*call.initial_metadata(), *call.trailing_metadata())]
        seen.append((call.code(), call.details(), tuple(headers)))
    return seen


# ---- tokens over TLS -------------------------------------------------------------------


def test_a_token_lets_its_person_in(studio: Studio, with_tokens: tuple[int, Path]) -> None:
    port, log = with_tokens
    answer = info(port, studio.access(studio.token))
    assert isinstance(answer, dict), answer
    line = next(line for line in log.read_text().splitlines() if "airoto_server.audit" in line)
    said = json.loads(line[line.index("{") :])
    assert said["who"] == "anna"
    assert said["method"] == "GetServerInfo"
    assert said["outcome"] == "ok"


def test_no_wrong_and_expired_tokens_get_one_answer_whatever_is_called(
    studio: Studio, with_tokens: tuple[int, Path]
) -> None:
    port, _ = with_tokens
    expired, entry = studio.tokens.create("bert", timedelta(days=1))
    revoked, gone = studio.tokens.create("carl", None)
    studio.tokens.expire(entry.id, TokenFile(Path("x"))._clock() - timedelta(seconds=5))
    studio.tokens.revoke(gone.id)
    ca = (studio.authority.folder / "ca.pem").read_bytes()
    answers = set()
    with grpc.secure_channel(f"localhost:{port}", grpc.ssl_channel_credentials(ca)) as channel:
        for value in (
            None,
            "",
            "Bearer ",
            f"Bearer {studio.token[:-1]}",
            f"bearer {studio.token}",
            f"Basic {studio.token}",
            f"Bearer {expired}",
            f"Bearer {revoked}",
            f"Bearer {studio.token}, Bearer {studio.token}",
        ):
            metadata = () if value is None else (("authorization", value),)
            answers.update(refusals(channel, metadata))
        twice = (("authorization", "Bearer x"), ("authorization", f"Bearer {studio.token}"))
        answers.update(refusals(channel, twice))
    assert answers == {(grpc.StatusCode.UNAUTHENTICATED, REFUSAL, ())}


def test_the_client_says_what_to_do_about_a_wrong_token(
    studio: Studio, with_tokens: tuple[int, Path]
) -> None:
    answer = info(with_tokens[0], studio.access("airoto-" + "x" * 43))
    assert isinstance(answer, UnauthenticatedError)
    assert "AIROTO_TOKEN_FILE" in answer.hint


def test_plain_text_to_a_tls_port_learns_nothing(
    studio: Studio, with_tokens: tuple[int, Path]
) -> None:
    port, _ = with_tokens
    hello = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0",
        b"\0" * 64,
        b"airoto\n",
    ]
    for words in hello:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
            plain.sendall(words)
            heard = b""
            with contextlib.suppress(ConnectionResetError):
                while part := plain.recv(4096):
                    heard += part
        assert len(heard) <= 64, heard
        assert not TELLING.search(heard), heard
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = METHODS["GetServerInfo"].bind(channel)
        with pytest.raises(grpc.RpcError) as caught:
            call(GetServerInfoRequest(), timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_server_that_the_ca_does_not_know_gets_no_token(
    studio: Studio, with_tokens: tuple[int, Path], tmp_path: Path
) -> None:
    other = Authority(tmp_path / "ca")
    other.create("Another")
    access = Access(token=studio.token, ca=str(other.folder / "ca.pem"))
    answer = info(with_tokens[0], access)
    assert isinstance(answer, AIRotoError)
    assert answer.kind == "server_unreachable"


def test_no_token_is_in_a_log_or_a_command_line(
    studio: Studio, with_tokens: tuple[int, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    port, log = with_tokens
    file = tmp_path / "token"
    file.write_text(studio.token + "\n")
    file.chmod(0o600)
    monkeypatch.setenv("AIROTO_TLS_CA", str(studio.authority.folder / "ca.pem"))
    command = ["info", "--server", f"localhost:{port}", "--token-file", str(file), "--json"]
    assert airoto(command) == 0
    file.chmod(0o644)
    assert airoto(command) == 2
    assert info(port, studio.access("airoto-" + "y" * 43))
    text = log.read_text()
    assert "unauthenticated" in text
    for secret in (studio.token, studio.token.removeprefix("airoto-"), "y" * 43):
        assert secret not in text


# ---- certificates ----------------------------------------------------------------------


def test_with_mutual_tls_the_certificate_says_who_it_is(studio: Studio, tmp_path: Path) -> None:
    people = tmp_path / "people.toml"
    people.write_text(f'[people.anna]\nroots = ["{tmp_path}"]\n')
    audit = tmp_path / "audit.jsonl"
    ca = str(studio.authority.folder / "ca.pem")
    options = ("--client-ca", ca, "--people", str(people), "--audit", str(audit))
    with serving(studio.folder, *studio.tls(), *options) as (port, _):
        answer = info(port, studio.access(client="anna"))
        assert isinstance(answer, dict), answer
        assert answer["roots"] == [str(tmp_path)]
        refused = info(port, studio.access(client="mallory"))
        assert isinstance(refused, UnauthenticatedError)
        with grpc.secure_channel(
            f"localhost:{port}", grpc.ssl_channel_credentials(Path(ca).read_bytes())
        ) as channel:
            with pytest.raises(grpc.RpcError) as caught:
                METHODS["GetServerInfo"].bind(channel)(GetServerInfoRequest(), timeout=10)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    assert [line.get("who") for line in lines] == ["anna", "nobody"]
    assert audit.stat().st_mode & 0o777 == 0o600


def test_with_both_the_token_has_to_be_the_certificates(studio: Studio) -> None:
    ca = str(studio.authority.folder / "ca.pem")
    options = ("--client-ca", ca, "--tokens", str(studio.tokens.path))
    with serving(studio.folder, *studio.tls(), *options) as (port, _):
        assert isinstance(info(port, studio.access(studio.token, client="anna")), dict)
        stolen = info(port, studio.access(studio.token, client="mallory"))
        assert isinstance(stolen, UnauthenticatedError)
        assert isinstance(info(port, studio.access(client="anna")), UnauthenticatedError)


# ---- loopback --------------------------------------------------------------------------


def test_a_loopback_port_needs_the_token_of_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
    with serving(tmp_path) as (port, log):
        token_file = run / "airoto" / f"port-{port}.token"
        assert token_file.stat().st_mode & 0o777 == 0o600
        assert isinstance(info(port, access_from({})), dict)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            assert set(refusals(channel)) == {(grpc.StatusCode.UNAUTHENTICATED, REFUSAL, ())}
        token = token_file.read_text().strip()
        named = tmp_path / "named"
        named.write_text(token)
        named.chmod(0o600)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "another"))
        assert isinstance(info(port, access_from({})), UnauthenticatedError)
        assert isinstance(info(port, Access(token_file=str(named))), dict)
        assert token not in log.read_text()
    assert not token_file.exists()


def test_a_studios_token_is_never_sent_without_tls(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    heard = b""
    with socket.create_server(("127.0.0.1", 0)) as thief:
        port = thief.getsockname()[1]
        with GrpcLink(f"127.0.0.1:{port}", Access(token=studio.token)) as link:
            with pytest.raises(AIRotoError):
                link.call("GetServerInfo", {}, timeout=2)
            thief.settimeout(5)
            caught, _ = thief.accept()
            with caught:
                caught.settimeout(1)
                with contextlib.suppress(TimeoutError):
                    while part := caught.recv(4096):
                        heard += part
    assert heard.startswith(b"PRI * HTTP/2")
    assert studio.token.encode() not in heard


# ---- refusing to start -----------------------------------------------------------------


def starts_with(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    code = airoto(["serve", *options])
    return code, capsys.readouterr().err


def test_a_server_that_would_be_open_does_not_start(
    studio: Studio, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tls, tokens = studio.tls(), ["--tokens", str(studio.tokens.path)]
    for options, words in (
        (["--listen", "0.0.0.0:0"], "TLS and a token"),
        (["--listen", "10.0.0.7:7000", *tokens], "TLS and a token"),
        (["--listen", "0.0.0.0:0", *tls], "would let anybody in"),
        (["--listen", "127.0.0.1:0", *tokens], "without TLS"),
        (["--listen", "0.0.0.0:0", *tls[:2], *tokens], "both --tls-cert and --tls-key"),
        (["--listen", "0.0.0.0:0", *tls, "--tokens", str(tmp_path / "none")], "nobody could come"),
        (["--socket", str(tmp_path / "s"), *tls, *tokens], "owner's alone"),
    ):
        code, said = starts_with(capsys, *options)
        assert code == 2, said
        assert words in said


def test_an_open_key_and_an_ended_certificate_are_refused(
    studio: Studio, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_bytes((studio.authority.folder / "server-localhost.key").read_bytes())
    key.chmod(0o644)
    tokens = ["--tokens", str(studio.tokens.path)]
    certificate = studio.tls()[:2]
    code, said = starts_with(
        capsys, "--listen", "0.0.0.0:0", *certificate, "--tls-key", str(key), *tokens
    )
    assert code == 2
    assert "open to others" in said
    old = Authority(tmp_path / "ca")
    old.create("Old")
    ended = old.server(["localhost"], days=0).file
    code, said = starts_with(
        capsys,
        "--listen",
        "0.0.0.0:0",
        "--tls-cert",
        str(ended),
        "--tls-key",
        str(ended.with_suffix(".key")),
        *tokens,
    )
    assert code == 2
    assert "ended on" in said


def test_a_client_says_what_another_machine_needs() -> None:
    with pytest.raises(BadRequestError, match="TLS and a token") as caught:
        GrpcLink("render-07:7000", Access())
    assert "AIROTO_TOKEN_FILE" in caught.value.hint
