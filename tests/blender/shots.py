"""Runs inside Blender: a scene with an AI Roto node, and what tests do with it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import bpy

from airoto_client.node import state_ops

FIRST, LAST, WIDTH, HEIGHT = 1001, 1004, 192, 108
LAYERS = ("Matte", "matte_hero", "matte_bag", "Foreground")


def register():
    """The add-on, in an empty file."""
    import airoto_blender

    bpy.ops.wm.read_factory_settings(use_empty=True)
    airoto_blender.register()


def node():
    """The scene's node."""
    from airoto_blender import nodes

    return next(nodes.ours())


def place(folder, clip, server, *, engine="null"):
    """A node with the sample clip as its plate, in the scene's own tree."""
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT
    scene.frame_start, scene.frame_end = FIRST, LAST
    tree = bpy.data.node_groups.new("Comp", "CompositorNodeTree")
    scene.compositing_node_group = tree
    made = tree.nodes.new("AIRotoNode")
    image = bpy.data.images.load(f"{clip}/plate_acescg/plate.{FIRST}.exr")
    image.source, image.colorspace_settings.name = "SEQUENCE", "Non-Color"
    made.plate, made.colour_space, made.server = image, "ACEScg", server
    made.cache_folder = f"{folder}/cache"
    for name in ("segment_engine", "track_engine", "matte_engine"):
        setattr(made, name, engine)
    scene.render.filepath = f"{folder}/out/main.####"
    scene.render.image_settings.file_format = "OPEN_EXR"
    return made


def make(folder, clip, server, *, engine="null"):
    """The sample clip, two objects (one corrected on 1003), a multilayer File Output."""
    from airoto_blender import nodes

    made = place(folder, clip, server, engine=engine)
    nodes.take_plate(made)
    state = state_ops.add_point(state_ops.add_object(nodes.state_of(made), "hero"), FIRST, 60, 50)
    state = state_ops.add_point(state_ops.add_object(state, "bag"), FIRST, 140, 60)
    nodes.edit(made, "prompts", state_ops.add_point(state, 1003, 120, 60))
    output(made.id_data, made, folder)
    return made


def output(tree, made, folder):
    """What is rendered: the node's outputs as layers, and its picture."""
    tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    tree.links.new(made.outputs["Image"], tree.nodes.new("NodeGroupOutput").inputs[0])
    file = tree.nodes.new("CompositorNodeOutputFile")
    file.format.media_type = "MULTI_LAYER_IMAGE"
    file.format.color_depth, file.format.exr_codec = "32", "ZIP"
    file.directory, file.file_name = f"{folder}/out", "comp.####"
    file.file_output_items.clear()
    for name in LAYERS:
        kind = "RGBA" if name == "Foreground" else "FLOAT"
        file.file_output_items.new(kind, name)
        tree.links.new(made.outputs[name], file.inputs[name])


def wire(made, clip, *, stops=1.0):
    """What comes into the node is the plate made brighter: Blender has to render it."""
    tree = made.id_data
    plate = tree.nodes.new("CompositorNodeImage")
    plate.image = made.plate
    plate.frame_duration, plate.use_auto_refresh = LAST - FIRST + 1, True
    plate.frame_start, plate.frame_offset = FIRST, FIRST - 1
    grade = tree.nodes.new("CompositorNodeExposure")
    grade.inputs["Exposure"].default_value = stops
    tree.links.new(plate.outputs[0], grade.inputs["Image"])
    tree.links.new(grade.outputs[0], made.inputs["Image"])
    made.plate, made.colour_space = None, ""
    return grade


def render():
    """All frames."""
    bpy.ops.render.render(animation=True)


def save(path):
    """The .blend."""
    bpy.ops.wm.save_as_mainfile(filepath=str(path))


def tell(**facts):
    """Say something to the test."""
    print("FACTS " + json.dumps(facts), flush=True)


def arguments():
    """What the test said: folder, clip, server."""
    folder, clip, server = sys.argv[-3:]
    return Path(folder), Path(clip), server
