"""Matting a plate of any size with an engine that takes windows of a limited size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from airoto_server.engines.roles import Mask, Matter, Picture, Trimap
from airoto_server.ops.geometry import Window
from airoto_server.ops.parallel import ordered_map
from airoto_server.ops.resample import grow, shrink
from airoto_server.ops.seeds import seed_for
from airoto_server.ops.windows import blend, windows_around


class Pause(Protocol):
    """Lets somebody more urgent use the device between two windows."""

    @property
    def wanted(self) -> bool:
        """Whether to begin no further window."""
        ...

    def give_way(self) -> None:
        """Called while no window is computed; returns when it may go on."""
        ...


def matte_in_windows(
    matter: Matter,
    picture_of: Callable[[Window], Picture],
    trimap: Trimap,
    *,
    seed: int,
    threads: int,
    pause: Pause | None = None,
    corner: tuple[int, int] = (0, 0),
) -> Mask:
    """Alpha (H, W) float32, 0 to 1, exactly 0 and 1 where the trimap is.

    Only windows around the unknown region are asked for and computed. An engine that needs
    no trimap gets the whole picture, once.

    Args:
        picture_of: the picture of a window, (height, width, 3) as engines take it; called
            from several threads if the engine allows it.
        trimap: (H, W) float32: 0, 1, or anything between for unknown.
        threads: how many windows at a time, for engines whose facts say `concurrent`;
            others get one at a time. The result does not depend on it.
        pause: looked at before every window.
        corner: x and y of the trimap's first pixel, where it is a part of a larger one: seeds go
            by where a window lies.

    Raises:
        EngineError: from the engine; among others for a trimap without a known pixel.
    """
    return _in_windows(matter, picture_of, trimap, matter.max_window, seed, threads, pause, corner)


def matte_piecewise(
    matter: Matter, picture: Picture, trimap: Trimap, max_window: int, *, seed: int
) -> Mask:
    """As `matte_in_windows`, one at a time, in windows smaller than the engine would take.

    Args:
        max_window: longest side of a window in pixels, more than twice the engine's overlap.
    """
    whole = Window.sized(trimap.shape[1], trimap.shape[0])
    return _in_windows(matter, lambda w: picture[w.slices(whole)], trimap, max_window, seed, 1)


def _in_windows(
    matter: Matter,
    picture_of: Callable[[Window], Picture],
    trimap: Trimap,
    max_window: int,
    seed: int,
    threads: int,
    pause: Pause | None = None,
    corner: tuple[int, int] = (0, 0),
) -> Mask:
    unknown = (trimap > 0) & (trimap < 1)
    if not unknown.any():
        return trimap.copy()
    whole = Window.sized(trimap.shape[1], trimap.shape[0])
    if not matter.needs_trimap:
        alpha = np.array(matter.matte(picture_of(whole), None, seed=seed_for(seed, "matte")).alpha)
    else:
        windows = windows_around(unknown, max_window, matter.overlap)
        sides = [side for side in (0.0, 1.0) if (trimap == side).any()]
        contexts = [_context(trimap, window, sides) for window in windows]

        def alpha_of(context: Window) -> Mask:
            part = trimap[context.slices(whole)]
            placed = seed_for(seed, "matte", context.x_min + corner[0], context.y_min + corner[1])
            return _solve(matter, picture_of(context), part, max_window, placed)

        # Windows in a wide unknown region often need the same context: solve that once.
        distinct = list(dict.fromkeys(contexts))
        workers = threads if matter.facts.concurrent else 1
        alpha_in = _solved(alpha_of, distinct, workers, pause)
        pieces = [
            (window, alpha_in[context][window.slices(context)])
            for window, context in zip(windows, contexts, strict=True)
        ]
        alpha = blend(trimap, pieces, matter.overlap)
    np.copyto(alpha, trimap, where=~unknown)
    return alpha


def _solved(
    alpha_of: Callable[[Window], Mask], windows: Sequence[Window], threads: int, pause: Pause | None
) -> dict[Window, Mask]:
    """Every window's alpha, in rounds that end early where `pause` is wanted."""
    solved: dict[Window, Mask] = {}
    left = list(windows)
    while left:
        first = left[0]

        def unless_wanted(window: Window, first: Window = first) -> Mask | None:
            # The first one is always done, so that every round gets on.
            if pause is not None and window is not first and pause.wanted:
                return None
            return alpha_of(window)

        answers = zip(left, ordered_map(unless_wanted, left, threads), strict=True)
        solved |= {window: alpha for window, alpha in answers if alpha is not None}
        left = [window for window in left if window not in solved]
        if left and pause is not None:
            pause.give_way()
    return solved


def _context(trimap: Trimap, window: Window, sides: Sequence[float]) -> Window:
    """The window, grown until each of `sides` is somewhere in it."""
    whole = Window.sized(trimap.shape[1], trimap.shape[0])
    while window != whole:
        seen = trimap[window.slices(whole)]
        if all((seen == side).any() for side in sides):
            break
        margin = max(8, max(window.width, window.height) // 4)
        window = window.grown(margin).intersect(whole)
    return window


def _solve(matter: Matter, picture: Picture, trimap: Trimap, max_window: int, seed: int) -> Mask:
    """Alpha of a picture, at a smaller size if it is beyond what the engine takes."""
    height, width = trimap.shape
    scale = max_window / max(height, width)
    if scale >= 1:
        return matter.matte(picture, trimap, seed=seed).alpha
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = shrink(trimap, *size)
    # A small pixel is known only if all that it covers is, but for rounding.
    known = np.abs(small - 0.5) > 0.5 - 1e-4
    small = np.where(known, np.rint(small), 0.5).astype(np.float32)
    alpha = matter.matte(shrink(picture, *size), small, seed=seed).alpha
    return np.clip(grow(alpha, width, height), 0, 1)
