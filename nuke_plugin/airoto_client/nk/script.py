"""A script as nodes: classes, names, knobs, Groups, and what is connected to what.

Nothing is executed. Tolerant of what it does not know (unknown commands, classes, knobs, window
layouts), strict about structure: what cannot be read whole is refused, with its line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from airoto.errors import BadRequestError
from airoto_client.files import read_error
from airoto_client.nk import tcl

# Scripts have a few megabytes; what is larger than this is no script.
MAX_BYTES = 512 * 1024 * 1024
_GROUPS = frozenset({"Group", "Gizmo"})
# Written with what is inside, or without, by how it was published.
_SOMETIMES_GROUPS = frozenset({"LiveGroup"})
# What a node has if its body does not say `inputs`; every other class has one.
_NO_INPUTS = frozenset({"Input", "Read", "Root"})
_MAX_INPUTS = 1000
_NO_NODES = frozenset(
    {"version", "define_window_layout_xml", "add_layer", "set", "push", "end_group", "clone"}
)


class ScriptError(BadRequestError):
    """A script that cannot be read; the message names file and line."""


@dataclass(eq=False)
class Node:
    """One node.

    Attributes:
        class_name, name: `Group`, `AIRoto1`.
        knobs: values as a script has them, unquoted once (`{{curve ...}}` is `{curve ...}`); a
            knob that is not here has its class's default.
        user_knobs: names that `addUserKnob` defines.
        inputs: what is connected, by input; None for nothing.
        nodes: inside a Group, in the order of the script.
        line: where it begins.
    """

    class_name: str
    parent: Node | None
    line: int
    knobs: dict[str, str] = field(default_factory=dict, repr=False)
    user_knobs: frozenset[str] = frozenset()
    inputs: list[Node | None] = field(default_factory=list, repr=False)
    nodes: list[Node] = field(default_factory=list, repr=False)

    @property
    def name(self) -> str:
        """As the script has it; a node without one is called by its class."""
        return self.knobs.get("name", self.class_name)

    @property
    def full_name(self) -> str:
        """With the Groups that it lies in: `Group1.AIRoto1`."""
        names: list[str] = []
        node: Node | None = self
        while node is not None and node.parent is not None:
            names.append(node.name)
            node = node.parent
        return ".".join(reversed(names))

    @property
    def is_disabled(self) -> bool:
        """Whether its `disable` knob is simply on."""
        return self.knobs.get("disable", "") in ("true", "1")

    def has_knob(self, name: str) -> bool:
        """Whether the script names that knob, with or without a value."""
        return name in self.knobs or name in self.user_knobs

    def input(self, index: int) -> Node | None:
        """What is connected to an input."""
        return self.inputs[index] if index < len(self.inputs) else None


@dataclass(frozen=True)
class Script:
    """A script; `root` holds the outermost nodes, and the knobs of `Root`.

    Attributes:
        path: as given, for messages.
    """

    root: Node
    path: str = ""

    def walk(self) -> Iterator[Node]:
        """Every node at any depth, in the order of the script."""
        waiting = list(reversed(self.root.nodes))
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.nodes))


def read_script(path: Path) -> Script:
    """Read a script's file.

    Raises:
        FrameMissingError, FrameUnreadableError: it is not there, or cannot be read.
        ScriptError: it is no script.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise read_error(exc, path) from exc
    if len(data) > MAX_BYTES:
        raise ScriptError(f"{path} is larger than {MAX_BYTES >> 20} MiB: no script", path=str(path))
    if b"\0" in data[:4096]:
        raise ScriptError(f"{path} is a binary file: no script", path=str(path))
    return parse_script(data.decode("utf-8-sig", "surrogateescape"), str(path))


def parse_script(text: str, path: str = "") -> Script:
    """Read a script's text.

    Raises:
        ScriptError: it is no script; with file and line.
    """
    text = text.replace("\r\n", "\n")
    lines = tcl.Lines(text)
    for groups in (_GROUPS | _SOMETIMES_GROUPS, _GROUPS):
        reader = _Reader(lines, groups)
        try:
            return Script(reader.read(text), path)
        except tcl.TclError as exc:
            if not reader.saw_sometimes or groups is _GROUPS:
                where = f"{path or 'the script'}, line {lines.number(exc.at)}"
                raise ScriptError(f"{where}: {exc.message}", path=path) from exc
    raise AssertionError("one of the two readings returns or raises")


class _Reader:
    """One reading: the stack of nodes that inputs are taken from, and open Groups."""

    def __init__(self, lines: tcl.Lines, groups: frozenset[str]) -> None:
        self._lines = lines
        self._groups = groups
        self._stack: list[Node | None] = []
        self._variables: dict[str, Node | None] = {}
        self._open: list[tuple[Node, list[Node | None], int]] = []
        self._root = Node("Root", None, 1)
        self.saw_sometimes = False

    def read(self, text: str) -> Node:
        for words in tcl.commands(text):
            self._command(words)
        if self._open:
            node, _, at = self._open[-1]
            raise tcl.TclError(f"{node.class_name} {node.name} has no end_group", at)
        return self._root

    def _command(self, words: list[tcl.Word]) -> None:
        name, arguments = words[0].text, words[1:]
        if name == "end_group":
            if not self._open:
                raise tcl.TclError("end_group, and no Group is open", words[0].at)
            node, self._stack, _ = self._open.pop()
            self._stack.append(node)
        elif name == "set" and len(arguments) == 2:
            if arguments[1].text == "[stack 0]":
                self._variables[arguments[0].text] = self._stack[-1] if self._stack else None
        elif name == "push" and arguments:
            self._stack.append(self._variables.get(arguments[0].text.lstrip("$")))
        elif name == "Root" and arguments and not self._root.knobs:
            self._fill(self._root, arguments[-1])
        elif name == "clone" and arguments and arguments[-1].braced:
            self._clone(words[0].at, arguments)
        elif name not in _NO_NODES and len(arguments) == 1 and arguments[0].braced:
            self._node(name, words[0].at, arguments[0])

    def _node(self, class_name: str, at: int, body: tcl.Word) -> None:
        node = Node(class_name, self._inside(), self._lines.number(at))
        self._fill(node, body)
        self._connect(node)
        self.saw_sometimes = self.saw_sometimes or class_name in _SOMETIMES_GROUPS
        if class_name in self._groups:
            self._open.append((node, self._stack, at))
            self._stack = []
        else:
            self._stack.append(node)

    def _clone(self, at: int, arguments: list[tcl.Word]) -> None:
        """`clone $C1 {...}` shares the knobs of a node; `clone ID Class {...}` is the first."""
        shared = self._variables.get(arguments[0].text.lstrip("$"))
        if shared is None and len(arguments) != 3:
            raise tcl.TclError(f"clone of {arguments[0].text}, which nothing was set to", at)
        class_name = shared.class_name if shared is not None else arguments[1].text
        node = Node(class_name, self._inside(), self._lines.number(at))
        if shared is not None:
            node.knobs = {key: text for key, text in shared.knobs.items() if key != "inputs"}
            node.user_knobs = shared.user_knobs
        self._fill(node, arguments[-1])
        self._connect(node)
        self._stack.append(node)

    def _inside(self) -> Node:
        return self._open[-1][0] if self._open else self._root

    def _fill(self, node: Node, body: tcl.Word) -> None:
        """Knobs of a body; the last value of a name counts, as in Nuke."""
        defined: list[str] = []
        name, begun = "", False
        try:
            for text, start in tcl.elements(body.text):
                if not begun:
                    name, begun, last = text, True, start
                    continue
                begun = False
                if name == "addUserKnob":
                    words = tcl.split(text)
                    if len(words) > 1:
                        defined.append(words[1])
                else:
                    node.knobs[name] = text
        except tcl.TclError as exc:
            at = exc.at if name != "addUserKnob" else start
            raise tcl.TclError(f"in a node of class {node.class_name}: {exc.message}",
                               body.at + at) from exc  # fmt: skip
        if begun:
            raise tcl.TclError(
                f"in a node of class {node.class_name}: the knob {name[:40]!r} has no value",
                body.at + last,
            )
        if defined:
            node.user_knobs = node.user_knobs | frozenset(defined)

    def _connect(self, node: Node) -> None:
        """Take its inputs from the stack; the first input is on top."""
        text = node.knobs.get("inputs", "")
        count = 0 if node.class_name in _NO_INPUTS else 1
        if text:
            parts = text.split("+")  # `2+1`: the last one is a mask
            if not all(part.isdecimal() and len(part) < 5 for part in parts):
                count = 0
            else:
                count = min(sum(map(int, parts)), _MAX_INPUTS)
        node.inputs = [self._stack.pop() if self._stack else None for _ in range(count)]
        if node.parent is not None:
            node.parent.nodes.append(node)
