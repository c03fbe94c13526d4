"""Colour: from a plate's declared space to what the models were trained on, and back.

Engines see display-referred sRGB; foreground colour is worked out in scene-linear light.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import PyOpenColorIO as ocio

from airoto.errors import ColourError
from airoto_server.ops.colour_bake import baked
from airoto_server.ops.colour_config import (
    DEFAULT_CONFIG,
    OCIO_ERRORS,
    LoadedConfig,
    default_view_for,
    load,
    resolve_space,
    resolve_view,
    spaces,
)
from airoto_server.ops.halves import are_finite
from airoto_server.ops.parallel import ordered_map

__all__ = [
    "DEFAULT_CONFIG",
    "DISPLAY",
    "Colour",
    "ColourSettings",
    "default_view_for",
    "encode_display",
    "spaces",
]

Pixels = npt.NDArray[np.float32]

# The word that says that a plate is display-referred sRGB already; no config is needed.
DISPLAY = "display"
_LINEAR = "scene_linear"

# Rows that are converted at once: fixed, so that threads cannot change the answer.
_BAND = 128

# Infinite and huge values become the largest of these that the conversion carries: half
# float's largest, or, where that overflows (camera logs), something beyond their white.
_CEILINGS = (65504.0, 16.0, 2.0, 1.0)


@dataclass(frozen=True)
class ColourSettings:
    """The recipe's Colour, with its space filled in.

    Attributes:
        space: colour space, alias or role of the config, or `display`.
        config: path or `ocio://` name; empty: the built-in ACES studio config.
        config_hash: `sha256:...` that the config must have; empty: not checked.
        display, view: empty: the config's sRGB display and its default view.
        exposure: stops added before the view transform.
    """

    space: str
    config: str = ""
    config_hash: str = ""
    display: str = ""
    view: str = ""
    exposure: float = 0.0


class Colour:
    """The conversions of one plate. Cheap to make, and safe to share between threads.

    Attributes:
        settings: as given.
        config_hash: `sha256:...` of the config; empty for `display` plates, which use none.

    Raises:
        ColourError: config, space, display or view cannot be used, or the config is not the
            one that `config_hash` names.
    """

    def __init__(self, settings: ColourSettings) -> None:
        self.settings = settings
        self.config_hash = ""
        self._loaded: LoadedConfig | None = None
        if settings.space == DISPLAY:
            return
        if not settings.space:
            raise ColourError("the plate's colour space is empty")
        self._loaded = load(settings.config)
        self.config_hash = self._loaded.hash
        if settings.config_hash and settings.config_hash != self.config_hash:
            raise ColourError(
                f"the OCIO config {self._loaded.name} has changed: the recipe was made with "
                f"{settings.config_hash}, now it is {self.config_hash}",
                path=self._loaded.path,
                hint="empty plate.colour.config_hash to accept the config as it is now",
            )
        self._space = resolve_space(self._loaded, settings.space)
        self._display, self._view = resolve_view(self._loaded, settings.display, settings.view)
        # A missing LUT shows here, before any frame is read.
        self._view_processor(self._loaded)

    def to_display(self, rgb: npt.NDArray[Any], threads: int = 1) -> Pixels:
        """What a model is shown: (H, W, 3) float32, display-referred sRGB, 0 to 1.

        Args:
            rgb: (H, W, 3) float16 or float32 in the plate's space; anything beyond 0 to 1
                is allowed; NaN becomes 0, infinity very bright. Of half floats OpenColorIO takes
                what it does to each channel alone from a table, which saves half of the time;
                float32 of the same values differs by up to 5e-4, in photographs by 2e-5.
            threads: 0 means the default; the answer does not depend on it.

        The exposure of a `display` plate is applied in linear light, between decoding and encoding
        by the sRGB curve; at 0 stops such a plate is only clipped.
        """
        if self._loaded is not None:
            return _converted(rgb, self._view_processor(self._loaded), threads, clip=True)
        if self.settings.exposure == 0.0:
            return _converted(rgb, _Steps(_unchanged), threads, clip=True)
        gain = np.float32(2.0**self.settings.exposure)
        exposed = _Steps(lambda band: _encode_srgb(_decode_srgb(band) * gain))
        return _converted(rgb, exposed, threads, clip=True)

    def to_linear(self, rgb: npt.NDArray[Any], threads: int = 1) -> Pixels:
        """The plate's space to scene-linear light (the config's `scene_linear`), unclipped.

        A `display` plate is decoded by the sRGB curve, negatives mirrored. Exposure and view
        have no part in it. (H, W, 3) float32, finite.

        Raises:
            ColourError: the config has no `scene_linear` role.
        """
        if self._loaded is None:
            return _converted(rgb, _Steps(_decode_srgb), threads)
        return _converted(rgb, self._space_processor(self._space, _LINEAR), threads)

    def from_linear(self, rgb: npt.NDArray[Any], threads: int = 1) -> Pixels:
        """Scene-linear light to the plate's space; the inverse of `to_linear`."""
        if self._loaded is None:
            return _converted(rgb, _Steps(_encode_srgb), threads)
        return _converted(rgb, self._space_processor(_LINEAR, self._space), threads)

    def describe(self) -> str:
        """What is done to the plate, for provenance and for people."""
        stops = f", exposure {self.settings.exposure:+g}" if self.settings.exposure else ""
        if self._loaded is None:
            return f"display-referred sRGB as it is{stops}"
        return (
            f"{self._space} through {self._display} / {self._view}{stops}, "
            f"{self._loaded.name}, OpenColorIO {ocio.__version__}"
        )

    def _view_processor(self, loaded: LoadedConfig) -> _Steps:
        exposure = self.settings.exposure
        with _translated(loaded):
            return _cached_view(loaded, self._space, self._display, self._view, exposure)

    def _space_processor(self, src: str, dst: str) -> _Steps:
        assert self._loaded is not None
        with _translated(self._loaded):
            return _cached_spaces(self._loaded, src, dst)


def encode_display(rgb_linear: npt.NDArray[Any], settings: ColourSettings) -> Pixels:
    """Scene-linear light through the settings' named view, as for writing a JPEG.

    Args:
        rgb_linear: (H, W, 3) in the config's `scene_linear` space (linear sRGB for `display`).

    Returns:
        (H, W, 3) float32 display-referred sRGB, 0 to 1.
    """
    if settings.space == DISPLAY:
        colour = Colour(settings)
        return colour.to_display(colour.from_linear(rgb_linear))
    return Colour(replace(settings, space=_LINEAR)).to_display(rgb_linear)


@contextlib.contextmanager
def _translated(loaded: LoadedConfig) -> Iterator[None]:
    """OpenColorIO's errors as ours, with the config's path."""
    try:
        yield
    except OCIO_ERRORS as exc:
        raise ColourError(f"{loaded.name} cannot be used: {exc}", path=loaded.path) from exc


@dataclass(frozen=True)
class _Steps:
    """What is done to a band of pixels.

    Attributes:
        full: takes float32, and may work in place.
        ceiling: the largest size of a value that it carries.
        half: takes float16 without NaN or infinity and fills a float32 band; None: there is
            nothing faster than `full`.
    """

    full: Callable[[Pixels], Pixels]
    ceiling: float = _CEILINGS[0]
    half: Callable[[npt.NDArray[np.float16], Pixels], None] | None = None

    @classmethod
    def of(cls, processor: Any, ceiling: float) -> _Steps:
        """OpenColorIO's."""
        return cls(
            _in_place(processor), ceiling, _of_half(processor) if ceiling == _CEILINGS[0] else None
        )

    def fill(self, band: npt.NDArray[Any], out: Pixels) -> None:
        """The same pixels converted; NaN counts as 0."""
        if self.half is not None and band.dtype == np.float16:
            whole = np.ascontiguousarray(band)
            if are_finite(whole):
                self.half(whole, out)
                return
        own = np.array(band, np.float32, order="C")
        np.clip(own, -self.ceiling, self.ceiling, out=own)
        own[np.isnan(own)] = 0.0
        out[...] = self.full(own)


@functools.lru_cache(maxsize=32)
def _cached_view(
    loaded: LoadedConfig, space: str, display: str, view: str, exposure: float
) -> _Steps:
    config = loaded.config
    gain = 2.0**exposure
    stops = ocio.MatrixTransform(matrix=[gain, 0, 0, 0, 0, gain, 0, 0, 0, 0, gain, 0, 0, 0, 0, 1])
    if exposure == 0.0:
        steps = [ocio.DisplayViewTransform(src=space, display=display, view=view)]
    elif config.getColorSpace(space).isData():
        steps = [stops]  # data goes through no view
    else:
        steps = [
            ocio.ColorSpaceTransform(src=space, dst=_LINEAR),
            stops,
            ocio.DisplayViewTransform(src=_LINEAR, display=display, view=view),
        ]
    view_processor = baked(config, config.getProcessor(ocio.GroupTransform(steps)))
    if config.hasRole(_LINEAR):
        # A view may turn an overflow into black: only the way to linear light shows it.
        return _Steps.of(view_processor, _ceiling(config.getProcessor(space, _LINEAR)))
    return _Steps.of(view_processor, _ceiling(view_processor))


@functools.lru_cache(maxsize=32)
def _cached_spaces(loaded: LoadedConfig, src: str, dst: str) -> _Steps:
    processor = loaded.config.getProcessor(src, dst)
    return _Steps.of(processor, _ceiling(processor))


def _in_place(processor: Any) -> Callable[[Pixels], Pixels]:
    cpu = processor.getDefaultCPUProcessor()

    def apply(band: Pixels) -> Pixels:
        cpu.applyRGB(band)  # lets other threads run meanwhile
        return band

    return apply


def _of_half(processor: Any) -> Callable[[npt.NDArray[np.float16], Pixels], None]:
    cpu = processor.getOptimizedCPUProcessor(
        ocio.BIT_DEPTH_F16, ocio.BIT_DEPTH_F32, ocio.OPTIMIZATION_DEFAULT
    )

    def apply(band: npt.NDArray[np.float16], out: Pixels) -> None:
        cpu.apply(_packed(band, ocio.BIT_DEPTH_F16), _packed(out, ocio.BIT_DEPTH_F32))

    return apply


def _packed(band: npt.NDArray[Any], depth: Any) -> Any:
    """OpenColorIO's view of an (H, W, 3) array without gaps."""
    high, wide, _ = band.shape
    order = ocio.CHANNEL_ORDERING_RGB
    return ocio.PackedImageDesc(band, wide, high, order, depth, *reversed(band.strides))


def _ceiling(processor: Any) -> float:
    """The largest input that the processor carries without overflow."""
    apply = _in_place(processor)
    for ceiling in _CEILINGS:
        ends = np.array([[[ceiling] * 3, [-ceiling] * 3]], np.float32)
        if np.isfinite(apply(ends)).all():
            return ceiling
    return _CEILINGS[-1]


def _converted(rgb: npt.NDArray[Any], steps: _Steps, threads: int, *, clip: bool = False) -> Pixels:
    if rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"expected (H, W, 3) pixels, not {rgb.shape}")
    out = np.empty(rgb.shape, np.float32)

    def convert(top: int) -> None:
        band = out[top : top + _BAND]
        steps.fill(rgb[top : top + _BAND], band)
        if clip:
            np.clip(band, 0.0, 1.0, out=band)

    ordered_map(convert, range(0, rgb.shape[0], _BAND), threads)
    return out


def _unchanged(band: Pixels) -> Pixels:
    return band


def _decode_srgb(value: Pixels) -> Pixels:
    """The sRGB curve of IEC 61966-2-1 to linear light; negative values mirrored."""
    size = np.abs(value)
    linear = np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
    return np.copysign(linear, value).astype(np.float32)


def _encode_srgb(value: Pixels) -> Pixels:
    """Linear light to the sRGB curve; the inverse of `_decode_srgb`."""
    size = np.abs(value)
    coded = np.where(size <= 0.0031308, size * 12.92, 1.055 * size ** (1.0 / 2.4) - 0.055)
    return np.copysign(coded, value).astype(np.float32)
