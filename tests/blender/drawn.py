"""Runs inside Blender: masks as an artist draws them."""

import math

import bpy
import shots


def draw(name, *layers):
    """A mask; each layer is its settings and its splines.

    A spline is a list of corners (x, y) or of Bezier points (left, point, right handle) in the
    mask's own units.
    """
    mask = bpy.data.masks.new(name)
    for settings, splines in layers:
        layer = mask.layers.new(name="Layer")
        for key, value in settings.items():
            setattr(layer, key, value)
        for places in splines:
            spline = layer.splines.new()
            spline.points.add(len(places) - len(spline.points))
            spline.use_cyclic = True
            for point, place in zip(spline.points, places):
                left, at, right = place if len(place) == 3 else (place, place, place)
                point.handle_left_type = point.handle_right_type = "FREE"
                point.co, point.handle_left, point.handle_right = at, left, right
    return mask


def square(x, y, half):
    """Four corners."""
    return [(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)]


def circle(x, y, radius):
    """Four Bezier points."""
    arm = 0.5522847 * radius
    return [
        ((x + radius, y - arm), (x + radius, y), (x + radius, y + arm)),
        ((x + arm, y + radius), (x, y + radius), (x - arm, y + radius)),
        ((x - radius, y + arm), (x - radius, y), (x - radius, y - arm)),
        ((x - arm, y - radius), (x, y - radius), (x + arm, y - radius)),
    ]


def backwards(places):
    """The same spline the other way round."""
    return [(right, at, left) for left, at, right in reversed(places)]


def star(x, y, radius):
    """Five corners, joined crosswise."""
    turns = [2 * math.pi * 2 * step / 5 for step in range(5)]
    return [(x + radius * math.cos(turn), y + radius * math.sin(turn)) for turn in turns]


def all_kinds():
    """Masks in whose pixels everything counts that ours read."""
    ring = [circle(0.5, 0.5, 0.2), circle(0.5, 0.5, 0.1)]
    crossing = [circle(0.4, 0.5, 0.15), square(0.5, 0.5, 0.12)]
    holes = {"use_fill_holes": True}
    return [
        draw("circle", ({}, [circle(0.4, 0.5, 0.2)])),
        draw("crossing", ({}, crossing)),
        draw("nested", ({}, ring)),
        draw("hole", (holes, ring)),
        draw("hole_backwards", (holes, [ring[0], backwards(ring[1])])),
        draw("crossing_hole", (holes, crossing)),
        draw("star", ({}, [star(0.5, 0.5, 0.25)])),
        draw("star_hole", (holes, [star(0.5, 0.5, 0.25)])),
        draw("inverted", ({"invert": True}, ring)),
        draw("outside", ({}, [circle(0.05, 0.5, 0.2)])),
        draw(
            "layers",
            ({}, [circle(0.5, 0.5, 0.2)]),
            ({"blend": "MERGE_SUBTRACT", "alpha": 0.7}, [square(0.6, 0.5, 0.1)]),
            ({"blend": "DIFFERENCE"}, [square(0.3, 0.5, 0.1)]),
        ),
        draw(
            "replaced",
            ({}, [circle(0.5, 0.5, 0.2)]),
            ({"blend": "REPLACE", "alpha": 0.6}, [square(0.6, 0.5, 0.1)]),
        ),
    ]


def render_masks(drawn, folder, size, frame=1):
    """Each mask as Blender's own Mask node has it, as a layer of `masks.0001.exr`."""
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = size
    tree = shots.own_tree(scene)
    sockets = {}
    for mask in drawn:
        node = tree.nodes.new("CompositorNodeMask")
        node.mask = mask
        if shots.IS_5:
            node.inputs["Feather"].default_value = False
        else:
            node.use_feather = False
        sockets[mask.name] = node.outputs[0]
    shots.layers(tree, sockets, folder, "masks")
    shots.picture(tree, node.outputs[0])
    scene.render.filepath = f"{folder}/unused"
    scene.frame_start = scene.frame_end = frame
    bpy.ops.render.render(animation=True)


def set_key(mask):
    """A shape key of all layers as they are now, on the frame that the scene is on."""
    window = bpy.context.window_manager.windows[0]
    area = window.screen.areas[0]
    area.type = "IMAGE_EDITOR"
    area.spaces.active.mode, area.spaces.active.mask = "MASK", mask
    for layer in mask.layers:
        for spline in layer.splines:
            for point in spline.points:
                point.select = True
    with bpy.context.temp_override(window=window, area=area, region=area.regions[-1]):
        assert bpy.ops.mask.shape_key_insert() == {"FINISHED"}
