"""Pixels: pull-evaluation of the few operations that our groups use, with real files.

Rows are top to bottom; boxes are Nuke's (x, y, r, t), y up.
"""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import _later

from nuke._app import app
from nuke._formats import Format

np, oiio = _later.module("numpy"), _later.module("OpenImageIO")

_SUFFIX = {"R": "red", "G": "green", "B": "blue", "A": "alpha", "Z": "Z"}
_LETTER = {"red": "R", "green": "G", "blue": "B", "alpha": "A"}
RGBA = ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha")


@dataclass(frozen=True)
class Image:
    """Planes (H, W) float32 by channel over a bounding box; black outside it."""

    format: Format
    bbox: tuple[int, int, int, int]
    channels: dict[str, Any] = field(default_factory=dict)

    def plane(self, name: str, bbox: tuple[int, int, int, int] | None = None) -> Any:
        """One channel over a box; black where there is nothing."""
        x, y, r, t = bbox or self.bbox
        made = np.zeros((t - y, r - x), np.float32)
        found = self.channels.get(name)
        if found is None:
            return made
        bx, by, br, bt = self.bbox
        left, right, low, high = max(x, bx), min(r, br), max(y, by), min(t, bt)
        if left < right and low < high:
            made[t - high : t - low, left - x : right - x] = found[
                bt - high : bt - low, left - bx : right - bx
            ]
        return made


def render(node: Any, frame: int) -> Image:
    """A node's picture on a frame."""
    before, app.frame = app.frame, int(frame)
    try:
        return _render(node)
    finally:
        app.frame = before


def full_format(node: Any) -> Format:
    """A node's full-size format."""
    if node is not None and node.Class() == "Read":
        kept = node["format"].value().split()
        if len(kept) >= 7:  # as the Read of a saved script has it
            x, y, r, t = map(int, kept[2:6])
            return Format(int(kept[0]), int(kept[1]), x, y, r, t, float(kept[6]))
        path = Path(_absolute(node["file"].evaluate(app.frame)))
        if path.is_file():
            return _format_of(str(path), path.stat().st_mtime_ns)
    try:
        return _render(node).format
    except RuntimeError:
        return app.root._format


def frame_range(node: Any) -> tuple[int, int]:
    """Of the first input that has one."""
    if node is None:
        return app.root.firstFrame(), app.root.lastFrame()
    kind = node.Class()
    if kind == "Read":
        return node["first"].value(), node["last"].value()
    if kind == "Input":
        source = _outside(node)
        return frame_range(source)
    if kind == "Group":
        output = next((n for n in node._nodes if n.Class() == "Output"), None)
        return frame_range(output.input(0) if output else None)
    if kind == "TimeOffset":
        first, last = frame_range(node.input(0))
        shift = node["time_offset"].value()
        return first + shift, last + shift
    return frame_range(node.input(0))


def _render(node: Any) -> Image:
    if node is None:
        form = app.root._format
        return Image(form, (0, 0, form.width(), form.height()))
    kind = node.Class()
    if kind != "Read" and kind != "Constant" and node["disable"].value():
        return _render(node.input(0))
    return _OPERATIONS[kind](node)


def _outside(node: Any) -> Any:
    """What is connected to the Group's input that an Input node stands for."""
    group = node._parent
    return group.input(node["number"].value()) if group is not app.root else None


def _group(node: Any) -> Image:
    output = next((n for n in node._nodes if n.Class() == "Output"), None)
    if output is None:
        raise RuntimeError(f"{node.name()}: a Group without an Output")
    return _render(output)


def _read(node: Any) -> Image:
    frame = app.frame
    if node["frame"].value():
        mode, value = node["frame_mode"].value(), node["frame"].value()
        if mode == "start at":
            frame = frame - int(value) + node["first"].value()
        elif mode == "offset":
            frame = frame + int(value)
        else:
            raise RuntimeError("the double does not know frame expressions")
    first, last = node["first"].value(), node["last"].value()
    if not first <= frame <= last:
        how = node["before" if frame < first else "after"].value()
        if how == "black":
            return _black(node, first)
        if how != "hold":
            raise RuntimeError(f"the double does not know {how}")
        frame = min(max(frame, first), last)
    path = _absolute(node["file"].evaluate(frame))
    if not Path(path).is_file():
        how = node["on_error"].value()
        if how == "black":
            return _black(node, first)
        raise RuntimeError(f"{node.fullName()}: Error reading frame {frame}: {path}: No such file")
    return _read_file(path, raw=node["raw"].value())


def _absolute(path: str) -> str:
    """Source: Nuke user guide: relative paths count from the project directory."""
    if Path(path).is_absolute():
        return path
    return str(Path(app.root["project_directory"].value() or ".") / path)


def _black(node: Any, first: int) -> Image:
    path = _absolute(node["file"].evaluate(first))
    if Path(path).is_file():
        image = _read_file(path, raw=True)
        return replace(image, channels={})
    form = app.root._format
    return Image(form, (0, 0, form.width(), form.height()))


@functools.lru_cache(maxsize=1000)
def _format_of(path: str, mtime_ns: int) -> Format:
    file = oiio.ImageInput.open(path)
    if file is None:
        raise RuntimeError(f"{path}: {oiio.geterror()}")
    spec = file.spec()
    file.close()
    return _format(spec)


def _format(spec: Any) -> Format:
    width, height = spec.full_width, spec.full_height
    aspect = spec.get_float_attribute("PixelAspectRatio", 1.0)
    return Format(width, height, 0, 0, width, height, aspect)


def _read_file(path: str, *, raw: bool) -> Image:
    file = oiio.ImageInput.open(path)
    if file is None:
        raise RuntimeError(f"{path}: {oiio.geterror()}")
    spec = file.spec()
    pixels = file.read_image(0, 0, 0, spec.nchannels, oiio.FLOAT)
    file.close()
    if pixels is None:
        raise RuntimeError(f"{path}: damaged")
    form, height = _format(spec), spec.full_height
    # Source: NDK exrReader: a display window that starts elsewhere is moved to the origin.
    x, top = spec.x - spec.full_x, height - (spec.y - spec.full_y)
    bbox = (x, top - spec.height, x + spec.width, top)
    if spec.format == oiio.UINT8 and not raw:
        low, high = pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4
        pixels = np.where(pixels <= 0.04045, low, high)
    channels = {}
    for index, name in enumerate(spec.channelnames):
        layer, _, letter = name.rpartition(".")
        # Source: Zarxrax/Sammie-Roto-2 #60, #68: names without a layer land in `other`.
        if not layer:
            layer = "rgba" if letter in "RGBA" else "other"
        channels[f"{layer}.{_SUFFIX.get(letter, letter)}"] = np.ascontiguousarray(
            pixels[:, :, index], np.float32
        )
    return Image(form, bbox, channels)


def write(node: Any, frame: int) -> str:
    """Render one frame of a Write into its file."""
    image = render(node.input(0), frame)
    scale = app.root._proxy_scale()
    if scale != 1.0:
        image = resized(image, scale)
    # Source: Nuke reference guide, Write: it renders at the active scale, full or proxy; in proxy
    # mode the proxy knob names the file.
    name = "file" if scale == 1.0 or not node["proxy"].value() else "proxy"
    path = _absolute(node[name].evaluate(frame))
    if node["create_directories"].value():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    wanted = node["channels"].value()
    names = _named(wanted, image)
    x, y, r, t = image.bbox
    planes = np.stack([image.plane(name) for name in names], axis=2)
    half = node["datatype"].value() == "16 bit half"
    spec = oiio.ImageSpec(r - x, t - y, len(names), oiio.HALF if half else oiio.FLOAT)
    spec.channelnames = [_file_name(name) for name in names]
    # Source: NDK exrWriter: display window (0, 0, width, height), data window from the bbox.
    spec.x, spec.y = x, image.format.height() - t
    spec.full_x, spec.full_y = 0, 0
    spec.full_width, spec.full_height = image.format.width(), image.format.height()
    spec.attribute("PixelAspectRatio", image.format.pixelAspect())
    zipped = node["compression"].value().startswith("Zip")
    spec.attribute("compression", "zips" if zipped else "none")
    out = oiio.ImageOutput.create(path)
    values = planes.astype(np.float16 if half else np.float32)
    if out is None or not out.open(path, spec) or not out.write_image(np.ascontiguousarray(values)):
        raise RuntimeError(f"{node.fullName()}: cannot write {path}")
    out.close()
    app.written.append(path)
    return path


def resized(image: Image, scale: float) -> Image:
    """A picture that much larger or smaller, by the nearest pixel; the format is rounded."""
    form = image.format
    width, height = round(form.width() * scale), round(form.height() * scale)
    x, y, r, t = image.bbox
    box = (round(x * scale), round(y * scale), round(r * scale), round(t * scale))
    rows = np.clip((np.arange(box[3] - box[1]) + 0.5) / scale, 0, t - y - 1).astype(int)
    columns = np.clip((np.arange(box[2] - box[0]) + 0.5) / scale, 0, r - x - 1).astype(int)
    made = {name: plane[np.ix_(rows, columns)] for name, plane in image.channels.items()}
    return Image(Format(width, height, 0, 0, width, height, form.pixelAspect()), box, made)


def _reformat(node: Any) -> Image:
    if node["type"].value() != "scale" or not node["pbb"].value():
        raise RuntimeError("the double reformats by scale, keeping the bounding box, only")
    return resized(_render(node.input(0)), node["scale"].value()[0])


def _named(wanted: str, image: Image) -> list[str]:
    layers = {"rgb": RGBA[:3], "rgba": RGBA, "alpha": RGBA[3:]}
    if wanted == "all":
        return sorted(image.channels)
    if wanted in layers:
        return list(layers[wanted])
    return [name for name in sorted(image.channels) if name.startswith(f"{wanted}.")]


def _file_name(name: str) -> str:
    layer, _, channel = name.partition(".")
    letter = _LETTER.get(channel, channel)
    return letter if layer == "rgba" else f"{layer}.{letter}"


def _switch(node: Any) -> Image:
    return _render(node.input(int(node["which"].value())))


def _copy(node: Any) -> Image:
    # Source: Nuke reference guide, Copy: input B is 0 (the stream), A is 1.
    b, a = _render(node.input(0)), _render(node.input(1))
    x, y, r, t = b.bbox
    ax, ay, ar, at = a.bbox
    box = (min(x, ax), min(y, ay), max(r, ar), max(t, at)) if b.channels else a.bbox
    channels = {name: b.plane(name, box) for name in b.channels}
    for index in range(4):
        source, target = node[f"from{index}"].value(), node[f"to{index}"].value()
        if source and target and target != "none":
            channels[target] = a.plane(source, box)
    form = b.format if b.channels or node.input(0) is not None else a.format
    return Image(form, box, channels)


def _expression(node: Any) -> Image:
    image = _render(node.input(0))
    made = dict(image.channels)
    black = image.plane("")
    for index, name in enumerate(RGBA):
        tree = ast.parse(node[f"expr{index}"].value(), mode="eval").body
        made[name] = np.asarray(_pixel_value(tree, image, node), np.float32) + black
    return replace(image, channels=made)


def _pixel_value(tree: Any, image: Image, node: Any) -> Any:
    """Source: Nuke reference guide, Expression: r, g, b, a, `layer.channel`, min, max."""
    if isinstance(tree, ast.Constant):
        return tree.value
    if isinstance(tree, ast.Name):
        return image.plane(RGBA["rgba".index(tree.id)])
    if isinstance(tree, ast.Attribute):
        if tree.value.id == "parent":
            return node._parent[tree.attr].getValue()
        if tree.value.id not in app.layers:
            raise RuntimeError(f"{node.fullName()}: no layer {tree.value.id!r}")
        return image.plane(f"{tree.value.id}.{tree.attr}")
    if isinstance(tree, ast.Call):
        values = [_pixel_value(one, image, node) for one in tree.args]
        return {"max": np.maximum, "min": np.minimum}[tree.func.id](*values)
    if isinstance(tree, ast.BinOp):
        left = _pixel_value(tree.left, image, node)
        right = _pixel_value(tree.right, image, node)
        action = {ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide}
        return action[type(tree.op)](left, right)
    if isinstance(tree, ast.UnaryOp):
        return -_pixel_value(tree.operand, image, node)
    raise RuntimeError(f"the double does not know {ast.dump(tree)}")


def _constant(node: Any) -> Image:
    form = full_format(node.input(0)) if node.input(0) else app.root._format
    values = node["color"].value()
    names = RGBA if node["channels"].value() == "rgba" else RGBA[:3]
    shape = (form.height(), form.width())
    planes = {name: np.full(shape, values[i], np.float32) for i, name in enumerate(names)}
    return Image(form, (0, 0, form.width(), form.height()), planes)


def _rectangle(node: Any) -> Image:
    image = _render(node.input(0))
    x, y, r, t = image.bbox
    left, low, right, high = (round(v) for v in node["area"].value())
    plane = np.zeros((t - y, r - x), np.float32)
    plane[max(0, t - high) : max(0, t - low), max(0, left - x) : max(0, right - x)] = 1
    names = RGBA if node["output"].value() == "rgba" else RGBA[3:]
    # Source: Nuke reference guide, Rectangle: drawn over what is there.
    drawn = {name: plane + image.plane(name) * (1 - plane) for name in names}
    return replace(image, channels={**image.channels, **drawn})


def _multiply(node: Any) -> Image:
    image = _render(node.input(0))
    made = dict(image.channels)
    for index, name in enumerate(RGBA[:3]):
        if name in made:
            made[name] = made[name] * np.float32(node["value"].value(index))
    return replace(image, channels=made)


def _time_offset(node: Any) -> Image:
    before, app.frame = app.frame, app.frame - node["time_offset"].value()
    try:
        return _render(node.input(0))
    finally:
        app.frame = before


def _frame_hold(node: Any) -> Image:
    start, step = node["first_frame"].value(), node["increment"].value()
    held = start if step <= 0 else start + (app.frame - start) // step * step
    return render(node.input(0), held)


def _adjust_bbox(node: Any) -> Image:
    image = _render(node.input(0))
    n = node["numpixels"].value()
    x, y, r, t = image.bbox
    box = (x - n, y - n, r + n, t + n)
    return Image(image.format, box, {name: image.plane(name, box) for name in image.channels})


_OPERATIONS = {
    "Group": _group,
    "Output": lambda node: _render(node.input(0)),
    "Input": lambda node: _render(_outside(node)),
    "Dot": lambda node: _render(node.input(0)),
    "NoOp": lambda node: _render(node.input(0)),
    "OneView": lambda node: _render(node.input(0)),
    "Viewer": lambda node: _render(node.input(0)),
    "Write": lambda node: _render(node.input(0)),
    "Read": _read,
    "Switch": _switch,
    "Copy": _copy,
    "Reformat": _reformat,
    "Expression": _expression,
    "Constant": _constant,
    "Rectangle": _rectangle,
    "Multiply": _multiply,
    "TimeOffset": _time_offset,
    "FrameHold": _frame_hold,
    "AdjBBox": _adjust_bbox,
}
