"""Tokens, people and certificates as files: what is made, what is refused."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airoto.errors import BadRequestError
from airoto_server.access import token_cli
from airoto_server.access.certs import Authority, inspect
from airoto_server.access.certs_cli import main as certs
from airoto_server.access.people import Person, read_people
from airoto_server.access.token_cli import main as tokens
from airoto_server.access.tokens import TokenCheck, TokenFile, digest


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# ---- tokens ----------------------------------------------------------------------------


def test_a_token_is_kept_as_a_digest_alone(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    token, entry = file.create("anna", timedelta(days=1))
    text = file.path.read_text()
    assert token not in text
    assert token.removeprefix("airoto-") not in text
    assert digest(token) in text
    assert mode(file.path) == 0o600
    assert file.entries() == (entry,)
    assert len(token) >= 43


def test_a_token_is_good_until_it_ends_or_is_revoked(tmp_path: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    file = TokenFile(tmp_path / "tokens.json", clock=lambda: now)
    token, entry = file.create("anna", timedelta(days=1))
    forever, _ = file.create("bert", None)
    times = [now]
    check = TokenCheck(file, clock=lambda: times[0])
    assert check.name_of(token) == "anna"
    assert check.name_of(forever) == "bert"
    times[0] = now + timedelta(days=1)
    assert check.name_of(token) is None
    times[0] = now + timedelta(days=3650)
    assert check.name_of(forever) == "bert"
    file.expire("bert", now)
    assert check.name_of(forever) is None
    times[0] = now
    assert check.name_of(token) == "anna"
    file.revoke(entry.id)
    assert check.name_of(token) is None


def test_changes_at_the_same_time_do_not_undo_each_other(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    leaked = [file.create(f"leaked{number}", None)[0] for number in range(8)]

    def change(number: int) -> None:
        own = TokenFile(tmp_path / "tokens.json")
        own.revoke(f"leaked{number}")
        for _ in range(3):
            own.create(f"new{number}", None)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(8)))
    check = TokenCheck(file)
    assert [check.name_of(token) for token in leaked] == [None] * 8
    assert len(file.entries()) == 24


def test_a_file_that_is_closed_to_others_again_counts_though_its_content_did_not_change(
    tmp_path: Path,
) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    token, _ = file.create("anna", None)
    check = TokenCheck(file)
    file.create("bert", None)
    file.path.chmod(0o644)
    assert check.name_of(token) is None
    file.path.chmod(0o600)
    assert check.name_of(token) == "anna"


@pytest.mark.parametrize("wrong", ["", "airoto-", "x" * 4000, "\udcff", "ä"])
def test_what_is_no_token_is_nobodys(tmp_path: Path, wrong: str) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    token, _ = file.create("anna", None)
    check = TokenCheck(file)
    assert check.name_of(wrong) is None
    assert check.name_of(token[:-1]) is None
    assert check.name_of(token + "a") is None
    assert check.name_of(digest(token)) is None


def test_every_digest_is_compared_and_in_constant_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    made = [file.create(name, None)[0] for name in ("anna", "bert", "carl")]
    check = TokenCheck(file)
    compared: list[str] = []

    def compare(one: str, other: str) -> bool:
        compared.append(one)
        return one == other

    monkeypatch.setattr("airoto_server.access.tokens.hmac.compare_digest", compare)
    assert check.name_of(made[0]) == "anna"
    assert compared == [digest(token) for token in made]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": 2, "tokens": []}',
        '{"format": 1, "tokens": [{"id": 1}]}',
        '{"format": 1, "tokens": 5}',
        "[" * 100_000,
    ],
)
def test_a_damaged_file_lets_nobody_in(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    token, _ = file.create("anna", None)
    check = TokenCheck(file)
    file.path.write_text(text)
    assert check.name_of(token) is None
    assert "nobody is let in" in caplog.text
    with pytest.raises(BadRequestError, match="no file of tokens"):
        TokenCheck(file)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    file.create("anna", None)
    file.path.chmod(0o640)
    with pytest.raises(BadRequestError, match="open to others"):
        TokenCheck(file)


def test_the_command_shows_a_token_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(token_cli.FILE_VARIABLE, str(tmp_path / "tokens.json"))
    assert tokens(["create", "anna", "--days", "2"]) == 0
    shown = capsys.readouterr()
    token = shown.out.strip()
    assert TokenCheck(TokenFile(tmp_path / "tokens.json")).name_of(token) == "anna"
    assert tokens(["create", "bert", "--out", str(tmp_path / "bert")]) == 0
    assert capsys.readouterr().out == ""
    assert mode(tmp_path / "bert") == 0o600
    assert tokens(["list"]) == 0
    listed = capsys.readouterr().out
    assert "anna" in listed
    assert token not in listed
    assert tokens(["expire", "anna"]) == 0
    assert tokens(["list", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert datetime.fromisoformat(json.loads(lines[-1])[0]["expires"]) <= datetime.now(UTC)
    assert tokens(["revoke", "anna"]) == 0
    assert tokens(["revoke", "anna"]) == 2
    assert "no token 'anna'" in capsys.readouterr().err


def test_names_that_could_be_mistaken_are_refused(tmp_path: Path) -> None:
    for name in ("", "-x", "a b", "a\n", "ä", "x" * 65, "../x"):
        with pytest.raises(BadRequestError, match="is no name"):
            TokenFile(tmp_path / "tokens.json").create(name, None)


# ---- people ----------------------------------------------------------------------------

PEOPLE = """
[everyone]
renders = 3
roots = ["/shows"]
[people.anna]
storage = "2G"
memory = "1.5G"
cache = "0"
transfers = 2
[people."bert@farm"]
admin = true
roots = ["/shows/abc", "/scratch"]
"""


def test_people_have_what_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "people.toml").write_text(PEOPLE)
    people = read_people(tmp_path / "people.toml")
    anna = people.find("anna")
    assert anna == Person(
        "anna",
        roots=(Path("/shows"),),
        renders=3,
        transfers=2,
        storage=2 << 30,
        memory=3 << 29,
        cache=0,
    )
    bert = people.find("bert@farm")
    assert bert is not None
    assert bert.admin
    assert bert.roots == (Path("/shows/abc"), Path("/scratch"))
    assert people.find("carl") is None
    assert people.find("") is None


def test_every_wrong_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "people.toml").write_text(
        "x = 1\n[everyone]\nrenders = 0\n[people.anna]\nroots = ['here']\nmemory = 5\n"
        "admin = 'yes'\nspool = '1G'\n[people.'ä']\n"
    )
    with pytest.raises(BadRequestError) as caught:
        read_people(tmp_path / "people.toml")
    assert {one.path for one in caught.value.violations} == {
        "x",
        "everyone.renders",
        "people.anna.roots",
        "people.anna.memory",
        "people.anna.admin",
        "people.anna.spool",
        "people.ä",
    }


# ---- certificates ----------------------------------------------------------------------


def test_an_authority_signs_for_servers_and_clients_apart(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    authority.create("Studio")
    server = authority.server(["render1.studio", "10.0.0.7", "::1"])
    client = authority.client("anna", days=10)
    assert (server.role, server.hosts) == ("server", ("render1.studio", "10.0.0.7", "::1"))
    assert (client.role, client.name) == ("client", "anna")
    assert 9 < client.days_left(datetime.now(UTC)) <= 10
    assert [one.role for one in authority.certificates()] == ["ca", "client", "server"]
    assert mode(tmp_path / "ca") == 0o700
    assert {mode(path) for path in (tmp_path / "ca").glob("*.key")} == {0o600}


def test_a_certificate_is_renewed_under_its_names(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    assert certs(["init", str(folder)]) == 0
    assert certs(["server", str(folder), "localhost", "127.0.0.1", "--days", "1"]) == 0
    before = (folder / "server-localhost.pem").read_bytes()
    assert certs(["renew", str(folder), "server-localhost.pem"]) == 0
    after = inspect(folder / "server-localhost.pem")
    assert (folder / "server-localhost.pem").read_bytes() != before
    assert after.hosts == ("localhost", "127.0.0.1")
    assert after.days_left(datetime.now(UTC)) > 390


def test_wrong_use_of_an_authority_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "ca")
    assert certs(["server", folder, "localhost"]) == 2
    assert "airoto certs init" in capsys.readouterr().err
    assert certs(["init", folder]) == 0
    assert certs(["init", folder]) == 2
    assert certs(["server", folder, "not a host"]) == 2
    assert certs(["client", folder, "../x"]) == 2
    assert certs(["renew", folder, "ca.pem"]) == 2
    Path(folder, "bad.pem").write_text("no")
    assert certs(["renew", folder, "bad.pem"]) == 2
    assert "no certificate" in capsys.readouterr().err
    (tmp_path / "open").mkdir(mode=0o755)
    os.chmod(tmp_path / "open", 0o755)  # noqa: PTH101 - whatever the umask
    assert certs(["init", str(tmp_path / "open")]) == 2
    assert "closed to others" in capsys.readouterr().err
