"""Tiny sizes of the neural engines, as a module that `AIROTO_ENGINES` can name.

With its folder on PYTHONPATH a real server has them, and with `write_weights`'s folder
as AIROTO_WEIGHTS they are what `auto` means.
"""

from __future__ import annotations

from airoto_server.engines import cutie, sam2_image, sam2_video, vitmatte
from airoto_server.engines.cutie import CutieSize
from airoto_server.engines.registry import EngineSpec, Role
from airoto_server.engines.roles import EngineFacts
from airoto_server.engines.sam2_config import Sam2Size
from airoto_server.engines.vitmatte import VitMatteSize

TINY_SAM2 = Sam2Size(
    "sam2.1-test", True, 16, 1, (1, 1, 2, 1), (8, 4, 4, 4), (3,), 7,
    image_size=128, decoder_width=128, decoder_mlp=128, memory_layers=2,
)  # fmt: skip
TINY_CUTIE = CutieSize(
    "cutie-test",
    ("base", "small"),
    {
        "pixel_dim": 32, "key_dim": 16, "value_dim": 32, "sensory_dim": 32, "embed_dim": 32,
        "object_transformer": {"ff_dim": 64, "num_blocks": 1, "num_queries": 8, "num_heads": 4},
        "mask_decoder": {"up_dims": [32, 16, 16]},
    },
)  # fmt: skip
TINY_VITMATTE = VitMatteSize("vitmatte-test", 48, 3, layers=3, crop=128, fusion=(32, 16, 16, 8))


def facts(name: str) -> EngineFacts:
    """What a test engine says of itself."""
    return EngineFacts(name, "test", "seeded weights, for tests", "Apache-2.0", needs_weights=True)


_SAM2, _CUTIE, _VITMATTE = (facts(size.name) for size in (TINY_SAM2, TINY_CUTIE, TINY_VITMATTE))
# Ranks above all released ones; Cutie above SAM 2, as among these.
SPECS = (
    EngineSpec(
        Role.SEGMENTER, _SAM2, lambda o: sam2_image.build(TINY_SAM2, _SAM2, o), 900, _SAM2.name
    ),
    EngineSpec(
        Role.TRACKER, _SAM2, lambda o: sam2_video.build(TINY_SAM2, _SAM2, o), 900, _SAM2.name
    ),
    EngineSpec(
        Role.TRACKER, _CUTIE, lambda o: cutie.build(TINY_CUTIE, _CUTIE, o), 901, _CUTIE.name
    ),
    EngineSpec(
        Role.MATTER,
        _VITMATTE,
        lambda o: vitmatte.build(TINY_VITMATTE, _VITMATTE, o),
        900,
        _VITMATTE.name,
    ),
)
