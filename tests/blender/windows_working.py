"""Inside a Blender with windows: Segment, candidates, Track, Cancel, as an artist presses them."""

import bpy
import shots
from windowed import arguments, click, key, lay_out, picture, press, run, screen_place, until

folder, clip, server = arguments()
ticks = 0
said = set()


def watch():
    """Counts how often Blender was free to do something else, and what the node said."""
    from airoto_blender import nodes

    global ticks
    ticks += 1
    said.update(one.progress for one in nodes.ours())
    return 0.02


def steps():
    from airoto_blender import candidates, nodes

    def node():
        return next(nodes.ours())

    def prompt():
        state = nodes.state_of(node())
        return state.object(state.current).prompt(1002)

    image, movie = lay_out()
    movie.type = "NODE_EDITOR"
    movie.ui_type = "CompositorNodeTree"
    movie.spaces.active.node_tree = shots.make(folder, clip, server, engine="auto").id_data
    bpy.context.scene.frame_current = 1002
    nodes.edit(node(), "begin", type(nodes.state_of(node()))())
    image.spaces.active.show_region_ui, movie.spaces.active.show_region_ui = False, True
    yield 0.3
    next(one for one in movie.regions if one.type == "UI").active_panel_category = "AI Roto"
    press(image, bpy.ops.airoto.click)
    yield 0.2
    at = screen_place(image, node(), (50, 70))
    yield from click(*screen_place(image, node(), (85, 60)))
    yield from until(lambda: nodes.state_of(node()).objects)
    bpy.app.timers.register(watch)
    before = ticks
    yield from key("S", *at)
    yield from until(lambda: node().candidate_scores, tries=100)
    shots.tell(scores=node().candidate_scores, free=ticks - before)
    state = nodes.state_of(node())
    shown = candidates.shown(node(), state, 1002)
    shots.tell(area=float((shown.pixels > 0.5).mean()))
    yield 0.3
    picture(folder / "candidate.xwd")
    yield from key("TWO", *at)
    yield from until(lambda: prompt().candidate == 2)
    shots.tell(chosen=prompt().candidate)
    yield from click(*screen_place(image, node(), (60, 20)), ctrl=True)
    yield from until(lambda: len(prompt().points) == 2)
    state = nodes.state_of(node())
    shots.tell(outdated=candidates.shown(node(), state, 1002) is None)
    yield from key("RET", *at)
    press(image, bpy.ops.airoto.track, node_id=node().node_id)
    yield
    shots.tell(cancels=press(image, bpy.ops.airoto.cancel, node_id=node().node_id) == {"FINISHED"})
    yield
    shots.tell(cancelled=node().progress)
    before = ticks
    press(image, bpy.ops.airoto.track, node_id=node().node_id)
    yield from until(lambda: node().status.startswith("current: 4"), tries=900)
    yield 0.3
    shots.tell(
        status=node().status,
        progress=node().progress,
        said=sorted(said),
        free_while_tracking=ticks - before,
    )
    picture(folder / "tracked.xwd")
    node().server = "unix:/nowhere/server.sock"
    press(image, bpy.ops.airoto.segment, node_id=node().node_id)
    yield from until(lambda: node().progress.startswith("failed"), tries=300)
    shots.tell(failed=node().progress)
    yield 0.3
    picture(folder / "failed.xwd")
    shots.tell(over=True)


run(steps())
