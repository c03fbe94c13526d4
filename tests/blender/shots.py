"""Runs inside Blender: a scene with an AI Roto node, and what tests do with it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import bpy

from airoto_client.node import state_ops

FIRST, LAST, WIDTH, HEIGHT = 1001, 1004, 192, 108
# 5.0 made the compositor's tree a data-block of its own.
IS_5 = bpy.app.version >= (5, 0, 0)
TREE = "CompositorNodeTree"
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


def place(folder, clip, server, *, engine="null", shared=False):
    """A node with the sample clip as its plate, in the scene's own tree.

    Args:
        shared: in a tree that other files can have; before 5.0 that is a group in the scene's.
    """
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT
    scene.frame_start, scene.frame_end = FIRST, LAST
    tree = bpy.data.node_groups.new("Comp", TREE) if shared else own_tree(scene)
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


def make(folder, clip, server, *, engine="null", shared=False):
    """The sample clip, two objects (one corrected on 1003), a multilayer File Output."""
    from airoto_blender import nodes

    made = place(folder, clip, server, engine=engine, shared=shared)
    nodes.take_plate(made)
    state = state_ops.add_point(state_ops.add_object(nodes.state_of(made), "hero"), FIRST, 60, 50)
    state = state_ops.add_point(state_ops.add_object(state, "bag"), FIRST, 140, 60)
    nodes.edit(made, "prompts", state_ops.add_point(state, 1003, 120, 60))
    output(made.id_data, made, folder)
    if shared:
        show(bpy.context.scene, made.id_data)
    return made


def own_tree(scene):
    """An empty tree that is the scene's."""
    if IS_5:
        scene.compositing_node_group = bpy.data.node_groups.new("Comp", TREE)
        return scene.compositing_node_group
    scene.use_nodes = True
    scene.node_tree.nodes.clear()
    return scene.node_tree


def show(scene, tree):
    """Let a scene render what a tree of its own or of another file gives."""
    if IS_5:
        scene.compositing_node_group = tree
        return
    group = own_tree(scene).nodes.new("CompositorNodeGroup")
    group.node_tree = tree
    picture(scene.node_tree, group.outputs[0])


def node_of(scene):
    """The node in a scene's tree, without the add-on's help."""
    tree = scene.compositing_node_group if IS_5 else scene.node_tree
    return next(one for one in tree.nodes if one.bl_idname == "AIRotoNode")


def picture(tree, socket):
    """A socket becomes what the scene renders."""
    if IS_5 or not tree.is_embedded_data:
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        tree.links.new(socket, tree.nodes.new("NodeGroupOutput").inputs[0])
    else:
        tree.links.new(socket, tree.nodes.new("CompositorNodeComposite").inputs[0])


def layers(tree, sockets, folder, name):
    """A File Output node that writes `<folder>/<name>.<frame>.exr`, a layer for each socket.

    Args:
        sockets: by the layers' names.
    """
    file = tree.nodes.new("CompositorNodeOutputFile")
    if IS_5:
        file.format.media_type = "MULTI_LAYER_IMAGE"
        file.directory, file.file_name = str(folder), f"{name}.####"
        file.file_output_items.clear()
    else:
        file.format.file_format = "OPEN_EXR_MULTILAYER"
        file.base_path = f"{folder}/{name}.####"
        file.layer_slots.clear()
    file.format.color_depth, file.format.exr_codec = "32", "ZIP"
    for layer, socket in sockets.items():
        if IS_5:
            kind = "FLOAT" if socket.type == "VALUE" else "RGBA"
            file.file_output_items.new(kind, layer)
        else:
            file.layer_slots.new(layer)
        tree.links.new(socket, file.inputs[layer])


def output(tree, made, folder):
    """What is rendered: the node's outputs as layers, and its picture."""
    picture(tree, made.outputs["Image"])
    layers(tree, {name: made.outputs[name] for name in LAYERS}, f"{folder}/out", "comp")


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
