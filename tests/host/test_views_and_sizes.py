"""What a node shows of several objects, in renders and windows; proxies; painted trimaps; older
nodes."""

from __future__ import annotations

from pathlib import Path

import nuke
import numpy as np
import OpenImageIO as oiio
import pytest
import session
from nuke import _images
from studio import FIRST, HEIGHT, HERO, LAST, WIDTH

from airoto.errors import RecipeError
from airoto_nuke import buttons, inside, nodes, plates
from airoto_nuke.knobs import NODE_VERSION, NodeKind


def two_objects(studio):
    node = studio.node()
    for name, x in (("hero", 40.5), ("dog", 150.5)):
        studio.press(node, "add_object")
        node["object_name"].setValue(name)
        studio.click(node, x, 54.5)
    studio.press(node, "track")
    assert node["status"].value().startswith("current"), studio.app.said
    return node


def written(studio, write, frame: int = FIRST) -> np.ndarray:
    """The alpha that a render wrote."""
    nuke.execute(write, frame, frame)
    image = oiio.ImageBuf(studio.app.written[-1])
    return image.get_pixels(oiio.FLOAT)[:, :, image.spec().channelnames.index("A")]


# ---- views --------------------------------------------------------------------------


def test_mask_views_show_all_objects_or_the_one_that_is_chosen(studio):
    node = two_objects(studio)
    assert node["show_object"].values() == ["all objects", "hero", "dog"]
    layers = {
        view: [studio.channel(node, FIRST, f"{layer}_{name}.alpha") for name in ("hero", "dog")]
        for view, layer in (("Mask", "matte"),)
    }
    file = str(nodes.shown_pattern(node)) % FIRST
    image = oiio.ImageBuf(file)
    names, pixels = image.spec().channelnames, image.get_pixels(oiio.FLOAT)
    for view, layer in (("Trimap", "trimap"), ("Confidence", "confidence")):
        layers[view] = [pixels[:, :, names.index(f"{layer}_{name}.A")] for name in ("hero", "dog")]
    joined = {"Mask": np.add, "Trimap": np.maximum, "Confidence": np.minimum}
    for view, (hero, dog) in layers.items():
        node["view"].setValue(view)
        node["show_object"].setValue("dog")
        for channel in ("red", "green", "blue", "alpha"):
            assert np.array_equal(studio.channel(node, FIRST, f"rgba.{channel}"), dog)
        node["show_object"].setValue("all objects")
        wanted = joined[view](hero, dog)
        assert np.allclose(studio.channel(node, FIRST, "rgba.red"), wanted, atol=2e-3)


def test_the_overlay_lays_each_objects_own_colour_over_the_plate(studio):
    node = two_objects(studio)
    node["object"].setValue("1: hero")
    node["object_colour"].setValue("#ff0000")
    node["object"].setValue("2: dog")
    node["object_colour"].setValue("#0000ff")
    assert node["stale"].value() == 0, "colours are for looking only"
    node["view"].setValue("Overlay")
    plate = [studio.channel(studio.plate, FIRST, f"rgba.{one}") for one in ("red", "blue")]
    red, blue = (studio.channel(node, FIRST, f"rgba.{one}") for one in ("red", "blue"))
    hero, dog = (54, 40), (54, 150)
    assert red[hero] == pytest.approx(plate[0][hero] / 2 + 0.5, abs=1e-3)
    assert blue[hero] == pytest.approx(plate[1][hero] / 2, abs=1e-3)
    assert red[dog] == pytest.approx(plate[0][dog] / 2, abs=1e-3)
    assert blue[dog] == pytest.approx(plate[1][dog] / 2 + 0.5, abs=1e-3)


def test_a_candidate_is_overlaid_in_its_objects_colour(studio):
    node = studio.node()
    studio.click(node, *HERO)
    studio.press(node, "segment")
    node["view"].setValue("Overlay")
    at = (round(HERO[1]), round(HERO[0]))
    plate = studio.channel(studio.plate, FIRST, "rgba.red")
    assert studio.channel(node, FIRST, "rgba.red")[at] == pytest.approx(plate[at] / 2 + 0.5, 1e-2)


def test_expressions_take_any_number_of_objects():
    names = [f"o{number}" for number in range(40)]
    masks = inside.planes(names, ("trimap", "confidence"))
    assert masks[1].count("max(") == 39
    assert masks[2].count("min(") == 39
    assert inside.planes(names, (), chosen="o7") == ("matte_o7.alpha", "0", "0")


# ---- renders in a session with windows, where $gui stays 1 -----------------------------


def test_a_candidate_never_gets_into_a_render(studio):
    node = studio.tracked()
    wanted = studio.alpha(node, FIRST)
    studio.press(node, "segment")
    assert node["stale"].value() == 0
    assert node["show_candidate"].value() == 1
    shown = studio.alpha(node, FIRST)
    assert not np.array_equal(shown, wanted)
    assert np.array_equal(written(studio, studio.write(node)), wanted)
    assert np.array_equal(studio.alpha(node, FIRST), shown), "windows show it again"


def test_chosen_black_is_black_and_never_the_last_result(studio):
    node = studio.tracked()
    node["on_missing"].setValue("black")
    write = studio.write(node)
    assert written(studio, write).max() == 1
    studio.click(node, 10, 10)
    assert studio.alpha(node, FIRST).max() == 1, "windows show the last result"
    assert written(studio, write).max() == 0
    assert written(studio, write, LAST + 3).max() == 0


def test_chosen_black_notices_a_changed_plate_too(studio):
    grade = nuke.nodes.Multiply(inputs=[studio.plate])
    node = studio.tracked(plate=grade)
    node["on_missing"].setValue("black")
    grade["value"].setValue([2.0, 1.0, 1.0, 1.0])
    assert node["stale"].value() == 0, "nobody has looked yet"
    assert written(studio, studio.write(node)).max() == 0


def test_a_failed_render_leaves_windows_as_they_were(studio):
    node = studio.tracked()
    wanted = studio.alpha(node, FIRST)
    studio.click(node, 10, 10)
    with pytest.raises(RuntimeError, match="stale"):
        nuke.execute(studio.write(node), FIRST, FIRST)
    assert np.array_equal(studio.alpha(node, FIRST), wanted)


@pytest.mark.parametrize("gui", [True, False])
def test_a_time_offset_downstream_renders_the_frames_that_it_asks_for(studio, gui):
    node = studio.tracked()
    wanted = studio.alpha(node, FIRST)
    shifted = nuke.nodes.TimeOffset(time_offset=100, inputs=[node])
    write = studio.write(shifted)
    studio.app.gui = gui
    assert np.array_equal(written(studio, write, FIRST + 100), wanted)
    with pytest.raises(RuntimeError, match=f"AIRoto1 is missing on frame {FIRST - 100}"):
        nuke.execute(write, FIRST, FIRST)
    studio.app.gui = True


def test_a_change_upstream_shows_after_a_while_without_a_render(studio, monkeypatch):
    from airoto_nuke import entry

    grade = nuke.nodes.Multiply(inputs=[studio.plate])
    node = studio.tracked(plate=grade)
    grade["value"].setValue([2.0, 1.0, 1.0, 1.0])
    monkeypatch.setattr(entry, "_watch", entry._Watch())
    nuke.frame(FIRST + 1)
    assert node["status"].value().startswith("STALE")


def test_another_roto_node_upstream_counts_by_its_result(studio):
    first = studio.tracked()
    second = studio.tracked(plate=first)
    write = studio.write(second)
    nuke.execute(write, FIRST, FIRST)
    first["view"].setValue("Overlay")
    with pytest.raises(RuntimeError, match=r"AIRoto2 is stale"):
        nuke.execute(write, FIRST, FIRST)


def test_a_very_long_chain_upstream_is_taken(studio):
    node = studio.plate
    for _ in range(1500):
        node = nuke.nodes.Dot(inputs=[node])
    assert plates.identity(node) != plates.identity(studio.plate)


# ---- proxies ------------------------------------------------------------------------


def test_proxy_size_is_a_choice_and_prompts_keep_their_places(studio):
    node = studio.tracked()
    full = studio.alpha(node, FIRST)
    state = nodes.state_of(node)
    node["size"].setValue("proxy")
    assert node["status"].value().startswith("STALE")
    studio.press(node, "track")
    assert node["status"].value().startswith("current"), studio.app.said
    assert nuke.root()["proxy"].value() is False
    assert nodes.state_of(node) == state
    file = oiio.ImageBuf(nodes.shown_pattern(node) % FIRST).spec()
    assert (file.full_width, file.full_height) == (WIDTH // 2, HEIGHT // 2)
    alpha = studio.alpha(node, FIRST)
    assert alpha.shape == full.shape
    assert np.abs(alpha - full).mean() < 0.02
    node["size"].setValue("full")
    assert node["status"].value().startswith("current"), "the full-size result is found again"
    assert np.array_equal(studio.alpha(node, FIRST), full)


@pytest.mark.parametrize("gui", [True, False])
def test_a_full_size_render_refuses_a_proxys_matte_and_a_proxy_render_takes_it(studio, gui):
    node = studio.node()
    node["size"].setValue("proxy")
    studio.click(node, *HERO)
    studio.press(node, "track")
    write = studio.write(node)
    studio.app.gui = gui
    with pytest.raises(RuntimeError, match="made at proxy size"):
        nuke.execute(write, FIRST, FIRST)
    node["on_missing"].setValue("black")
    assert written(studio, write).max() == 0
    node["on_missing"].setValue("error")
    nuke.root()["proxy"].setValue(True)
    made = written(studio, write)
    studio.app.gui = True
    assert made.shape == (HEIGHT // 2, WIDTH // 2)
    assert made.max() == 1


def test_a_mask_prompt_and_a_candidate_fit_at_proxy_size(studio):
    node = studio.node()
    shape = nuke.nodes.Rectangle(area=(20, 10, 60, 50), inputs=[studio.plate])
    node.setInput(1, shape)
    studio.press(node, "use_mask")
    node["size"].setValue("proxy")
    node["matte_engine"].setValue("none")
    studio.press(node, "segment")
    candidate = studio.alpha(node, FIRST)
    studio.press(node, "hide_candidates")
    studio.press(node, "track")
    wanted = studio.channel(shape, FIRST, "rgba.alpha")
    for found in (candidate, studio.alpha(node, FIRST)):
        assert np.abs(found - wanted).mean() < 0.02


# ---- painted trimaps ----------------------------------------------------------------


def test_a_trimap_that_was_painted_on_is_matted_as_it_was_painted(studio):
    trimap = studio.node(NodeKind.TRIMAP)
    shape = nuke.nodes.Rectangle(area=(40, 20, 120, 90), inputs=[studio.plate])
    trimap.setInput(1, shape)
    studio.press(trimap, "make")
    drawn = studio.alpha(trimap, FIRST)
    assert set(np.unique(drawn)) == {0, 0.5, 1}
    painted = nuke.nodes.Rectangle(area=(0, 0, 192, 12), inputs=[trimap])
    node = studio.node(NodeKind.MATTE)
    node.setInput(1, painted)
    node["guide"].setValue("trimap")
    studio.press(node, "make")
    assert node["status"].value().startswith("current"), studio.app.said
    wanted = studio.channel(painted, FIRST, "rgba.alpha")
    assert wanted.sum() > drawn.sum()
    node["view"].setValue("Trimap")
    assert np.array_equal(studio.channel(node, FIRST, "rgba.red"), wanted)
    node["view"].setValue("Final")
    alpha = studio.alpha(node, FIRST)
    assert (alpha[wanted == 1] == 1).all()
    assert (alpha[wanted == 0] == 0).all()
    node["guide"].setValue("mask")
    assert node["status"].value().startswith("STALE")


def test_a_painted_trimap_of_a_frame_without_the_object_is_no_error(studio):
    node = studio.node(NodeKind.MATTE, engine="auto")
    shape = nuke.nodes.Rectangle(area=(40, 20, 120, 90), inputs=[studio.plate])
    shape["area"].setExpression("40+1000*(frame==1003)", 0)
    shape["area"].setExpression("120+1000*(frame==1003)", 2)
    node.setInput(1, shape)
    node["guide"].setValue("trimap")
    studio.press(node, "make")
    assert node["status"].value() == f"current: 6 frames, {FIRST}-{LAST}", studio.app.said
    assert studio.alpha(node, FIRST + 1).max() == 1
    assert studio.alpha(node, 1003).max() == 0


def test_a_painted_trimap_without_a_matter_is_refused_in_words(studio):
    node = studio.node(NodeKind.MATTE)
    node.setInput(1, nuke.nodes.Rectangle(area=(40, 20, 120, 90), inputs=[studio.plate]))
    node["guide"].setValue("trimap")
    node["matte_engine"].setValue("none")
    studio.press(node, "make")
    assert "trimap needs an engine" in studio.app.said[-1]


# ---- views of a stereo script -----------------------------------------------------------


def test_the_views_of_a_stereo_script_never_share_a_plate_or_a_matte(studio):
    nuke.root()["views"].setValue("left right")
    node = studio.node()
    node["view_name"].setValue("left")
    studio.click(node, *HERO)
    studio.press(node, "track")
    assert node["status"].value().startswith("current"), studio.app.said
    assert len(list(Path(nodes.folder_of(node)).glob("plate/*"))) == 1, "rendered, by view"
    node["view_name"].setValue("right")
    assert node["status"].value().startswith("STALE")
    studio.press(node, "track")
    assert len(list(Path(nodes.folder_of(node)).glob("plate/*"))) == 2


# ---- colour -------------------------------------------------------------------------


def test_the_config_is_nukes_own_the_scripts_or_the_environments(studio, tmp_path, monkeypatch):
    folder = tmp_path / "plugins/OCIOConfigs/configs"
    (folder / "aces_1.2").mkdir(parents=True)
    (folder / "aces_1.2/config.ocio").write_text("")
    monkeypatch.setitem(nuke.env, "ExecutablePath", f"{tmp_path}/Nuke17.0")
    plate = plates.plate_of(studio.node())
    root = nuke.root()
    assert "config" not in plates.colour_of(plate, direct=True)
    root["OCIO_config"].setValue("aces_1.2")
    shipped = f"{folder}/aces_1.2/config.ocio"
    assert plates.colour_of(plate, direct=True) == {"space": "ACEScg", "config": shipped}
    root["OCIO_config"].setValue("custom")
    root["customOCIOConfigPath"].setValue("/show/config.ocio")
    assert plates.colour_of(plate, direct=True)["config"] == "/show/config.ocio"
    monkeypatch.setenv("OCIO", "/env/config.ocio")
    assert plates.colour_of(plate, direct=True)["config"] == "/env/config.ocio"


def test_a_curve_that_has_no_name_outside_nuke_is_rendered_instead_of_guessed(studio):
    root = nuke.root()
    root["colorManagement"].setValue("Nuke")
    root["workingSpaceLUT"].setValue("linear")
    studio.plate["colorspace"].setValue("AlexaV3LogC")
    node = studio.tracked()
    assert node["status"].value().startswith("current"), studio.app.said
    assert len(studio.app.written) == LAST - FIRST + 1
    plate = plates.plate_of(node)
    recipe = nodes.recipe_of(node, plate, nodes.state_of(node))
    assert recipe["plate"]["colour"]["space"] == "Linear Rec.709 (sRGB)"


def test_a_foreground_comes_back_in_the_scripts_working_space(studio):
    studio.plate["colorspace"].setValue("sRGB - Texture")
    node = studio.node()
    assert nodes.why_render(node, plates.plate_of(node)) == ""
    node["foreground_layer"].setValue(True)
    assert "working space" in nodes.why_render(node, plates.plate_of(node))


# ---- recipes of other plates -----------------------------------------------------------


def pasted(studio, **plate):
    """A recipe with one point, of a plate that is said to be otherwise."""
    first = studio.node()
    studio.click(first, 40.5, 20.5)
    recipe = nodes.recipe_of(
        first, plates.plate_of(first), nodes.state_of(first), output="/o.%04d.exr"
    )
    recipe["plate"] = {**recipe["plate"], **plate}
    return recipe


def test_a_pasted_recipe_brings_nothing_that_only_its_own_plate_was(studio):
    window = {"x_min": -50, "y_min": -50, "x_max": 300, "y_max": 300}
    recipe = pasted(
        studio, view="right", layer="beauty", proxy_scale=0.5,
        format={"width": WIDTH, "height": HEIGHT, "data_window": window},
    )  # fmt: skip
    node = studio.node()
    buttons.put_recipe(node, recipe)
    studio.press(node, "track")
    assert node["status"].value().startswith("current"), studio.app.said
    made = nodes.recipe_of(node, plates.plate_of(node), nodes.state_of(node))
    assert made["plate"]["proxy_scale"] == 1.0
    assert not {"view", "layer"} & set(made["plate"])
    assert "data_window" not in made["plate"]["format"]


def test_a_pasted_recipe_of_a_larger_plate_keeps_its_prompts_in_place(studio):
    recipe = pasted(studio, format={"width": 4 * WIDTH, "height": 4 * HEIGHT})
    node = studio.node()
    buttons.put_recipe(node, recipe)
    assert "scaled" in studio.app.said[-1]
    point = nodes.state_of(node).objects[0].prompts[0].points[0]
    assert (point.x, point.y) == pytest.approx((40.5 / 4, 20.5 / 4))


def test_a_pasted_recipe_of_other_proportions_is_refused_and_changes_nothing(studio):
    recipe = pasted(studio, format={"width": WIDTH, "height": 2 * HEIGHT})
    node = studio.node()
    before = node["state"].value()
    with pytest.raises(RecipeError, match="this one is"):
        buttons.put_recipe(node, recipe)
    assert node["state"].value() == before


# ---- older nodes --------------------------------------------------------------------


def older(node) -> None:
    """As an AIRoto of the first version left a node: another inside, fewer knobs."""
    for one in list(node.nodes()):
        if one.name() in ("Sized", "Planes", "Trimap", "Confidence"):
            nuke.delete(one)
    for name in ("rendering", "result_scale", "candidate_scale", "show_object", "size"):
        node.removeKnob(node[name])
    node["airoto_version"].setValue(1)


def test_what_is_inside_an_older_node_is_built_anew_and_shows_the_same(studio):
    node = two_objects(studio)
    before = {view: _images.render(node, FIRST) for view in ("Final",)}
    key, state = node["result_key"].value(), nodes.state_of(node)
    older(node)
    path = studio.save("shot")
    nuke.scriptOpen(str(path))
    again = nuke.toNode("AIRoto1")
    assert again["airoto_version"].value() == NODE_VERSION
    assert (again["result_key"].value(), nodes.state_of(again)) == (key, state)
    assert again.input(0).name() == "Plate"
    assert again["status"].value().startswith("current")
    after = _images.render(again, FIRST)
    for name, plane in before["Final"].channels.items():
        assert np.array_equal(after.channels[name], plane), name
    fresh = studio.node()
    assert {one.name() for one in again.nodes()} >= {one.name() for one in fresh.nodes()}
    for one in fresh.nodes():
        if one.Class() in ("Switch", "Reformat"):
            twin = again.node(one.name())
            assert [i.name() for i in one._inputs] == [i.name() for i in twin._inputs]
            assert one.writeKnobs() == twin.writeKnobs()


def test_a_callback_before_the_inside_was_read_does_no_harm(studio):
    from airoto_nuke import entry

    node = studio.tracked()
    path = studio.save("shot")
    text = path.read_text()
    session.reset()
    nuke.root()["name"]._value = str(path)
    bare = nuke.nodes.Group(name="Bare")
    for line in text.splitlines():
        if line.startswith((" addUserKnob {1 airoto_kind", " addUserKnob {1 state")):
            bare.readKnobs(line)
    bare["airoto_kind"].setValue("AIRoto")
    entry.created(bare)
    assert bare.nodes() == []
    assert nuke.Undo.undoSize() >= 0
    del node
