"""The packed extension: Blender's own tools take it, and it works from where they put it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tomllib
from in_blender import BLENDER, FETCHED, HERE, ROOT, channels, facts_in

sys.path.append(str(ROOT / "install"))

from airoto.errors import BadRequestError
from airoto_install import blender_extension
from airoto_install.blender_extension import Pair
from airoto_install.trees import Tree

# Of what is installed beside bpy only what Blender has as well.
OURS = ("grpc", "google", "protobuf", "blake3", "typing_extensions", "airoto")
SCRIPT = """
import sys
import bpy  # first: it says where the others are
import addon_utils
folder, clip, server, mode = sys.argv[-4:]
addon_utils.enable("bl_pkg")
if mode == "install":
    zip_file = sys.argv[-5]
    bpy.ops.extensions.package_install_files(
        filepath=zip_file, repo="user_default", enable_on_install=True)
    bpy.ops.wm.save_userpref()
    from bl_ext.user_default.airoto import nodes
    from airoto_client.node import links, state_ops
    from shots import picture, place  # it needs the installed client
    bpy.ops.wm.read_homefile(use_empty=True)
    node = place(folder, clip, server)
    scene, tree = bpy.context.scene, node.id_data
    scene.frame_end = 1002
    nodes.take_plate(node)
    state = state_ops.add_object(nodes.state_of(node), "hero")
    nodes.edit(node, "prompt", state_ops.add_point(state, 1001, 60, 50))
    node.view = "MATTE"
    picture(tree, node.outputs["Image"])
    scene.render.image_settings.color_depth = "32"
    preferences = bpy.context.preferences.addons["bl_ext.user_default.airoto"].preferences
    preferences.command = "/opt/airoto/bin/airoto"
    command = links.command()
    preferences.command = ""
else:
    bpy.ops.wm.read_userpref()
    bpy.ops.wm.open_mainfile(filepath=f"{folder}/shot.blend")
    command = []
bpy.ops.render.render(animation=True)
bpy.ops.wm.save_as_mainfile(filepath=f"{folder}/shot.blend")
import airoto_client, grpc
from shots import node_of, tell
node = node_of(bpy.context.scene)
tell(client=airoto_client.__file__, grpc=grpc.__file__, status=node.status, command=command)
"""


@pytest.fixture(scope="session")
def pair() -> Pair:
    asked = [str(BLENDER), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    python = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    return Pair(python, "linux-x64")


@pytest.fixture(scope="session")
def packed(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension for the Blender that is tested."""
    wheels = sorted((FETCHED / str(pair)).glob("*.whl"))
    if not wheels:
        pytest.skip(f"no wheels in {FETCHED / str(pair)} (install/test.sh fetches them)")
    return blender_extension.pack(pair, wheels, Tree(ROOT), tmp_path_factory.mktemp("extension"))


def test_blenders_own_tool_finds_it_valid(packed: Path):
    tool = next(BLENDER.parents[1].rglob("bl_pkg/cli/blender_ext.py"))
    ran = subprocess.run(
        [str(BLENDER), str(tool), "validate", str(packed)], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Success" in ran.stdout


def test_it_says_which_blenders_and_wheels_and_is_the_same_every_time(packed: Path, pair: Pair):
    with zipfile.ZipFile(packed) as files:
        manifest = tomllib.loads(files.read("blender_manifest.toml").decode())
        names = files.namelist()
    assert manifest["version"] == Tree(ROOT).version
    assert manifest["platforms"] == ["linux-x64"]
    low, high = blender_extension.BLENDERS[pair.python]
    assert manifest["blender_version_min"] == low
    assert manifest.get("blender_version_max", "") == high
    assert {f"./{name}" for name in names if name.endswith(".whl")} == set(manifest["wheels"])
    assert len(manifest["wheels"]) >= 4
    assert not [name for name in names if "pycache" in name]
    wheels = sorted((FETCHED / str(pair)).glob("*.whl"))
    again = blender_extension.pack(pair, wheels, Tree(ROOT), packed.parent / "again")
    assert again.read_bytes() == packed.read_bytes()


def test_wheels_for_something_else_are_refused(packed: Path, pair: Pair, tmp_path: Path):
    wheels = sorted((FETCHED / str(pair)).glob("*.whl"))
    other = Pair("3.13" if pair.python == "3.11" else "3.11", pair.platform)
    with pytest.raises(BadRequestError, match="is not for Python"):
        blender_extension.pack(other, wheels, Tree(ROOT), tmp_path)
    with pytest.raises(BadRequestError, match="no wheel of grpcio"):
        blender_extension.pack(
            pair, [one for one in wheels if "grpcio" not in one.name], Tree(ROOT), tmp_path
        )
    assert list(tmp_path.iterdir()) == []


def test_installed_from_the_zip_it_renders_and_a_second_session_finds_it_again(
    packed: Path, tmp_path: Path, clip: Path, server: str, reference: Path
):
    site = tmp_path / "site"
    site.mkdir()
    for one in next(BLENDER.parents[1].glob("lib/python3.*/site-packages")).iterdir():
        if not one.name.startswith(OURS) and one.suffix != ".pth":
            (site / one.name).symlink_to(one)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIROTO")},
        "PYTHONPATH": f"{site}{os.pathsep}{HERE}",
        "BLENDER_USER_RESOURCES": str(tmp_path / "user"),
    }

    def run(server: str, mode: str) -> dict[str, object]:
        arguments = [str(packed), str(tmp_path), str(clip), server, mode]
        ran = subprocess.run(
            [str(BLENDER), "-S", "-c", SCRIPT, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return facts_in(ran.stdout)

    first = run(server, "install")
    assert first["status"] == "current: 2 frames, 1001-1002"
    assert first["command"] == ["/opt/airoto/bin/airoto"]
    for name in ("client", "grpc"):
        assert str(first[name]).startswith(f"{tmp_path}/user/extensions/.local/")
    for frame in (1001, 1002):
        picture = tmp_path / "out" / f"main.{frame}.exr"
        ours = channels(picture)["R"]
        theirs = channels(reference / f"matte.{frame}.exr")["matte_hero.A"]
        assert np.array_equal(ours, theirs)
        picture.unlink()
    again = run("unix:/nowhere/server.sock", "again")
    assert again["status"] == first["status"]
    assert (tmp_path / "out" / "main.1002.exr").is_file()
