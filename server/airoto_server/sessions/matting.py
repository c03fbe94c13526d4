"""A tracked mask to the alpha of one object on one frame, at the plate's resolution."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from airoto.wire.messages import Matte as MatteOptions
from airoto.wire.messages import TrimapMode
from airoto_server.engines.matte_anything import Box, widened
from airoto_server.engines.roles import Mask, Matter, MatteResult, Picture, Trimap
from airoto_server.engines.windowed import Pause, matte_in_windows
from airoto_server.ops.colour import Colour
from airoto_server.ops.edges import feather, grow, remove_dots, remove_holes
from airoto_server.ops.foreground import estimate_foreground
from airoto_server.ops.geometry import Format, Window, Working, place, scale_window
from airoto_server.ops.grid import Grid
from airoto_server.ops.imagefile import Frame, Pixels
from airoto_server.ops.part import Part
from airoto_server.ops.resample import mask_to_plate
from airoto_server.ops.trimap import (
    around_edges,
    default_widths,
    near_edge,
    trimap_adaptive,
    trimap_fixed,
    with_cores,
)

if TYPE_CHECKING:
    from airoto_server.engines.edge_model import EdgeModel

# Linear light above this tells a matter nothing more, and would drown the rest.
_BRIGHTEST = np.float32(8.0)
# Of the widest band: how far around a mask trimaps are worked out (`with_cores` looks furthest).
_AROUND = 4


@dataclass(frozen=True)
class EdgeRules:
    """The recipe's matte options in the pixels of the files (a proxy's are smaller).

    Attributes:
        adaptive: narrow band at simple edges, wide at complex ones; else narrow everywhere.
        narrow, wide: half-widths of the unknown band.
        grow, feather: of the finished edge.
        holes, dots: areas below which they are removed.
        stability: how steady edges are held over time, 0 to 1.
    """

    adaptive: bool
    narrow: float
    wide: float
    grow: float
    feather: float
    holes: float
    dots: float
    stability: float

    @classmethod
    def of(cls, options: MatteOptions, plate_format: Format, scale: float) -> EdgeRules:
        """From a recipe with its defaults written out; widths left open go by the plate's size."""
        narrow, wide = default_widths(plate_format)
        narrow = options.trimap.narrow or narrow
        return cls(
            adaptive=options.trimap.mode != TrimapMode.TRIMAP_MODE_FIXED,
            narrow=narrow * scale,
            wide=max(options.trimap.wide or wide, narrow) * scale,
            grow=options.grow * scale,
            feather=options.feather * scale,
            holes=options.remove_holes * scale * scale,
            dots=options.remove_dots * scale * scale,
            stability=options.stability,
        )

    def scaled(self, scale: float) -> EdgeRules:
        """With widths in the pixels of a picture that is that many times as large."""
        return replace(self, narrow=self.narrow * scale, wide=self.wide * scale)

    def trimap(self, mask: Mask) -> Trimap:
        """The unknown band around a mask at the files' resolution."""
        if self.adaptive:
            return trimap_adaptive(mask, self.narrow, self.wide)
        return trimap_fixed(mask, self.narrow, self.narrow)

    def disputed(self, mask: Mask) -> npt.NDArray[np.bool_]:
        """Where neighbouring frames may widen the band."""
        return near_edge(mask, self.narrow + self.stability * (self.wide - self.narrow))

    def widened(
        self, trimap: Trimap, edge: npt.NDArray[np.bool_], reach: npt.NDArray[np.float32]
    ) -> Trimap:
        """With a wider band around moving edge pixels; see `ops.trimap.around_edges`."""
        share = np.float32(self.stability)
        return around_edges(trimap, edge, share * reach, self.narrow, self.wide)

    def with_cores(self, trimap: Trimap, before: Trimap, mask: Mask) -> Trimap:
        """A widened trimap that still knows the middle of thin parts."""
        return with_cores(trimap, before, mask, self.wide)

    def cleaned(self, mask: Mask) -> Mask:
        """Without small holes and specks."""
        return remove_dots(remove_holes(mask, self.holes), self.dots)

    def finished(self, alpha: Part, shape: tuple[int, int]) -> Part:
        """With the edge shifted and softened, over a plane of that shape."""
        if alpha.window.is_empty or (self.grow == 0 and self.feather == 0):
            return alpha
        # A Gaussian is cut off at four sigma.
        margin = math.ceil(abs(self.grow)) + math.ceil(4 * self.feather) + 2
        window = alpha.window.grown(margin).intersect(Window.sized(shape[1], shape[0]))
        return Part(window, feather(grow(alpha.over(window), self.grow), self.feather))


@dataclass(frozen=True)
class ObjectAlpha:
    """Alpha and trimap of one object, kept where they are not 0.

    Attributes:
        shape: height and width of the output window.
        part: the alpha.
        trimap_part: None where no matter ran.
    """

    shape: tuple[int, int]
    part: Part
    trimap_part: Part | None

    @classmethod
    def of(cls, alpha: Mask, trimap: Trimap | None = None) -> ObjectAlpha:
        """Of planes over the output window."""
        high, wide = alpha.shape
        return cls((high, wide), Part.of(alpha), None if trimap is None else Part.of(trimap))

    @property
    def alpha(self) -> Mask:
        """Over the whole output window."""
        return self.part.whole(self.shape)

    @property
    def trimap(self) -> Trimap | None:
        """Over the whole output window; None where no matter ran."""
        return None if self.trimap_part is None else self.trimap_part.whole(self.shape)


class FrameMatting:
    """Makes the alphas of one frame.

    Args:
        window: what the answers cover, in the files' pixels.
        check: raises when the job was cancelled; called for each window of the matter.
        see_through: boxes of transparent things, in pixels counted from the window's corner.
        edges: what decides the boundary of a mask of the working picture where no matter does;
            None: nothing, the mask is brought to the plate as it is.
        shown: the picture of the whole output window, where somebody made it already.
    """

    def __init__(
        self,
        frame: Frame,
        *,
        window: Window,
        working: Working,
        scale: float,
        colour: Colour,
        rules: EdgeRules,
        threads: int,
        check: Callable[[], None],
        see_through: Sequence[Box] = (),
        edges: Callable[[Mask], EdgeModel | None] | None = None,
        shown: Callable[[], Picture | None] = lambda: None,
    ) -> None:
        self._frame = frame
        self._window = window
        self._working = working
        self._scale = scale
        self._colour = colour
        self._rules = rules
        self._threads = threads
        self._check = check
        self._see_through = see_through
        self._edges = edges
        self._made = shown
        self._grid = Grid.of(working, window, scale)
        self._whole = Window.sized(window.width, window.height)

    @property
    def plate(self) -> Frame:
        """The frame's own pixels."""
        return self._frame

    def alpha(self, mask: Mask) -> ObjectAlpha:
        """Of a mask of the working picture, where no matter runs."""
        return self.finished(Part.of(self._rules.cleaned(self.refined(mask))), None)

    def band(self, mask: Mask) -> tuple[Part, Part]:
        """The trimap of a mask of the working picture, and the cleaned mask that it is of."""
        area = self.around(mask)
        cleaned = self.cleaned(mask, area)
        own = Part.of(self.trimap(cleaned, area))
        return own.shifted(area.x_min, area.y_min), Part(area, cleaned)

    def around(self, mask: Mask) -> Window:
        """The part of the output window that says all about a mask of the working picture.

        Beyond it there is nothing of the object, nor of any band around it, and what is worked
        out in it is what would be worked out in the whole.
        """
        return self._grid.around(mask, _AROUND * math.ceil(self._rules.wide) + _AROUND)

    def cleaned(self, mask: Mask, area: Window) -> Mask:
        """A mask of the working picture over a part of the output window, without specks."""
        if area.is_empty:
            return np.zeros((0, 0), np.float32)
        window = area.shifted(self._window.x_min, self._window.y_min)
        return self._rules.cleaned(mask_to_plate(mask, self._working, window, self._scale))

    def as_drawn(self, mask: Mask) -> ObjectAlpha:
        """A drawn mask of the working picture, which no pixels overrule."""
        area = self.around(mask)
        return self.finished(Part(area, self.cleaned(mask, area)), None)

    def refined(self, mask: Mask) -> Mask:
        """A mask of the working picture over the output window, its boundary as pixels say."""
        working, window, scale = self._working, self._window, self._scale
        enlarged = mask_to_plate(mask, working, window, scale)
        model = None if self._edges is None else self._edges(mask)
        if model is None:
            return enlarged
        # The planes lie over the working picture, which is counted from the display window.
        height, width = model.shape
        rows, columns = height / working.height, width / working.width
        down, across = working.scale_y / scale, working.scale_x / scale
        return model.decide(
            enlarged,
            self._shown,
            (down * rows, (window.y_min * down - working.window.y_min) * rows),
            (across * columns, (window.x_min * across - working.window.x_min) * columns),
        )

    def from_plate_mask(
        self, mask: Mask, matter: Matter | None, *, seed: int, pause: Pause | None = None
    ) -> ObjectAlpha:
        """From a mask over the output window."""
        mask = self._rules.cleaned(mask)
        if matter is None:
            return self.finished(Part.of(mask), None)
        trimap = self.trimap(mask, self._whole)
        return self.from_trimap(Part.of(trimap), matter, seed=seed, pause=pause)

    def trimap(self, mask: Mask, area: Window) -> Trimap:
        """The band around a cleaned mask over a part of the window, and what is seen through."""
        x, y = area.x_min, area.y_min
        boxes = [(box[0] - x, box[1] - y, box[2] - x, box[3] - y) for box in self._see_through]
        return widened(self._rules.trimap(mask), boxes)

    def from_trimap(
        self, trimap: Part, matter: Matter, *, seed: int, pause: Pause | None = None
    ) -> ObjectAlpha:
        """From a trimap over the output window."""
        return self.finished(self.solved(trimap, matter, seed=seed, pause=pause), trimap)

    def finished(self, alpha: Part, trimap: Part | None) -> ObjectAlpha:
        """With its edge shifted and softened."""
        shape = self._whole.height, self._whole.width
        return ObjectAlpha(shape, self._rules.finished(alpha, shape), trimap)

    def solved(
        self, trimap: Part, matter: Matter, *, seed: int, pause: Pause | None = None
    ) -> Part:
        """The matter's own alpha of a trimap over the output window."""
        # One pixel more, so that no window of the matter ends where only the part does.
        near = trimap.window.grown(matter.overlap + 1).intersect(self._whole)
        area = near if matter.needs_trimap and not trimap.window.is_empty else self._whole
        picture_of = self._picture_of(matter)
        alpha = matte_in_windows(
            matter,
            lambda window: picture_of(window.shifted(area.x_min, area.y_min)),
            trimap.over(area),
            seed=seed,
            threads=self._threads,
            pause=pause,
            corner=(area.x_min, area.y_min),
        )
        # Alpha is 0 where the trimap is.
        return Part(trimap.window, alpha[trimap.window.slices(area)])

    def subject(self, matter: Matter, *, seed: int) -> MatteResult:
        """What a matter finds by itself over the output window, its edge not finished yet."""
        return matter.matte(self._picture_of(matter)(self._whole), None, seed=seed)

    def from_subject(self, alpha: Mask) -> ObjectAlpha:
        """From what `subject` found."""
        return self.finished(Part.of(self._rules.cleaned(alpha)), None)

    def foreground(self, alpha: Mask) -> npt.NDArray[np.float32]:
        """Straight colour of what `alpha` covers, in the plate's own colour space."""
        linear = self._colour.to_linear(self._pixels(self._whole))
        return self._colour.from_linear(estimate_foreground(linear, alpha))

    def _picture_of(self, matter: Matter) -> Callable[[Window], Picture]:
        return self._light if matter.facts.linear_light else self._shown

    def _shown(self, window: Window) -> Picture:
        self._check()
        made = self._made()
        if made is not None:
            return made[window.slices(self._whole)].copy()
        return self._colour.to_display(self._pixels(window))

    def _light(self, window: Window) -> Picture:
        self._check()
        light = self._colour.to_linear(self._pixels(window))
        gain = np.float32(2.0**self._colour.settings.exposure)
        return np.asarray(np.clip(light * gain, 0.0, _BRIGHTEST), np.float32)

    def _pixels(self, window: Window) -> Pixels:
        """The pixels of a part of the output window, counted from its corner."""
        wanted = window.shifted(self._window.x_min, self._window.y_min)
        found: Pixels = place(self._frame.pixels, self._frame.window, wanted)
        return found


def output_window(plate_format: Format, scale: float) -> Window:
    """The window that mattes cover, in the files' pixels."""
    return scale_window(plate_format.data, scale)


def union(alphas: Sequence[Part]) -> Part:
    """All objects as one matte.

    The sum, at most 1: where two objects share an edge pixel each has its part of it, and a
    maximum would leave a seam.
    """
    window = Window(0, 0, 0, 0)
    for alpha in alphas:
        window = window.union(alpha.window)
    total = np.zeros((window.height, window.width), np.float32)
    for alpha in alphas:
        total[alpha.window.slices(window)] += alpha.values
    return Part(window, np.minimum(total, np.float32(1)))
