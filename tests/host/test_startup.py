"""Starting Nuke: nothing heavy, nothing that raises, on every Python that Nuke ships."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nuke
import numpy as np
import OpenImageIO as oiio
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGIN = REPOSITORY / "nuke_plugin"
DOUBLE = REPOSITORY / "tests" / "host" / "nuke_double"
# What a Nuke has beside us; the double needs numpy, so here only names matter.
STUB = """
import sys, types
nuke = types.ModuleType("nuke")
class Anything:
    def __getattr__(self, name): return Anything()
    def __call__(self, *a, **k): return Anything()
    def __str__(self): return ""
nuke.__getattr__ = lambda name: Anything()
sys.modules["nuke"] = nuke
"""
IMPORT_ALL = """
import importlib, json, pathlib, sys
before = set(sys.modules)
folder = pathlib.Path(sys.argv[1]) / "airoto_nuke"
for path in sorted(folder.glob("*.py")):
    name = "airoto_nuke." + path.stem
    importlib.import_module(name.replace(".__init__", ""))
print(json.dumps(sorted(name for name in set(sys.modules) - before)))
"""


def python(version: str) -> str:
    """An interpreter of that version with nothing installed that we could lean on."""
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    for candidate in (
        *sorted(
            Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob(
                f"versions/{version}*/bin/python"
            )
        ),
        shutil.which(f"python{version}"),
    ):
        if candidate and _answers(str(candidate), version):
            return str(candidate)
    pytest.skip(f"Python {version} is not installed")


def _answers(command: str, version: str) -> bool:
    ask = [command, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    done = subprocess.run(ask, capture_output=True, text=True, check=False)
    return done.stdout.strip() == version


def run(command: str, code: str, *arguments: str) -> str:
    """In isolated mode: no site packages, no environment."""
    paths = f"import sys; sys.path[:0] = [{str(PLUGIN)!r}, {str(REPOSITORY / 'proto')!r}]\n"
    done = subprocess.run(
        [command, "-I", "-S", "-W", "error", "-c", paths + code, *arguments],
        capture_output=True, text=True, check=False, cwd=REPOSITORY,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.11", "3.13"])
def test_everything_imports_on_a_bare_python_and_needs_nothing_compiled(version):
    names = json.loads(run(python(version), STUB + IMPORT_ALL, str(PLUGIN)))
    own = [name for name in names if name.split(".")[0].startswith("airoto")]
    assert "airoto_nuke.work" in own
    others = {name.split(".")[0] for name in names} - {"airoto", "airoto_client", "airoto_nuke"}
    allowed = set(getattr(sys, "stdlib_module_names", ())) | {"nuke"}
    assert {name for name in others if not name.startswith("_")} <= allowed
    assert not [name for name in own if name.startswith(("airoto.wire", "airoto.v1"))]


def test_starting_up_imports_little(monkeypatch):
    code = STUB + (
        "import runpy, json\n"
        "before = set(sys.modules)\n"
        f"runpy.run_path({str(PLUGIN / 'init.py')!r})\n"
        f"runpy.run_path({str(PLUGIN / 'menu.py')!r})\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))\n"
    )
    names = json.loads(run(sys.executable, code))
    own = {name for name in names if name.startswith("airoto")}
    assert own <= {
        "airoto", "airoto.errors", "airoto_nuke", "airoto_nuke.startup", "airoto_nuke.host",
        "airoto_nuke.preset_menu", "airoto.presets", "airoto.presets.places",
        "airoto_nuke.geometry",
    }  # fmt: skip
    heavy = {"asyncio", "multiprocessing", "subprocess", "socket", "http", "ssl", "numpy"}
    assert not heavy & set(names)


def test_the_shared_code_beside_the_plug_in_is_found_by_itself():
    code = STUB + (
        "sys.path = [one for one in sys.path if not one.endswith('proto')]\n"
        "import runpy\n"
        f"runpy.run_path({str(PLUGIN / 'init.py')!r})\n"
        "import airoto.errors, airoto_nuke.work\n"
        "print(airoto.errors.__file__)\n"
    )
    assert run(sys.executable, code).strip() == str(REPOSITORY / "proto/airoto/errors.py")


def test_without_the_shared_code_nuke_starts_and_one_line_says_what_is_missing(tmp_path):
    shutil.copytree(PLUGIN, tmp_path / "nuke_plugin")
    code = STUB + (
        f"sys.path = [one for one in sys.path if 'proto' not in one and {str(PLUGIN)!r} != one]\n"
        f"sys.path.insert(0, {str(tmp_path / 'nuke_plugin')!r})\n"
        "import runpy\n"
        f"runpy.run_path({str(tmp_path / 'nuke_plugin/init.py')!r})\n"
    )
    said = run(sys.executable, code)
    assert said.startswith("AIRoto is not available: its folder `proto`")
    assert said.count("\n") == 1
    assert "NUKE_PATH" in said


@pytest.mark.parametrize("name", ["init.py", "menu.py"])
def test_a_start_up_file_says_what_is_wrong_and_never_raises(name, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "airoto_nuke", None)
    spec = importlib.util.spec_from_file_location("started", PLUGIN / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert "AIRoto" in capsys.readouterr().out


def test_terminal_mode_gets_the_guard_and_no_menu(terminal):
    assert not terminal.app.menus
    assert {"beforeRender", "beforeFrameRender"} <= set(terminal.app.callbacks)
    with pytest.raises(RuntimeError, match="non-gui"):
        nuke.menu("Nodes")


def test_icons_are_what_their_script_draws(tmp_path):
    spec = importlib.util.spec_from_file_location("make_icons", PLUGIN / "icons" / "make_icons.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, paint in module.ICONS.items():
        file = PLUGIN / "icons" / f"{name}.png"
        again = tmp_path / file.name
        again.write_bytes(module.png(paint))  # zlib's bytes may differ, so pixels are compared
        pixels = [oiio.ImageBuf(str(one)).get_pixels(oiio.UINT8) for one in (file, again)]
        assert pixels[0].shape == (24, 24, 4)
        assert np.array_equal(*pixels)


def test_the_double_and_nothing_else_is_called_nuke():
    assert Path(nuke.__file__).is_relative_to(DOUBLE)
