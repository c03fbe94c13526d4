"""Pictures and clips made on the spot, seeded, with exact masks."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.float32]
Mask = npt.NDArray[np.float32]


def texture(shape: tuple[int, int], colour: tuple[float, float, float], seed: int) -> Picture:
    """Smooth noise around a colour, (H, W, 3) float32, 0 to 1."""
    noise = np.random.default_rng(seed).normal(0, 1, (*shape, 3)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 2).reshape(*shape, 3)
    noise /= max(float(noise.std()), 1e-6)
    return np.clip(np.float32(colour) + 0.06 * noise, 0, 1).astype(np.float32)


def disc(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> Mask:
    """A disc around x, y, (H, W) float32 0 or 1."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (np.hypot(columns - centre[0], rows - centre[1]) <= radius).astype(np.float32)


def moving_disc(
    frames: int,
    shape: tuple[int, int] = (96, 128),
    *,
    start: tuple[float, float] = (40.0, 48.0),
    step: tuple[float, float] = (2.0, 0.5),
    radius: float = 18.0,
) -> tuple[list[Picture], list[Mask]]:
    """A textured red disc that moves in front of a textured green-blue background."""
    background = texture(shape, (0.25, 0.45, 0.5), 1)
    skin = texture((256, 256), (0.75, 0.3, 0.2), 2)
    pictures, masks = [], []
    for frame in range(frames):
        centre = (start[0] + frame * step[0], start[1] + frame * step[1])
        mask = disc(shape, centre, radius)
        moved = np.float32([[1, 0, centre[0] - 128], [0, 1, centre[1] - 128]])
        front = cv2.warpAffine(skin, moved, (shape[1], shape[0]), borderMode=cv2.BORDER_REFLECT)
        pictures.append(np.where(mask[..., None] > 0, front, background).astype(np.float32))
        masks.append(mask)
    return pictures, masks


def iou(first: Mask, second: Mask) -> float:
    """Intersection over union of two masks, cut at a half."""
    a, b = first > 0.5, second > 0.5
    union = int((a | b).sum())
    return float((a & b).sum()) / union if union else 1.0


def soft_disc(shape: tuple[int, int] = (80, 100)) -> tuple[Picture, Mask, Mask]:
    """A disc with a soft edge over another colour: picture, exact alpha, trimap."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    centre, radius = (shape[1] / 2, shape[0] / 2), min(shape) / 3
    distance = radius - np.hypot(columns - centre[0], rows - centre[1])
    alpha = np.clip(0.5 + distance / 10, 0, 1).astype(np.float32)
    front, back = texture(shape, (0.8, 0.5, 0.2), 3), texture(shape, (0.1, 0.3, 0.6), 4)
    picture = alpha[..., None] * front + (1 - alpha[..., None]) * back
    trimap = np.where(distance > 8, 1, np.where(distance < -8, 0, 0.5)).astype(np.float32)
    return picture.astype(np.float32), alpha, trimap
