"""MODNet: portraits without trimap or prompts.

Source: Ke et al., MODNet: Real-Time Trimap-Free Portrait Matting via Objective Decomposition,
AAAI 2022, arXiv 2011.11961. The network is the authors' ONNX export, run by onnxruntime on the
CPU, or on a GPU where onnxruntime was installed for it.

It was trained on portraits and answers every picture with something. Two signs tell what is no
subject, and such an answer is withdrawn: alpha is empty and confidence low.
- A haze of half-transparent pixels instead of a body with an edge.
- No person where the matte is. Nothing that the network says tells people from animals and things
  that fill the frame as a person would, so a small detector of people is asked (`person_check`),
  which is part of the checkpoint. `modnet-any` leaves that out: for animals and things, and for
  people whom the detector does not see (upside down, blurred by motion, masked).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from airoto.errors import EngineError, EngineUnavailableError
from airoto_server.engines.classic.checks import check_picture
from airoto_server.engines.person_check import PersonCheck
from airoto_server.engines.registry import EngineSpec, LoadOptions, Role
from airoto_server.engines.roles import EngineFacts, Mask, MatteResult, Picture, Trimap

if TYPE_CHECKING:
    import onnxruntime

# Short and longest side of the network's picture, and what its sides are multiples of, in pixels.
_SHORT_SIDE, _LONG_SIDE, _DIVISOR = 512, 2048, 32
# Alpha between these is half-transparent.
_CLEAR, _SOLID = 0.05, 0.95
# The half-transparent share of everything that is not clear: portraits have up to 0.2, pictures
# without a subject 0.37 and more (measured on the frames that docs/models.md names).
_CERTAIN, _IMPOSSIBLE = 0.2, 0.45
# A smaller part of the picture is no portrait.
_SMALLEST = 0.002
# The score of the detector of people from which confidence is 1; at half of it, it is one half.
# Measured on the frames that docs/models.md names: animals and things (but for dolls)
# have up to 0.19, people 0.27 and more but for a few.
_SURE = 0.5
# The files of a checkpoint: the network, and the detector of people.
_NETWORK, _PERSONS = "modnet.onnx", "persons.pb"


class ModNetMatter:
    """A matter with MODNet's network; it looks at the whole picture.

    Args:
        check: tells whether a matte is a person's; None takes everything with an edge.
    """

    needs_trimap = False
    max_window = 1 << 16
    overlap = 0

    def __init__(
        self,
        facts: EngineFacts,
        session: onnxruntime.InferenceSession,
        device: str,
        check: PersonCheck | None,
    ) -> None:
        self.facts = facts
        self._session = session
        self._device = device
        self._check = check

    def device(self) -> str:
        """Where it runs."""
        return self._device

    def precision(self) -> str:
        """Always `float32`."""
        return "float32"

    def matte(self, picture: Picture, trimap: Trimap | None, *, seed: int) -> MatteResult:
        """Alpha of the portrait in a picture; empty where there is none.

        Where a trimap is given, alpha is exactly 0 and 1 where it is, and nobody is asked whether
        it is a person: whoever made the trimap knew. No random numbers are drawn.

        Raises:
            EngineError: no picture, or a trimap of another size.
        """
        check_picture(picture)
        height, width = picture.shape[:2]
        if trimap is not None and trimap.shape != (height, width):
            raise EngineError(f"the trimap has shape {trimap.shape}, its picture {(height, width)}")
        # The authors' resizing, both ways.
        size = network_size(width, height)
        seen = cv2.resize(np.clip(picture, 0, 1), size, interpolation=cv2.INTER_AREA)
        shown = np.asarray(seen, np.float32)
        small = self._run(shown)
        confidence = portrait_confidence(small)
        # A haze is withdrawn whoever is in it.
        if self._check is not None and trimap is None and confidence >= 0.5:
            confidence = min(confidence, person_confidence(self._check.score(shown, small)))
        if confidence < 0.5:
            alpha = np.zeros((height, width), np.float32)
        else:
            large = cv2.resize(small, (width, height), interpolation=cv2.INTER_AREA)
            alpha = np.clip(large, 0, 1).astype(np.float32)
        if trimap is not None:
            alpha = np.where((trimap > 0) & (trimap < 1), alpha, trimap).astype(np.float32)
        return MatteResult(alpha, confidence)

    def _run(self, picture: Picture) -> Mask:
        pixels = np.ascontiguousarray((picture * 2 - 1).transpose(2, 0, 1)[None], np.float32)
        (entry,) = self._session.get_inputs()
        (answer,) = self._session.run(None, {entry.name: pixels})
        alpha: Mask = np.clip(np.asarray(answer, np.float32)[0, 0], 0, 1)
        return alpha


def network_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the picture that the network sees: the short side 512, unless the
    picture's sides are around that anyway, the long side 2048 at most; multiples of 32."""
    short, long = min(width, height), max(width, height)
    scale = _SHORT_SIDE / short if long < _SHORT_SIDE or short > _SHORT_SIDE else 1.0
    scale = min(scale, _LONG_SIDE / long)
    sides = [max(1, int(side * scale) // _DIVISOR) * _DIVISOR for side in (width, height)]
    return sides[0], sides[1]


def portrait_confidence(alpha: Mask) -> float:
    """How much an alpha of the network's own size looks like a body with an edge, 0 to 1."""
    there = alpha > _CLEAR
    if alpha.mean() < _SMALLEST:
        return 0.0
    haze = float((there & (alpha < _SOLID)).sum()) / float(there.sum())
    return float(np.clip((_IMPOSSIBLE - haze) / (_IMPOSSIBLE - _CERTAIN), 0.0, 1.0))


def person_confidence(score: float) -> float:
    """How sure it is that a matte is a person's, 0 to 1, from the detector's score."""
    return min(1.0, score / _SURE)


def build(facts: EngineFacts, options: LoadOptions, *, people_only: bool) -> ModNetMatter:
    """Load the matter.

    Args:
        people_only: whether a detector of people decides what is a subject.

    Raises:
        EngineUnavailableError: the package or a fitting checkpoint is missing.
    """
    try:
        import onnxruntime
    except ImportError as exc:
        raise EngineUnavailableError(f"engine {facts.name!r} needs onnxruntime") from exc
    path = _file(facts.name, options.checkpoint, _NETWORK)
    check = None
    if people_only:
        check = PersonCheck(facts.name, _file(facts.name, options.checkpoint, _PERSONS))
    wanted = {"cuda": "CUDAExecutionProvider"}.get(options.device.split(":")[0])
    has_it = wanted in onnxruntime.get_available_providers()
    providers = [wanted] if has_it else ["CPUExecutionProvider"]
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), settings, providers=providers)
    except Exception as exc:
        raise EngineUnavailableError(
            f"the checkpoint of engine {facts.name!r} cannot be read, it is damaged or of another "
            f"kind: {path} ({str(exc).splitlines()[0]})",
            path=str(path),
        ) from exc
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if [one.shape[1] for one in (*inputs, *outputs) if len(one.shape) == 4] != [3, 1]:
        raise EngineUnavailableError(
            f"the checkpoint does not fit engine {facts.name!r}: it is no network from a picture "
            f"to an alpha: {path}",
            path=str(path),
        )
    return ModNetMatter(facts, session, options.device if has_it else "cpu", check)


def _file(engine: str, checkpoint: Path | None, name: str) -> Path:
    """A file of the checkpoint, given as its folder or as the network in it."""
    if checkpoint is None:
        raise EngineUnavailableError(
            f"engine {engine!r} needs a checkpoint", hint="airoto weights fetch modnet"
        )
    path = checkpoint / name if checkpoint.is_dir() else checkpoint
    if name != _NETWORK:
        path = path.with_name(name)
    if not path.is_file():
        raise EngineUnavailableError(
            f"the checkpoint of engine {engine!r} is not there: {path}",
            hint="airoto weights fetch modnet",
            path=str(path),
        )
    return path


_FACTS = EngineFacts(
    name="modnet",
    version="2",
    description="MODNet: portraits without prompts or trimap; people only",
    licence="CC-BY-NC-SA-4.0",
    commercial_use=False,
    needs_weights=True,
    subject="a person: a matte with an edge in which a detector of people sees one",
)
_ANY = EngineFacts(
    name="modnet-any",
    version="2",
    description="MODNet: whatever stands out, person or not, without prompts or trimap",
    licence="CC-BY-NC-SA-4.0",
    commercial_use=False,
    needs_weights=True,
    subject="anything whose matte has an edge",
)

# Never `auto`: its licence is not for everybody, and it finds portraits only.
SPECS: tuple[EngineSpec, ...] = (
    EngineSpec(
        role=Role.MATTER,
        facts=_FACTS,
        load=lambda options: build(_FACTS, options, people_only=True),
        rank=-1,
        checkpoint="modnet",
    ),
    EngineSpec(
        role=Role.MATTER,
        facts=_ANY,
        load=lambda options: build(_ANY, options, people_only=False),
        rank=-1,
        checkpoint="modnet",
    ),
)
