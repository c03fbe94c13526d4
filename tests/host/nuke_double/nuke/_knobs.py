"""Knobs: the types that our nodes use, with their values, flags and script form."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import tclwords

from nuke._app import app, compiled, script_names

ALWAYS_SAVE = 0x800
DO_NOT_WRITE = 0x200
ENDLINE = 0x2000
INVISIBLE = 0x400
KNOB_CHANGED_RECURSIVE = 0x8000000
NO_ANIMATION = 0x100
NO_UNDO = 0x80000
READ_ONLY = 0x10000000
STARTLINE = 0x1000
DISABLED = 0x80

# Source: scripts of Nuke; only its own knobs have a dot in their name.
_WITH_DOT = frozenset({"input.first", "input.last", "output.first", "output.last"})


class Knob:
    """Base. `kind` is the number that `addUserKnob` writes."""

    kind = 0
    saved = True

    def __init__(self, name: str, label: str | None = None) -> None:
        known = name if name not in _WITH_DOT else name.replace(".", "_")
        if not (known.isascii() and known.isidentifier()):
            raise ValueError(f"{name!r} is no name of a knob")
        self._name = name
        self._label = label
        self._tooltip = ""
        self._flags = 0
        self._enabled = True
        self._visible = True
        self._node: Any = None
        self._user = False
        self._value = self._initial()
        self._expressions: dict[int, str] = {}

    def _initial(self) -> Any:
        return ""

    def Class(self) -> str:
        return type(self).__name__

    def name(self) -> str:
        return self._name

    def label(self) -> str:
        return self._name if self._label is None else self._label

    def setLabel(self, label: str) -> None:
        self._label = label

    def tooltip(self) -> str:
        return self._tooltip

    def setTooltip(self, tooltip: str) -> None:
        self._tooltip = tooltip

    def node(self) -> Any:
        return self._node

    def enabled(self) -> bool:
        return self._enabled

    def setEnabled(self, enabled: bool) -> None:
        self._enabled = bool(enabled)

    def visible(self) -> bool:
        return self._visible

    def setVisible(self, visible: bool) -> None:
        self._visible = bool(visible)

    def setFlag(self, flag: int) -> None:
        self._flags |= flag

    def clearFlag(self, flag: int) -> None:
        self._flags &= ~flag

    def getFlag(self, flag: int) -> bool:
        return bool(self._flags & flag)

    def fullyQualifiedName(self, channel: int = -1) -> str:
        return f"{self._node.fullName()}.{self._name}"

    def value(self) -> Any:
        return self._value

    def getValue(self) -> Any:
        return self._value

    def setValue(self, val: Any) -> bool:
        return self._set(self._checked(val))

    def hasExpression(self, index: int = -1) -> bool:
        return bool(self._expressions) if index < 0 else index in self._expressions

    def isAnimated(self, channel: int = -1) -> bool:
        return self.hasExpression(channel)

    def clearAnimated(self, channel: int = -1) -> bool:
        self._change(self._value, {})
        return True

    def setExpression(self, expression: str, index: int = -1, view: str | None = None) -> bool:
        made = dict(self._expressions)
        made[max(index, 0)] = expression
        self._change(self._value, made)
        return True

    def toScript(self, quote: bool = True, context: Any = None) -> str:
        text = self._script()
        return tclwords.quoted(text) if quote else text

    def fromScript(self, script: str) -> None:
        self._from_script(script)

    # ---- the double's own ---------------------------------------------------------

    def _script(self) -> str:
        return "" if self._value is None else str(self._value)

    def _from_script(self, script: str) -> None:
        self._value = self._checked(script)

    def _checked(self, val: Any) -> Any:
        return val

    def _at_default(self) -> bool:
        return not self._expressions and self._value == self._default()

    def _default(self) -> Any:
        made = type(self).__new__(type(self))
        made.__dict__ = {**self.__dict__}
        return made._initial()

    def _set(self, made: Any) -> bool:
        if made == self._value and not self._expressions:
            return True
        self._change(made, {})
        return True

    def _change(self, value: Any, expressions: dict[int, str]) -> None:
        if self._node is None:
            self._value, self._expressions = value, expressions
            return
        app.on_main("setValue")
        before = (self._value, self._expressions)

        def put(state: tuple[Any, dict[int, str]]) -> None:
            self._value, self._expressions = state
            self._node._knob_changed(self)

        if not self._flags & NO_UNDO:
            app.remember(lambda: put(before), lambda: put((value, expressions)))
        put((value, expressions))


class Unsaved(Knob):
    """A knob that holds no value."""

    saved = False


class Array_Knob(Knob):
    """Numbers; `size` of them."""

    size = 1
    number: type = float

    def _initial(self) -> Any:
        return tuple(self.number(0) for _ in range(self.size))

    def _checked(self, val: Any) -> Any:
        values = list(val) if isinstance(val, (list, tuple)) else [val] * self.size
        if len(values) != self.size:
            raise TypeError(f"{self._name} takes {self.size} numbers, got {len(values)}")
        if any(isinstance(one, str) for one in values):
            raise TypeError(f"{self._name} takes numbers, got {val!r}")
        return tuple(self.number(one) for one in values)

    def value(self, index: int = -1) -> Any:
        values = tuple(self._evaluated(i) for i in range(self.size))
        if index >= 0:
            return values[index]
        return values[0] if self.size == 1 else values

    def getValue(self, index: int = -1) -> Any:
        return self.value(index)

    def getValueAt(self, time: float, chan: int = -1) -> Any:
        before, app.frame = app.frame, int(time)
        try:
            return self.value(chan)
        finally:
            app.frame = before

    def setValue(self, val: Any, chan: int = -1) -> bool:
        if chan >= 0:
            values = list(self._value)
            values[chan] = self.number(val)
            return self._set(tuple(values))
        return self._set(self._checked(val))

    def arraySize(self) -> int:
        return self.size

    def setRange(self, low: float, high: float) -> None:
        self._range = (low, high)

    def notDefault(self) -> bool:
        return not self._at_default()

    def _evaluated(self, index: int) -> Any:
        expression = self._expressions.get(index)
        if expression is None:
            return self._value[index]
        return self.number(evaluate(expression, self._node))

    def _script(self) -> str:
        parts = [
            "{" + _quoted(self._expressions[i]) + "}" if i in self._expressions else _plain(one)
            for i, one in enumerate(self._value)
        ]
        return parts[0] if len(parts) == 1 else " ".join(parts)

    def toScript(self, quote: bool = True, context: Any = None) -> str:
        text = self._script()
        single = self.size == 1 and not self._expressions
        return text if single or not quote else "{" + text + "}"

    def _from_script(self, script: str) -> None:
        parts = tclwords.split(script)
        if self.size == 1 and len(parts) != 1:
            parts = [script]
        self._expressions = {}
        values = []
        for index, part in enumerate(parts):
            try:
                values.append(self.number(_number(part)))
            except ValueError:
                self._expressions[index] = tclwords.split(part)[0]
                values.append(self.number(0))
        if len(values) != self.size:
            raise ValueError(f"{self._name}: {script!r} has {len(values)} of {self.size} numbers")
        self._value = tuple(values)


class Double_Knob(Array_Knob):
    kind = 7


class Int_Knob(Array_Knob):
    kind = 3
    number = int


class Boolean_Knob(Array_Knob):
    kind = 6
    number = bool

    def __init__(self, name: str, label: str | None = None, value: bool = False) -> None:
        super().__init__(name, label)
        self._value = (bool(value),)


class XY_Knob(Array_Knob):
    kind = 12
    size = 2


class WH_Knob(Array_Knob):
    """Width and height; one value or expression in a script is both."""

    kind = 14
    size = 2

    def _from_script(self, script: str) -> None:
        parts = tclwords.split(script)
        super()._from_script(" ".join(f"{{{one}}}" for one in parts * (2 // len(parts))))


class BBox_Knob(Array_Knob):
    kind = 15
    size = 4

    def x(self) -> float:
        return self.value(0)

    def y(self) -> float:
        return self.value(1)

    def r(self) -> float:
        return self.value(2)

    def t(self) -> float:
        return self.value(3)


class Color_Knob(Array_Knob):
    kind = 18
    size = 3


class AColor_Knob(Array_Knob):
    kind = 19
    size = 4


class Enumeration_Knob(Array_Knob):
    """A menu; setValue takes an index or one of the words."""

    kind = 4
    number = int

    def __init__(self, name: str, label: str | None = None, items: Any = ()) -> None:
        self._items = [str(one) for one in items]
        super().__init__(name, label)

    def values(self) -> list[str]:
        return list(self._items)

    def setValues(self, items: Any) -> None:
        self._items = [str(one) for one in items]
        if self._value[0] >= len(self._items):
            self._value = (0,)

    def enumName(self, n: int) -> str:
        return self._items[n]

    def numValues(self) -> int:
        return len(self._items)

    def value(self) -> Any:
        return self._items[self._value[0]] if self._items else ""

    def getValue(self, index: int = -1) -> Any:
        return float(self._evaluated(0))

    def setValue(self, val: Any) -> bool:
        return self._set(self._checked(val))

    def _checked(self, val: Any) -> Any:
        if isinstance(val, str):
            if val not in self._items:
                raise TypeError(f"{self._name}: {val!r} is not one of {self._items}")
            return (self._items.index(val),)
        if not 0 <= int(val) < max(1, len(self._items)):
            raise ValueError(f"{self._name}: {val} of {len(self._items)}")
        return (int(val),)

    def _script(self) -> str:
        return "{" + self._expressions[0] + "}" if self._expressions else str(self.value())

    def toScript(self, quote: bool = True, context: Any = None) -> str:
        text = self._script()
        return tclwords.quoted(text) if quote else text

    def _from_script(self, script: str) -> None:
        if script in self._items:
            self._value = (self._items.index(script),)
        elif re.fullmatch(r"\d+", script):
            self._value = (int(script),)
        else:
            raise ValueError(f"{self._name}: {script!r} is not one of {self._items}")


class Pulldown_Knob(Enumeration_Knob):
    kind = 68


class String_Knob(Knob):
    kind = 1

    def _checked(self, val: Any) -> Any:
        if not isinstance(val, str):
            raise TypeError(f"{self._name} takes a text, got {type(val).__name__}")
        return val

    def getText(self) -> str:
        return self._value

    def setText(self, text: str) -> None:
        self.setValue(text)


class EvalString_Knob(String_Knob):
    """Text in which `[...]` is Tcl.

    Source: Nuke user guide, "Expressions": square brackets in a text field are evaluated. What
    a String_Knob was comes back from a script as this one, so no bracket may stand in it.
    """

    def evaluate(self, frame: float | None = None) -> str:
        if "[" in self._value:
            raise RuntimeError(f"{self._name}: Tcl in a text: {self._value!r}")
        return self._value


class Multiline_Eval_String_Knob(EvalString_Knob):
    kind = 43


class File_Knob(EvalString_Knob):
    kind = 2

    def evaluate(self, frame: float | None = None) -> str:
        number = int(app.frame if frame is None else frame)
        # The usual words for the script's folder; other Tcl is not known here.
        folder = str(Path(app.root["name"].value()).parent)
        text = self._value.replace("[file dirname [value root.name]]", folder)
        if "[" in text:
            raise RuntimeError(f"{self._name}: Tcl in a path: {text!r}")
        text = re.sub(r"%0(\d+)d", lambda m: f"{number:0{m[1]}d}", text)
        return re.sub(r"#+", lambda m: f"{number:0{len(m[0])}d}", text)

    def fromUserText(self, text: str) -> None:
        self.setValue(text)


class Text_Knob(Unsaved):
    kind = 26

    def __init__(self, name: str, label: str | None = None, value: str = "") -> None:
        super().__init__(name, label)
        self._value = value


class Tab_Knob(Unsaved):
    kind = 20

    def __init__(self, name: str, label: str | None = None, group: int = 0) -> None:
        super().__init__(name, label)
        self._group = group


class Script_Knob(Knob):
    """A button. `execute` presses it."""

    kind = 32

    def command(self) -> str:
        return self._value

    def setCommand(self, cmd: str) -> None:
        self._value = cmd

    def value(self) -> str:
        return self._value

    def execute(self) -> None:
        raise NotImplementedError


class PyScript_Knob(Script_Knob):
    kind = 22
    saved = False

    def __init__(self, name: str, label: str | None = None, script: str = "") -> None:
        super().__init__(name, label)
        self._value = script

    def execute(self) -> None:
        app.on_main("execute")
        with app.callback(self._node, self):
            exec(compiled(self._value, f"<{self._name}>"), script_names())


class Reload_Knob(Script_Knob):
    """A Read's `reload` button: files are looked at again. The double never caches any."""

    saved = False

    def execute(self) -> None:
        app.on_main("reload")


class PythonKnob(String_Knob):
    """Source of a callback, as `knobChanged` and `onCreate` are."""


KINDS: dict[int, type[Knob]] = {
    cls.kind: cls
    for cls in (
        Double_Knob, Int_Knob, Boolean_Knob, XY_Knob, BBox_Knob, Color_Knob, AColor_Knob,
        Enumeration_Knob, EvalString_Knob, Multiline_Eval_String_Knob, File_Knob, Text_Knob,
        Tab_Knob, PyScript_Knob,
    )
}  # fmt: skip


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _quoted(expression: str) -> str:
    """As Nuke writes expressions: in quotes where they have spaces."""
    return f'"{expression}"' if " " in expression else expression


def _number(text: str) -> float:
    if text in ("true", "false"):
        return float(text == "true")
    if text.startswith("0x"):
        return float(int(text, 16))
    return float(text)


def evaluate(expression: str, node: Any) -> float:
    """An expression of a knob: numbers, `frame`, `$gui`, `parent.knob`, arithmetic, logic.

    Source: Nuke user guide, "Expressions"; `$gui`: Foundry Q100349 (1 in the interface, 0 where
    a render process computes). It stays 1 while a session with windows executes, the worse case
    for us.
    """
    text = expression.strip()
    text = text.replace("&&", " and ").replace("||", " or ").replace("$gui", "gui__")
    text = re.sub(r"!(?!=)", " not ", text)
    tree = ast.parse(text.strip(), mode="eval").body
    return float(_expression(tree, node))


def _expression(tree: ast.AST, node: Any) -> Any:
    if isinstance(tree, ast.Constant):
        return tree.value
    if isinstance(tree, ast.BoolOp):
        values = [_expression(one, node) for one in tree.values]
        return all(values) if isinstance(tree.op, ast.And) else any(values)
    if isinstance(tree, ast.UnaryOp):
        value = _expression(tree.operand, node)
        return (not value) if isinstance(tree.op, ast.Not) else -value
    if isinstance(tree, ast.BinOp):
        left, right = _expression(tree.left, node), _expression(tree.right, node)
        actions = {ast.Add: "__add__", ast.Sub: "__sub__", ast.Mult: "__mul__"}
        if type(tree.op) in actions:
            return getattr(float(left), actions[type(tree.op)])(float(right))
        return float(left) / float(right)
    if isinstance(tree, ast.Compare):
        left, right = _expression(tree.left, node), _expression(tree.comparators[0], node)
        tests = {
            ast.Eq: left == right, ast.NotEq: left != right, ast.Lt: left < right,
            ast.LtE: left <= right, ast.Gt: left > right, ast.GtE: left >= right,
        }  # fmt: skip
        return tests[type(tree.ops[0])]
    if isinstance(tree, ast.Name):
        if tree.id == "gui__":
            return int(app.gui)
        if tree.id in ("frame", "t"):
            return app.frame
        return _knob_number(node, tree.id)
    if isinstance(tree, ast.Attribute) and isinstance(tree.value, ast.Name):
        if tree.value.id == "root":
            owner = app.root
        else:
            owner = node._parent if tree.value.id == "parent" else node._sibling(tree.value.id)
        return _knob_number(owner, tree.attr)
    raise ValueError(f"the double does not know the expression {ast.dump(tree)}")


def _knob_number(node: Any, name: str) -> float:
    knob = node.knob(name)
    if knob is None:
        raise ValueError(f"{node.fullName()} has no knob {name!r}")
    value = knob.getValue()
    return value[0] if isinstance(value, tuple) else value
