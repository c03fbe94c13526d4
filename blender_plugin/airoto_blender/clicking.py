"""Prompts by clicking and dragging, in an Image Editor or a Movie Clip Editor."""

from __future__ import annotations

from typing import Any

from airoto.errors import AIRotoError, BadRequestError
from airoto_client.node import remote, state_ops
from airoto_client.node import state as states
from airoto_client.node.state import Prompt, State

from . import candidates, editors, host, nodes, overlay, plates
from .editors import Editor
from .host import bpy
from .operators import Operator, node_of
from .picking import Edit

Node = Any
_p = bpy.props
_HELP = (
    "AI Roto: click: on the object · Ctrl-click: beside it · drag: box · drag a point: move it · "
    "Ctrl-click a point: flip it · X: delete it · S: segment · 1-3: choose a candidate · "
    "Enter: done · Esc: take it all back"
)
_NUMBERS = {"ONE": 1, "TWO": 2, "THREE": 3}
_OURS = {"LEFTMOUSE", "X", "DEL", "S", *_NUMBERS}


class AIROTO_OT_click(Operator):
    """Click on the object, Ctrl-click beside it, drag a box. Enter ends, Esc takes it all back"""

    bl_idname = "airoto.click"
    bl_label = "Click Prompts"
    __annotations__ = {
        **Operator.__annotations__,
        "x": _p.FloatProperty(name="X", description="Plate pixels from the left"),
        "y": _p.FloatProperty(name="Y", description="Plate pixels from the top"),
        "positive": _p.BoolProperty(name="On the object", default=True),
    }

    def act(self, context: Any, node: Node) -> None:
        """One point on the frame that is shown."""
        state = state_ops.add_point(
            nodes.state_of(node),
            editors.frame_of(context, node),
            self.x,
            self.y,
            positive=self.positive,
        )
        nodes.edit(node, "click", state)

    def invoke(self, context: Any, _event: Any) -> set[str]:
        """Begin to listen, in every editor that shows the plate."""
        try:
            node = node_of(context, self.node_id)
            editor = editors.find(context, editors.IMAGE, editors.CLIP)
            # What else an Image Editor shows (a Viewer, a render) may be clicked in as it is.
            if not editor.is_clip and node.plate is not None:
                shows_plate = editor.space.image == node.plate
                if shows_plate or not editors.can_show(editor, node):
                    editors.show_plate(editor.space, node)
            editors.canvas_of(editor, node)
        except AIRotoError as exc:
            self.report({"ERROR"}, remote.error_text(exc))
            return {"CANCELLED"}
        self.node_id: str = node.node_id
        self._before = node.state
        self._editor: Editor | None = None
        self._picker = overlay.begin(node.node_id).picker
        context.window_manager.modal_handler_add(self)
        context.workspace.status_text_set(_HELP)
        host.redraw()
        return {"RUNNING_MODAL"}

    def modal(self, context: Any, event: Any) -> set[str]:
        """What is not for us goes on to the editor, so that it zooms, pans and plays."""
        node = nodes.by_id(self.node_id)
        if node is None:
            return self._end(context)  # an undo or a new file took it away
        try:
            return self._heard(context, event, node)
        except AIRotoError as exc:
            self._picker.give_up()
            self.report({"ERROR"}, remote.error_text(exc))
            host.redraw()
            return {"RUNNING_MODAL"}

    def cancel(self, context: Any) -> None:
        """Blender ends it, as when a window is closed or a file is opened."""
        self._end(context)

    def _heard(self, context: Any, event: Any, node: Node) -> set[str]:
        if event.type == "MOUSEMOVE" and self._editor is not None:
            if self._picker.move(editors.canvas_of(self._editor, node), self._place(event)):
                self._editor.area.tag_redraw()
            return {"PASS_THROUGH"}
        if event.type == "LEFTMOUSE" and event.value == "RELEASE" and self._editor is not None:
            canvas = editors.canvas_of(self._editor, node)
            done = self._picker.release(canvas, self._place(event), self._frame(context, node))
            self._apply(node, done)
            self._editor = None
            return {"RUNNING_MODAL"}
        if event.value != "PRESS":
            return {"PASS_THROUGH"}
        if event.type == "ESC":
            if self._picker.give_up():  # what is being dragged
                self._editor = None
                host.redraw()
                return {"RUNNING_MODAL"}
            return self._take_back(context, node)
        if event.type in {"RET", "NUMPAD_ENTER", "RIGHTMOUSE"}:
            return self._end(context)
        editor = editors.under_mouse(context.screen, event.mouse_x, event.mouse_y)
        if editor is None or event.alt or event.type not in _OURS:
            return {"PASS_THROUGH"}
        return self._in_editor(context, event, node, editor)

    def _in_editor(self, context: Any, event: Any, node: Node, editor: Editor) -> set[str]:
        self._editor = editor
        canvas, frame = editors.canvas_of(editor, node), self._frame(context, node)
        prompt, at = _prompt(nodes.state_of(node), frame), self._place(event)
        if event.type == "LEFTMOUSE":
            nodes.check_frame(node, frame)
            if self._picker.press(canvas, at, prompt.points, negative=event.ctrl):
                return {"RUNNING_MODAL"}
            self._editor = None
            return {"PASS_THROUGH"}
        self._editor = None
        if event.type == "S":
            candidates.segment(node, frame)
            return {"RUNNING_MODAL"}
        if event.type in _NUMBERS:
            candidates.choose(node, frame, _NUMBERS[event.type])
            host.redraw()
            return {"RUNNING_MODAL"}
        done = self._picker.erase(canvas, at, prompt, frame)
        self._apply(node, done)
        # Nothing of the editor's own is deleted by a key that missed a point.
        return {"RUNNING_MODAL"}

    def _apply(self, node: Node, done: Edit | None) -> None:
        if done is not None:
            nodes.edit(node, done.what, done.change(nodes.state_of(node)))
        host.redraw()

    def _place(self, event: Any) -> tuple[float, float]:
        """The middle of the pixel under the mouse, in the editor's region."""
        assert self._editor is not None
        region = self._editor.region
        return event.mouse_x - region.x + 0.5, event.mouse_y - region.y + 0.5

    def _frame(self, context: Any, node: Node) -> int:
        assert self._editor is not None
        frame = editors.clip_frame(self._editor.space, node) if self._editor.is_clip else None
        return nodes.plate_frame(node, context.scene.frame_current) if frame is None else frame

    def _take_back(self, context: Any, node: Node) -> set[str]:
        if node.state != self._before:
            nodes.edit(node, "take back clicks", states.load(self._before))
        self._end(context)
        return {"CANCELLED"}

    def _end(self, context: Any) -> set[str]:
        overlay.end()
        context.workspace.status_text_set(None)
        host.redraw()
        return {"FINISHED"}


class AIROTO_OT_show_plate(Operator):
    """Show the node's plate in this editor, on the frames on which the node has it"""

    bl_idname = "airoto.show_plate"
    bl_label = "Show Plate"

    def act(self, context: Any, node: Node) -> None:
        """In the Image Editor that it is pressed in, or any that is there."""
        editor = editors.find(context, editors.IMAGE)
        editors.show_plate(editor.space, node)
        host.redraw()


class AIROTO_OT_plate_from_clip(Operator):
    """The Movie Clip Editor's clip becomes the node's plate"""

    bl_idname = "airoto.plate_from_clip"
    bl_label = "Plate from Clip"

    def act(self, context: Any, node: Node) -> None:
        """Its files as an image, on the clip's own frames of the scene."""
        clip = editors.find(context, editors.CLIP).space.clip
        if clip is None:
            raise BadRequestError("the editor shows no clip", hint="open the plate in it")
        with nodes.quiet():
            node.plate = plates.image_of_clip(clip)
            plate = plates.plate_of(node)
            node.first, node.last = plate.first, plate.last
            file = host.absolute(clip.filepath, clip)
            number = 1 if plate.is_movie else plates.number_of(file)
            node.start = clip.frame_start - clip.frame_offset + plate.first - number
        nodes.refresh(node)
        host.push_undo("plate from clip")


def _prompt(state: State, frame: int) -> Prompt:
    """What the current object says on a frame."""
    found = next((o.prompt(frame) for o in state.objects if o.id == state.current), None)
    return found or Prompt(frame)


register, unregister = bpy.utils.register_classes_factory(
    (AIROTO_OT_click, AIROTO_OT_show_plate, AIROTO_OT_plate_from_clip)
)
