"""Nodes, Groups and the Root: wiring, names, knobs, callbacks."""

from __future__ import annotations

import re
from typing import Any

from nuke import _images, _script
from nuke._app import app, compiled, script_names
from nuke._formats import Format, FrameRange, Info
from nuke._knobs import (
    KINDS,
    AColor_Knob,
    BBox_Knob,
    Boolean_Knob,
    Double_Knob,
    Enumeration_Knob,
    EvalString_Knob,
    File_Knob,
    Int_Knob,
    Knob,
    PythonKnob,
    Reload_Knob,
    Tab_Knob,
    WH_Knob,
)

TO_SCRIPT = 1
TO_VALUE = 2
WRITE_ALL = 8
WRITE_NON_DEFAULT_ONLY = 16
WRITE_USER_KNOB_DEFS = 4

# Knobs that every node has.
_COMMON: tuple[tuple[str, type[Knob], tuple[Any, ...]], ...] = (
    ("name", EvalString_Knob, ()),
    ("xpos", Int_Knob, ()),
    ("ypos", Int_Knob, ()),
    ("tile_color", Int_Knob, ()),
    ("note_font_size", Double_Knob, ()),
    ("label", EvalString_Knob, ()),
    ("selected", Boolean_Knob, ()),
    ("hide_input", Boolean_Knob, ()),
    ("postage_stamp", Boolean_Knob, ()),
    ("disable", Boolean_Knob, ()),
    ("icon", EvalString_Knob, ()),
    ("help", EvalString_Knob, ()),
    ("onCreate", PythonKnob, ()),
    ("onDestroy", PythonKnob, ()),
    ("knobChanged", PythonKnob, ()),
    ("autolabel", PythonKnob, ()),
)
_ENDS = ("first", "last")
_OUTSIDE = ("continue", "hold", "loop", "bounce", "black")
_EXTENTS = ("hold", "loop", "bounce", "black")
_ON_ERROR = ("error", "black", "checkerboard", "nearest frame")
_MERGES = ("over", "plus", "max", "multiply", "copy")
# Class: (inputs at most, knobs). Only what our groups and tests use, so another class fails.
_CLASSES: dict[str, tuple[int, tuple[tuple[str, type[Knob], tuple[Any, ...]], ...]]] = {
    "Group": (0, ()),
    "Gizmo": (0, ()),
    "Input": (0, (("number", Int_Knob, ()),)),
    "Output": (1, ()),
    "Dot": (1, ()),
    "NoOp": (1, ()),
    "Viewer": (10, (("colour_sample_bbox", BBox_Knob, ()), ("frame", Int_Knob, ()))),
    "Read": (
        0,
        (
            ("file_type", EvalString_Knob, ()),
            ("file", File_Knob, ()),
            ("format", EvalString_Knob, ()),
            ("proxy", File_Knob, ()),
            ("first", Int_Knob, ()),
            ("last", Int_Knob, ()),
            ("before", Enumeration_Knob, (_EXTENTS,)),
            ("after", Enumeration_Knob, (_EXTENTS,)),
            ("frame_mode", Enumeration_Knob, (("expression", "start at", "offset"),)),
            ("frame", EvalString_Knob, ()),
            ("origfirst", Int_Knob, ()),
            ("origlast", Int_Knob, ()),
            ("origset", Boolean_Knob, ()),
            ("on_error", Enumeration_Knob, (_ON_ERROR,)),
            ("colorspace", EvalString_Knob, ()),
            ("raw", Boolean_Knob, ()),
            ("premultiplied", Boolean_Knob, ()),
            ("auto_alpha", Boolean_Knob, ()),
            ("reload", Reload_Knob, ()),
        ),
    ),
    "Write": (
        1,
        (
            ("channels", EvalString_Knob, ()),
            ("file", File_Knob, ()),
            ("proxy", File_Knob, ()),
            ("file_type", EvalString_Knob, ()),
            ("datatype", Enumeration_Knob, (("16 bit half", "32 bit float"),)),
            (
                "compression",
                Enumeration_Knob,
                (("none", "Zip (1 scanline)", "Zip (16 scanlines)", "PIZ Wavelet (32 scanlines)"),),
            ),
            ("autocrop", Boolean_Knob, ()),
            ("colorspace", EvalString_Knob, ()),
            ("raw", Boolean_Knob, ()),
            ("create_directories", Boolean_Knob, ()),
            ("use_limit", Boolean_Knob, ()),
            ("first", Int_Knob, ()),
            ("last", Int_Knob, ()),
            ("views", EvalString_Knob, ()),
            ("beforeRender", PythonKnob, ()),
            ("beforeFrameRender", PythonKnob, ()),
            ("afterFrameRender", PythonKnob, ()),
            ("afterRender", PythonKnob, ()),
        ),
    ),
    "Switch": (20, (("which", Double_Knob, ()),)),
    "Copy": (
        2,
        tuple((f"{way}{n}", EvalString_Knob, ()) for n in range(4) for way in ("from", "to")),
    ),
    "Expression": (
        1,
        tuple((f"expr{n}", EvalString_Knob, ()) for n in range(4))
        + tuple((f"channel{n}", EvalString_Knob, ()) for n in range(4)),
    ),
    "Constant": (1, (("color", AColor_Knob, ()), ("channels", EvalString_Knob, ()))),
    "Rectangle": (
        1,
        (("area", BBox_Knob, ()), ("color", AColor_Knob, ()), ("output", EvalString_Knob, ())),
    ),
    "Multiply": (1, (("value", AColor_Knob, ()), ("channels", EvalString_Knob, ()))),
    "Reformat": (
        1,
        (
            ("type", Enumeration_Knob, (("to format", "to box", "scale"),)),
            ("scale", WH_Knob, ()),
            ("pbb", Boolean_Knob, ()),
        ),
    ),
    "TimeOffset": (1, (("time_offset", Int_Knob, ()),)),
    "FrameHold": (1, (("first_frame", Int_Knob, ()), ("increment", Int_Knob, ()))),
    "Retime": (
        1,
        tuple((f"{way}.{end}", Int_Knob, ()) for way in ("input", "output") for end in _ENDS)
        + tuple((name, Enumeration_Knob, (_OUTSIDE,)) for name in ("before", "after"))
        + (("speed", Double_Knob, ()), ("reverse", Boolean_Knob, ())),
    ),
    "TimeBlur": (
        1,
        (
            ("divisions", Int_Knob, ()),
            ("shutter", Double_Knob, ()),
            ("shutteroffset", Enumeration_Knob, (("centred", "start", "end", "custom"),)),
            ("shuttercustomoffset", Double_Knob, ()),
        ),
    ),
    "TimeEcho": (1, (("framesbehind", Int_Knob, ()),)),
    "TimeWarp": (1, (("lookup", Double_Knob, ()),)),
    "Kronos": (1, ()),
    "AdjBBox": (1, (("numpixels", Int_Knob, ()),)),
    "Merge2": (2, (("operation", Enumeration_Knob, (_MERGES,)),)),
    "OneView": (1, (("view", EvalString_Knob, ()),)),
}
_DEFAULTS: dict[tuple[str, str], Any] = {
    ("Reformat", "scale"): (1.0, 1.0),
    ("Read", "first"): (1,),
    ("Read", "last"): (1,),
    ("Write", "channels"): "rgb",
    ("Constant", "channels"): "rgb",
    ("Expression", "channel0"): "rgba",
    ("Multiply", "channels"): "rgb",
    ("Rectangle", "output"): "alpha",
    ("Rectangle", "color"): (1.0, 1.0, 1.0, 1.0),
}
for _n, _c in enumerate(("red", "green", "blue", "alpha")):
    _DEFAULTS["Expression", f"expr{_n}"] = _c[0]


class Node:
    """A node. Its class decides which knobs and inputs it has."""

    _class = ""

    def __init__(self, class_name: str) -> None:
        if class_name not in _CLASSES:
            raise RuntimeError(f"{class_name}: Unknown command")
        self._class = class_name
        self._parent: Any = None
        self._inputs: list[Node | None] = []
        self._knobs: dict[str, Knob] = {}
        self._alive = True
        for name, cls, arguments in (*_CLASSES[class_name][1], *_COMMON):
            knob = cls(name, name, *arguments)
            knob._node = self
            default = _DEFAULTS.get((class_name, name))
            if default is not None:
                knob._value = default
            knob._initial = lambda value=knob._value: value  # type: ignore[method-assign]
            self._knobs[name] = knob

    # ---- what it is ---------------------------------------------------------------

    def Class(self) -> str:
        return self._class

    def name(self) -> str:
        self._check()
        return self._knobs["name"]._value

    def fullName(self) -> str:
        parts = [self.name()]
        parent = self._parent
        while parent is not None and parent is not app.root:
            parts.append(parent.name())
            parent = parent._parent
        return ".".join(reversed(parts))

    def setName(self, name: str, uncollide: bool = True, updateExpressions: bool = True) -> None:
        self._rename(name)

    def parent(self) -> Any:
        return self._parent

    def __repr__(self) -> str:
        return f"<{self._class} {self._knobs['name']._value}>"

    # ---- knobs --------------------------------------------------------------------

    def knob(self, p: str, follow_link: bool = True) -> Any:
        self._check()
        return self._knobs.get(p)

    def knobs(self) -> dict[str, Any]:
        return dict(self._knobs)

    def allKnobs(self) -> list[Any]:
        return list(self._knobs.values())

    def __getitem__(self, name: str) -> Any:
        self._check()
        if name not in self._knobs:
            raise NameError(f"knob {name} does not exist")
        return self._knobs[name]

    def addKnob(self, knob: Knob) -> None:
        app.on_main("addKnob")
        if knob._name in self._knobs:
            raise ValueError(f"{self.name()} has a knob {knob._name!r} already")
        knob._node, knob._user = self, True
        knob._initial = lambda value=knob._value: value  # type: ignore[method-assign]
        self._knobs[knob._name] = knob

    def removeKnob(self, knob: Knob) -> None:
        if not knob._user:
            raise ValueError(f"{knob._name} is no user knob")
        del self._knobs[knob._name]

    def writeKnobs(self, flags: int = TO_SCRIPT) -> str:
        return _script.knob_lines(self, definitions=bool(flags & WRITE_USER_KNOB_DEFS))

    def readKnobs(self, s: str) -> None:
        _script.read_knobs(self, s)

    # ---- wiring -------------------------------------------------------------------

    def input(self, index: int) -> Any:
        return self._inputs[index] if index < len(self._inputs) else None

    def inputs(self) -> int:
        return len(self._inputs)

    def maxInputs(self) -> int:
        return _CLASSES[self._class][0]

    def setInput(self, i: int, node: Node | None) -> bool:
        app.on_main("setInput")
        if i >= self.maxInputs():
            return False
        if node is not None and node._parent is not self._parent:
            raise ValueError(f"{node.fullName()} lies in another group than {self.fullName()}")
        before = list(self._inputs)
        self._wire(i, node)
        after = list(self._inputs)

        def put(inputs: list[Node | None]) -> None:
            self._inputs = list(inputs)

        app.remember(lambda: put(before), lambda: put(after))
        changed = self._knobs["onCreate"]
        self._knob_changed(type(changed)("inputChange", ""))
        return True

    def connectInput(self, i: int, node: Node | None) -> bool:
        return self.setInput(i, node)

    def dependencies(self, mask: int) -> list[Any]:
        return [one for one in self._inputs if one is not None]

    def _wire(self, i: int, node: Node | None) -> None:
        while len(self._inputs) <= i:
            self._inputs.append(None)
        self._inputs[i] = node
        while self._inputs and self._inputs[-1] is None:
            self._inputs.pop()

    # ---- selection and place ------------------------------------------------------

    def isSelected(self) -> bool:
        return bool(self._knobs["selected"]._value[0])

    def setSelected(self, selected: bool) -> None:
        self._knobs["selected"]._value = (bool(selected),)

    def xpos(self) -> int:
        return self._knobs["xpos"]._value[0]

    def ypos(self) -> int:
        return self._knobs["ypos"]._value[0]

    def setXYpos(self, x: int, y: int) -> None:
        self._knobs["xpos"]._value, self._knobs["ypos"]._value = (int(x),), (int(y),)

    def showControlPanel(self, forceFloat: bool = False) -> None:
        app.needs_gui()

    def shown(self) -> bool:
        return False

    # ---- pixels -------------------------------------------------------------------

    def format(self) -> Format:
        """Full size, whatever the proxy; `width` and `height` follow it."""
        return _images.full_format(self)

    def width(self) -> int:
        return round(self.format().width() * app.root._proxy_scale())

    def height(self) -> int:
        return round(self.format().height() * app.root._proxy_scale())

    def pixelAspect(self) -> float:
        return self.format().pixelAspect()

    def bbox(self) -> Info:
        x, y, r, t = _images.render(self, app.frame).bbox
        return Info(x, y, r - x, t - y)

    def channels(self) -> list[str]:
        return sorted(_images.render(self, app.frame).channels)

    def frameRange(self) -> FrameRange:
        return FrameRange(*_images.frame_range(self))

    def firstFrame(self) -> int:
        return _images.frame_range(self)[0]

    def lastFrame(self) -> int:
        return _images.frame_range(self)[1]

    def hasError(self) -> bool:
        try:
            _images.render(self, app.frame)
        except RuntimeError:
            return True
        return False

    # ---- the double's own ---------------------------------------------------------

    def _check(self) -> None:
        if not self._alive:
            raise ValueError("A PythonObject is not attached to a node")

    def _sibling(self, name: str) -> Node:
        for one in self._parent._nodes:
            if one.name() == name:
                return one
        raise ValueError(f"no node {name!r} beside {self.fullName()}")

    def _rename(self, name: str) -> None:
        taken = {one.name() for one in self._parent._nodes if one is not self}
        made = name
        while made in taken:
            stem, digits = re.fullmatch(r"(.*?)(\d*)", made).groups()  # type: ignore[union-attr]
            made = f"{stem}{int(digits or 0) + 1}"
        self._knobs["name"]._value = made

    def _knob_changed(self, knob: Knob) -> None:
        """Run the node's own script and the session's callbacks, as Nuke does for setValue."""
        if not self._alive or self._parent is None:
            return
        script = self._knobs["knobChanged"]._value
        registered = app.callbacks.get("knobChanged", [])
        if not script and not registered:
            return
        with app.callback(self, knob):
            self._run(script)
            run_callbacks("knobChanged", self._class)

    def _run(self, script: str) -> None:
        """A callback's script; Nuke prints what it raises and goes on."""
        if not script:
            return
        try:
            exec(compiled(script, f"<{self._class}>"), script_names())
        except Exception as exc:  # noqa: BLE001
            app.errors.append(exc)


class Group(Node):
    """A node with nodes inside; as a context manager it is where new nodes go."""

    def __init__(self, class_name: str = "Group") -> None:
        super().__init__(class_name)
        self._nodes: list[Node] = []

    def maxInputs(self) -> int:
        return sum(one.Class() == "Input" for one in self._nodes)

    def begin(self) -> Group:
        app.groups.append(self)
        return self

    def end(self) -> None:
        app.groups.pop()

    def __enter__(self) -> Group:
        return self.begin()

    def __exit__(self, type: Any, value: Any, traceback: Any) -> None:
        self.end()

    def node(self, s: str) -> Any:
        first, _, rest = s.partition(".")
        for one in self._nodes:
            if one.name() == first:
                return one.node(rest) if rest else one
        return None

    def nodes(self) -> list[Any]:
        return list(self._nodes)

    def numNodes(self) -> int:
        return len(self._nodes)


class Gizmo(Group):
    """A live gizmo: our code never leaves one behind."""

    def makeGroup(self) -> Group:
        raise NotImplementedError("expand the template's text instead")


class Root(Group):
    """The script."""

    def __init__(self) -> None:
        Node.__init__(self, "Group")
        self._class = "Root"
        self._nodes = []
        hd = Format(1920, 1080, 0, 0, 1920, 1080, 1.0, "HD_1080")
        extra: list[Knob] = [
            Int_Knob("first_frame"), Int_Knob("last_frame"), Boolean_Knob("proxy"),
            Enumeration_Knob("proxy_type", None, ("scale", "format")),
            Double_Knob("proxy_scale"), Int_Knob("frame"), Double_Knob("fps"),
            Enumeration_Knob("colorManagement", None, ("Nuke", "OCIO")),
            Enumeration_Knob(
                "OCIO_config", None, ("nuke-default", "aces_1.2", "custom")
            ),
            File_Knob("customOCIOConfigPath"), EvalString_Knob("workingSpaceLUT"),
            EvalString_Knob("project_directory"), EvalString_Knob("views"),
        ]  # fmt: skip
        for knob in extra:
            knob._node = self
            self._knobs[knob._name] = knob
        self._format = hd
        for name, value in (("first_frame", 1), ("last_frame", 100), ("proxy_scale", 0.5)):
            self._knobs[name]._value = (value,)
        self._knobs["views"]._value = "main"
        self._knobs["workingSpaceLUT"]._value = "linear"

    def fullName(self) -> str:
        return "root"

    def format(self) -> Format:
        return self._format

    def firstFrame(self) -> int:
        return self._knobs["first_frame"]._value[0]

    def lastFrame(self) -> int:
        return self._knobs["last_frame"]._value[0]

    def modified(self) -> bool:
        return app.modified

    def setModified(self, modified: bool) -> None:
        app.modified = bool(modified)

    def _proxy_scale(self) -> float:
        on = self._knobs["proxy"]._value[0]
        return self._knobs["proxy_scale"]._value[0] if on else 1.0


def make(class_name: str, parent: Group) -> Node:
    """A new node inside a group, not wired; its callbacks have not run."""
    node = Group(class_name) if class_name in ("Group", "Gizmo") else Node(class_name)
    node._parent = parent
    node._rename(f"{class_name}1")
    parent._nodes.append(node)

    def away() -> None:
        parent._nodes.remove(node)
        node._alive = False

    def back() -> None:
        parent._nodes.append(node)
        node._alive = True

    app.remember(away, back)
    return node


def created(node: Node) -> None:
    """Run what runs when a node is created, loaded or pasted."""
    with app.callback(node):
        node._run(node._knobs["onCreate"]._value)
        run_callbacks("onCreate", node.Class())


def add_user_knob(node: Node, parts: list[str]) -> None:
    """`addUserKnob {kind name l Label t Tooltip T Script M {items} R low high +FLAG}`."""
    kind = int(parts[0])
    name = parts[1] if len(parts) > 1 and parts[1] else f"knob{len(node._knobs)}"
    if kind not in KINDS:
        raise ValueError(f"the double does not know user knobs of kind {kind}")
    cls = KINDS[kind]
    label: str | None = None
    tooltip = script = ""
    items: list[str] = []
    flags: list[str] = []
    at = 2
    while at < len(parts):
        word = parts[at]
        if word[:1] in "+-" and word[1:].isupper():
            flags.append(word)
            at += 1
        elif word == "R":
            at += 3
        elif word in ("l", "t", "T", "M", "n"):
            value = parts[at + 1]
            if word == "l":
                label = value
            elif word == "t":
                tooltip = value
            elif word == "T":
                script = value
            elif word == "M":
                items = _script.tclwords.split(value)
            at += 2
        else:
            raise ValueError(f"addUserKnob: unknown word {word!r} in {parts}")
    if cls is Enumeration_Knob:
        knob: Knob = Enumeration_Knob(name, label, items)
    elif cls.__name__ in ("PyScript_Knob", "Text_Knob"):
        knob = cls(name, label, script)  # type: ignore[call-arg]
    else:
        knob = cls(name, label)
    knob._tooltip, knob._definition = tooltip, list(parts)  # type: ignore[attr-defined]
    if "+INVISIBLE" in flags:
        knob._visible = False
    if "+DISABLED" in flags:
        knob._enabled = False
    if isinstance(knob, Tab_Knob) and name in node._knobs:
        return
    node.addKnob(knob)


def run_callbacks(event: str, class_name: str) -> None:
    """Callbacks registered for an event and class; what they raise is printed by Nuke, except
    around renders, where it aborts (Nuke Python Developer's Guide, "Callbacks")."""
    for call, arguments, keywords, wanted in app.callbacks.get(event, []):
        if wanted not in ("*", class_name):
            continue
        if event in ("beforeRender", "beforeFrameRender", "afterFrameRender", "afterRender"):
            call(*arguments, **keywords)
            continue
        try:
            call(*arguments, **keywords)
        except Exception as exc:  # noqa: BLE001
            app.errors.append(exc)
