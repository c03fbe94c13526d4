"""Inside a Blender with windows: clicks on a render, for a node whose plate Blender renders."""

import bpy
import shots
from windowed import arguments, click, lay_out, press, run, screen_place, window

folder, clip, server = arguments()


def steps():
    from airoto_blender import nodes

    image, _ = lay_out()
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = 320, 180
    scene.render.engine, scene.frame_end = "BLENDER_WORKBENCH", 3
    tree = bpy.data.node_groups.new("Comp", "CompositorNodeTree")
    scene.compositing_node_group = tree
    tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    made = tree.nodes.new("AIRotoNode")
    rendered = tree.nodes.new("CompositorNodeRLayers").outputs["Image"]
    tree.links.new(rendered, made.inputs["Image"])
    tree.links.new(rendered, tree.nodes.new("NodeGroupOutput").inputs[0])
    nodes.take_plate(made)
    yield 0.3
    with bpy.context.temp_override(window=window()):
        bpy.ops.render.render()
    image.spaces.active.image = bpy.data.images["Render Result"]
    yield 1.0
    press(image, bpy.ops.airoto.click, region="WINDOW")
    yield 0.5
    for _ in range(8):  # the editor shows the render when it has drawn it
        yield from click(*screen_place(image, next(nodes.ours()), (160, 90)))
        yield 0.3
        if nodes.state_of(next(nodes.ours())).objects:
            break
    (prompt,) = nodes.state_of(next(nodes.ours())).objects[0].prompts
    shots.tell(frame=prompt.frame, point=[prompt.points[0].x, prompt.points[0].y], over=True)


run(steps())
