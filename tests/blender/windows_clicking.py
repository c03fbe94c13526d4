"""Inside a Blender with windows: prompts by clicking in both editors, as an artist does it."""

import bpy
import shots
from windowed import arguments, click, drag, key, lay_out, picture, press, run, screen_place, until

folder, clip_folder, server = arguments()


def steps():
    from airoto_blender import nodes

    def said(frame, name):
        made = next(nodes.ours())
        found = next(one for one in nodes.state_of(made).objects if one.name == name)
        prompt = found.prompt(frame)
        if prompt is None:
            return None
        box = prompt.box
        return {
            "points": [[point.x, point.y, point.positive] for point in prompt.points],
            "box": None if box is None else [box.x_min, box.y_min, box.x_max, box.y_max],
        }

    def changed(before):
        return lambda: next(nodes.ours()).state != before

    image, movie = lay_out()
    made = shots.make(folder, clip_folder, server)
    bpy.context.scene.frame_set(1002)
    yield
    # The Image Editor, from a button of its sidebar: zoomed in, with the sidebar over the picture.
    image.spaces.active.show_region_ui = True
    yield 0.3
    press(image, bpy.ops.airoto.click)
    yield
    with bpy.context.temp_override(
        window=bpy.context.window_manager.windows[0],
        area=image,
        region=next(r for r in image.regions if r.type == "WINDOW"),
    ):
        bpy.ops.image.view_zoom_ratio(ratio=2)
    yield 0.3
    shots.tell(
        shown=image.spaces.active.image == made.plate,
        user_frame=image.spaces.active.image_user.frame_current,
    )
    start = made.state
    yield from click(*screen_place(image, made, (70.25, 40.25)))
    yield from until(changed(start))
    yield from click(*screen_place(image, made, (40, 64)), ctrl=True)
    yield from drag(screen_place(image, made, (30, 30)), screen_place(image, made, (76, 80)))
    shots.tell(image=said(1002, "bag"), before_undo=len(nodes.state_of(made).objects))
    picture(folder / "image.xwd")
    # Over the sidebar a click is the sidebar's.
    panel = next(one for one in image.regions if one.type == "UI")
    now = made.state
    yield from click(panel.x + panel.width - 4, panel.y + 4)
    shots.tell(sidebar_took_it=next(nodes.ours()).state == now)
    yield from key("Z", *screen_place(image, made, (70, 40)), ctrl=True)
    yield from until(changed(now))
    made = next(nodes.ours())
    shots.tell(undone=said(1002, "bag"))
    yield from drag(
        screen_place(image, made, (62, 32)), screen_place(image, made, (76, 70)), release=False
    )
    yield from key("ESC", *screen_place(image, made, (76, 70)))
    shots.tell(drag_given_up=said(1002, "bag"))
    yield from key("ESC", *screen_place(image, made, (76, 70)))
    yield from until(lambda: next(nodes.ours()).state == start)
    shots.tell(taken_back=next(nodes.ours()).state == start)
    # The Movie Clip Editor: starts on 101 with an offset of 1, wide pixels, from another size.
    clip = bpy.data.movieclips.load(f"{clip_folder}/plate_acescg/plate.1001.exr")
    clip.frame_start, clip.frame_offset, clip.display_aspect = 101, 1, (2, 1)
    movie.spaces.active.clip = clip
    movie.spaces.active.mode = "TRACKING"
    for name in ("show_region_ui", "show_region_toolbar"):
        setattr(movie.spaces.active, name, False)
    bpy.context.scene.frame_current = 102  # as dragging in the timeline does
    yield 0.3
    press(movie, bpy.ops.airoto.click, region="WINDOW")
    yield
    made = next(nodes.ours())
    yield from click(*screen_place(movie, made, (50, 90)))
    yield from until(changed(start))
    yield from drag(screen_place(movie, made, (150, 70)), screen_place(movie, made, (40, 20)))
    shots.tell(clip=said(1003, "bag"), clip_user=movie.spaces.active.clip_user.frame_current)
    yield 0.2
    picture(folder / "clip.xwd")
    yield from key("RET", *screen_place(movie, made, (50, 90)))
    shots.tell(kept=said(1003, "bag"))
    movie.spaces.active.show_stable = True
    clip.tracking.stabilization.use_2d_stabilization = True
    try:
        press(movie, bpy.ops.airoto.click, region="WINDOW")
    except RuntimeError as exc:
        shots.tell(stabilised=str(exc))
    shots.tell(over=True)


run(steps())
