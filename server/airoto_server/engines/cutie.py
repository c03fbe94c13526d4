"""Cutie: keyframe masks through time, with a memory of objects.

Source: Cheng et al., Putting the Object Back into Video Object Segmentation, CVPR 2024,
arXiv 2310.12982. The network and its memory are those of the package rf-cutie; the pass
around them is `cutie_pass`. Released weights: `cutie-base-mega.pth`, `cutie-small-mega.pth`,
plain state dicts.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airoto.errors import EngineUnavailableError
from airoto_server.engines.cutie_pass import CutiePass
from airoto_server.engines.registry import EngineSpec, LoadOptions, Role
from airoto_server.engines.roles import EngineFacts
from airoto_server.engines.torch_checkpoint import read_state, require_match, weights_file
from airoto_server.engines.torch_engine import TorchEngine
from airoto_server.engines.torch_support import (
    Placement,
    building,
    package_version,
    placement,
    settle,
)

if TYPE_CHECKING:
    from cutie.model.cutie import CUTIE
    from omegaconf import DictConfig

_BUILDING = threading.Lock()


@dataclass(frozen=True)
class CutieSize:
    """One architecture.

    Attributes:
        name: `cutie-small`.
        models: files of the package's model configuration, each over the ones before it.
        changes: further values of the model configuration.
    """

    name: str
    models: tuple[str, ...]
    changes: Mapping[str, Any] = field(default_factory=dict, hash=False)


SMALL = CutieSize("cutie-small", ("base", "small"))
BASE = CutieSize("cutie-base", ("base",))


class CutieTracker(TorchEngine):
    """A tracker with Cutie's network; masks are probabilities that compete for pixels."""

    def __init__(
        self, facts: EngineFacts, network: CUTIE, config: DictConfig, place: Placement
    ) -> None:
        super().__init__(facts, network, place)
        self._config = config

    def begin(self, object_ids: Sequence[int], *, seed: int) -> CutiePass:
        """A new pass; no random numbers are drawn."""
        return CutiePass(self, self._config, self._place, object_ids)


def configuration(size: CutieSize) -> DictConfig:
    """The package's evaluation settings, with the long-term memory that bounds a pass."""
    import cutie.config
    from omegaconf import OmegaConf

    folder = Path(cutie.config.__file__).parent
    config = OmegaConf.load(folder / "eval_config.yaml")
    # Both speak to hydra, which is not used here.
    for key in ("defaults", "hydra"):
        config.pop(key)
    models = [OmegaConf.load(folder / "model" / f"{name}.yaml") for name in size.models]
    config.model = OmegaConf.merge(*models, dict(size.changes))
    config.model.pop("defaults", None)
    # What the package sets for long videos of any kind.
    config.use_long_term = config.datasets.generic.use_long_term
    config.mem_every = config.datasets.generic.mem_every
    return config


def network(config: DictConfig) -> CUTIE:
    """Cutie's network with weights yet to be loaded; reaches for nothing on the net."""
    with warnings.catch_warnings():
        # A docstring of the package has an escape that Python warns of.
        warnings.simplefilter("ignore", SyntaxWarning)
        from cutie.model.cutie import CUTIE
    # The package still calls torch.cuda.amp.autocast, once per frame.
    warnings.filterwarnings("ignore", r".*torch\.cuda\.amp\.autocast", FutureWarning, r"cutie\.")
    with _BUILDING, building(), _without_downloads():
        return CUTIE(config)


@contextmanager
def _without_downloads() -> Iterator[None]:
    """Make the package's encoders without ImageNet weights, which it would fetch from the net.

    Its networks ask for them in their constructors; a checkpoint replaces all of them.
    """
    from cutie.model.utils import resnet

    originals = {name: getattr(resnet, name) for name in ("resnet18", "resnet50")}

    def empty(name: str) -> Any:
        def make(pretrained: bool = True, extra_dim: int = 0, model_dir: Any = None) -> Any:
            return originals[name](pretrained=False, extra_dim=extra_dim)

        return make

    try:
        for name in originals:
            setattr(resnet, name, empty(name))
        yield
    finally:
        for name, original in originals.items():
            setattr(resnet, name, original)


def build(size: CutieSize, facts: EngineFacts, options: LoadOptions) -> CutieTracker:
    """Load a tracker of that size.

    Raises:
        EngineUnavailableError: packages, device or a fitting checkpoint are missing.
    """
    place = placement(options)
    try:
        config = configuration(size)
        model = network(config)
    except ImportError as exc:
        raise EngineUnavailableError(f"engine {size.name!r} needs the package rf-cutie") from exc
    path = weights_file(size.name, options.checkpoint)
    state = read_state(size.name, path)
    found = recognise(state)
    if found and found != size.name and size in (SMALL, BASE):
        raise EngineUnavailableError(
            f"the checkpoint for engine {size.name!r} is one of {found!r}: {path}", path=str(path)
        )
    require_match(size.name, path, state, model.state_dict())
    model.load_state_dict(state, strict=True)
    return CutieTracker(facts, settle(model, place), config, place)


def recognise(state: Mapping[str, Any]) -> str:
    """Which Cutie these weights are of, empty if of none."""
    weights = state.get("pix_feat_proj.weight")
    if weights is None or "object_summarizer.pos_enc.inv_freq" not in state:
        return ""
    return {256: SMALL.name, 1024: BASE.name}.get(weights.shape[1], "")


def _spec(size: CutieSize, words: str, rank: int) -> EngineSpec:
    facts = EngineFacts(
        name=size.name,
        version=f"1+rf-cutie.{package_version('rf-cutie')}",
        description=f"Cutie {words}: keyframe masks through time",
        licence="MIT",
        commercial_use=True,
        needs_weights=True,
        # Short side 480, as in its evaluation, of a 16:9 picture.
        working_size=854,
    )
    return EngineSpec(
        role=Role.TRACKER,
        facts=facts,
        load=lambda options: build(size, facts, options),
        rank=rank,
        checkpoint=size.name,
    )


SPECS: tuple[EngineSpec, ...] = (_spec(SMALL, "small", 60), _spec(BASE, "base", 61))
