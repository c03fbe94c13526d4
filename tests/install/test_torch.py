"""Which torch is taken: the build that fits the device, or what the user names."""

from __future__ import annotations

import shlex

import pytest

from airoto.errors import OutputError
from airoto_install.devices import CPU_INDEX, TorchIndex, find_device, torch_index
from airoto_install.venvs import PipInstall


@pytest.mark.parametrize(
    ("platform", "named", "device", "expected"),
    [
        ("linux", "", "cpu", TorchIndex(CPU_INDEX, needed=False)),
        ("linux", "", "cuda", TorchIndex()),
        ("darwin", "", "mps", TorchIndex()),
        ("darwin", "", "cpu", TorchIndex()),
        ("linux", "pip", "cpu", TorchIndex()),
        ("linux", "http://mirror/whl", "cuda", TorchIndex("http://mirror/whl")),
    ],
)
def test_the_build_fits_the_device_unless_another_is_named(
    monkeypatch, platform, named, device, expected
):
    monkeypatch.setattr("sys.platform", platform)
    assert torch_index(named, device) == expected


def test_a_driver_that_answers_means_cuda(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "win32")  # where no file of the driver is looked for
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_device().name == "cpu"
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA RTX 6000, 580.10'\n")
    tool.chmod(0o755)
    assert (find_device().name, find_device().why) == ("cuda", "NVIDIA RTX 6000, 580.10")
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert find_device().name == "cpu"


@pytest.fixture
def installed(tmp_path):
    """Install torch by a Python that writes down what its pip is asked for."""
    wheels, venv = tmp_path / "wheels", tmp_path / "venv"
    wheels.mkdir()
    (wheels / "airoto-0.1.0-py3-none-any.whl").touch()
    (venv / "bin").mkdir(parents=True)
    log = tmp_path / "asked"
    python = venv / "bin" / "python"

    def run(index, fails=""):
        python.write_text(
            f'#!/bin/sh\necho "$*" >>{shlex.quote(str(log))}\n'
            f'case "$*" in *--index-url*) {fails or ":"} ;; esac\n'
        )
        python.chmod(0o755)
        told = []
        constraints = tmp_path / "constraints.txt"
        step = PipInstall(venv, wheels, "server", constraints, torch_index=index)
        step.apply(told.append)
        return step.lines(), log.read_text().splitlines(), told

    return run


def test_torch_comes_first_and_from_its_own_index(installed):
    lines, asked, told = installed(TorchIndex(CPU_INDEX, needed=False))
    assert "if that cannot be reached, pip's own build" in lines[1]
    assert f"--index-url {CPU_INDEX}" in asked[0]
    assert asked[0].endswith(" torch")
    assert asked[1].endswith(" airoto[server]==0.1.0")
    assert told == []
    assert not any("--index-url" in one for one in installed(TorchIndex())[1][3:])


def test_an_index_that_cannot_be_reached_is_told_and_pips_own_build_taken(installed):
    fails = "echo no route >&2; exit 1"
    _, asked, told = installed(TorchIndex(CPU_INDEX, needed=False), fails)
    assert asked[1].endswith(" airoto[server]==0.1.0")
    assert "warning: no torch from" in told[0]
    assert "no route" in told[0]


def test_an_index_that_the_user_named_has_to_answer(installed):
    with pytest.raises(OutputError, match="no route"):
        installed(TorchIndex("http://mirror/whl"), "echo no route >&2; exit 1")
