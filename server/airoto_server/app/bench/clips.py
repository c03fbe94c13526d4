"""Annotated clips and matting images on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from airoto.errors import BadRequestError, FrameUnreadableError
from airoto_server.engines.roles import Mask, Picture, Trimap
from airoto_server.ops.imagefile import read_frame, read_mask

Labels = npt.NDArray[np.uint8]
Bool = npt.NDArray[np.bool_]

# Folders of pictures and of masks, relative to the data set: ours, and DAVIS's own.
_LAYOUTS = (("frames", "masks"), ("JPEGImages/480p", "Annotations/480p"))
# A data set that is one clip, annotated on some frames only (PUMaVOS, YouTube-VOS).
_ONE_CLIP = ("JPEGImages", "Annotations")
_PICTURES = frozenset({".jpg", ".jpeg", ".png"})
_WHITE = 255
# EXIF's tag; pictures are read upright.
_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Clip:
    """A clip: a picture for each frame, masks for all or some of them.

    Attributes:
        pictures: files of the frames, in order; frame numbers count from 0.
        masks: files of object numbers by frame.
        objects: numbers of the objects and the frame each is first annotated on.
    """

    name: str
    pictures: tuple[Path, ...]
    masks: dict[int, Path]
    objects: dict[int, int]

    def picture(self, frame: int) -> Picture:
        """(H, W, 3) float32, display-referred."""
        return read_picture(self.pictures[frame])

    def truth(self, frame: int, number: int) -> Bool:
        """(H, W) bool, where an object is on an annotated frame."""
        return np.asarray(read_labels(self.masks[frame]) == number)

    def judged(self, number: int) -> list[int]:
        """Frames on which answers about an object count: as DAVIS has it, annotated ones
        without the clip's first and last; and none up to the one the object is given on."""
        last = len(self.pictures) - 1
        dense = len(self.masks) == len(self.pictures)
        first = self.objects[number]
        return [frame for frame in self.masks if frame > first and not (dense and frame == last)]


@dataclass(frozen=True)
class MattingImage:
    """A picture with exact alpha and a trimap.

    Attributes:
        trimap: which of the data set's trimaps it is.
    """

    name: str
    trimap: str
    picture_file: Path
    alpha_file: Path
    trimap_file: Path

    def load(self) -> tuple[Picture, Mask, Trimap]:
        """Picture, alpha, and a trimap of 0, one half and 1."""
        drawn = read_mask(self.trimap_file).mask
        trimap = np.where((drawn > 0) & (drawn < 1), 0.5, drawn).astype(np.float32)
        return read_picture(self.picture_file), read_mask(self.alpha_file).mask, trimap


def read_picture(path: Path) -> Picture:
    """A picture file as engines take it, (H, W, 3) float32 as stored, 0 to 1."""
    return np.asarray(read_frame(path).pixels, np.float32)


def read_labels(path: Path) -> Labels:
    """Object numbers (H, W) uint8 of a mask file: palette or grey; white is object 1.

    Raises:
        FrameUnreadableError: no mask file.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            grey = image if image.mode in ("P", "L") else image.convert("L")
            labels = np.array(grey, np.uint8)
            palette = image.mode == "P"
    except (OSError, UnidentifiedImageError) as exc:
        raise FrameUnreadableError(f"{path} is no mask: {exc}", path=str(path)) from exc
    if not palette:
        labels[labels == _WHITE] = 1
    return labels


def find_clips(root: Path, wanted: Sequence[str] = (), most_frames: int = 0) -> list[Clip]:
    """The clips of a DAVIS folder, by name.

    Args:
        root: holds `frames/CLIP/*.jpg` and `masks/CLIP/*.png`, or DAVIS's `JPEGImages/480p` and
            `Annotations/480p`, or is one clip with `JPEGImages/*` and `Annotations/*`.
        wanted: names of clips; none means all.
        most_frames: of each clip, from its first; 0: all.

    Raises:
        BadRequestError: no such clips.
    """
    for frames, masks in _LAYOUTS:
        if (root / frames).is_dir() and (root / masks).is_dir():
            names = sorted(path.name for path in (root / frames).iterdir() if path.is_dir())
            places = [(name, root / frames / name, root / masks / name) for name in names]
            break
    else:
        frames, masks = _ONE_CLIP
        if not (root / frames).is_dir() or not (root / masks).is_dir():
            raise BadRequestError(
                f"{root} is no DAVIS folder; allowed: frames/CLIP and masks/CLIP, "
                "JPEGImages/480p/CLIP and Annotations/480p/CLIP, or one clip's JPEGImages and "
                "Annotations"
            )
        places = [(root.resolve().name, root / frames, root / masks)]
    unknown = sorted(set(wanted) - {name for name, _, _ in places})
    if unknown or not places:
        known = ", ".join(name for name, _, _ in places) or "none"
        raise BadRequestError(f"no clip {', '.join(unknown) or 'at all'} in {root}; there: {known}")
    return [_clip(*place, most_frames) for place in places if not wanted or place[0] in wanted]


def find_matting_images(root: Path) -> list[MattingImage]:
    """The images of an alphamatting.com folder: `image`, `alpha`, and trimap folders.

    Raises:
        BadRequestError: not such a folder.
    """
    trimaps = sorted(path for path in root.glob("trimap*") if path.is_dir())
    if not trimaps or not (root / "image").is_dir() or not (root / "alpha").is_dir():
        raise BadRequestError(
            f"{root} is no alphamatting folder; allowed: image/*, alpha/* and trimap1/* (and more)"
        )
    found = []
    for folder in trimaps:
        for path in sorted(_files(root / "image")):
            alpha, trimap = root / "alpha" / path.name, folder / path.name
            if alpha.is_file() and trimap.is_file():
                found.append(MattingImage(path.stem, folder.name, path, alpha, trimap))
    if not found:
        raise BadRequestError(f"{root} has no picture with both an alpha and a trimap")
    return found


def _clip(name: str, pictures: Path, masks: Path, most_frames: int) -> Clip:
    files = sorted(_files(pictures))[: most_frames or None]
    by_stem = {path.stem: path for path in _files(masks)}
    annotated = {at: by_stem[path.stem] for at, path in enumerate(files) if path.stem in by_stem}
    objects: dict[int, int] = {}
    for frame, path in annotated.items():
        labels = read_labels(path)
        size = _size_of(files[frame])
        if labels.shape != size:
            raise BadRequestError(
                f"clip {name}: {path.name} among the masks is {labels.shape[1]}x{labels.shape[0]}, "
                f"its picture {files[frame].name} {size[1]}x{size[0]}; allowed: the same size"
            )
        for number in np.unique(labels):
            if number:
                objects.setdefault(int(number), frame)
    if not objects or len(annotated) < 2:
        raise BadRequestError(f"clip {name} has no object that is annotated on two frames")
    for path in files:
        if _size_of(path) != _size_of(files[0]):
            raise BadRequestError(f"clip {name}: {path.name} is not of the size of the first frame")
    return Clip(name, tuple(files), annotated, objects)


def _size_of(path: Path) -> tuple[int, int]:
    """Height and width of a picture file as it is read, from its header."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            lies_on_its_side = image.getexif().get(_ORIENTATION, 1) > 4
            return (image.width, image.height) if lies_on_its_side else (image.height, image.width)
    except (OSError, UnidentifiedImageError) as exc:
        raise FrameUnreadableError(f"{path} is no picture: {exc}", path=str(path)) from exc


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if path.suffix.lower() in _PICTURES]


def at_working_size(picture: Picture, long_side: int) -> Picture:
    """The picture made smaller, as a job does for an engine that likes it so; 0: as it is."""
    height, width = picture.shape[:2]
    scale = long_side / max(height, width)
    if not long_side or scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def mask_at(mask: Mask, shape: tuple[int, ...]) -> Mask:
    """A mask at another size, (H, W) of `shape`."""
    if mask.shape == shape[:2]:
        return mask
    smaller = mask.shape[0] > shape[0]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    resized = cv2.resize(mask, (shape[1], shape[0]), interpolation=how)
    return np.asarray(resized, np.float32)
