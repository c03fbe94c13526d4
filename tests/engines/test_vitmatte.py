"""ViTMatte against a plain forward pass of transformers' model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers.models.vitdet.modeling_vitdet import VitDetAttention

from airoto.errors import EngineError, EngineUnavailableError
from airoto_server.engines import vitmatte
from airoto_server.engines.registry import LoadOptions
from airoto_server.engines.roles import Matter, Picture, Trimap
from airoto_server.engines.vitdet_attention import FusedVitDetAttention
from airoto_server.engines.vitmatte import VitMatteSize

from . import neural_checkpoints as neural

# Neither side a multiple of 32.
HEIGHT, WIDTH = 90, 150
TOLERANCE = 1e-4


def ring(height: int = HEIGHT, width: int = WIDTH) -> Trimap:
    """Foreground disc, unknown ring, background."""
    inner = neural.disc(height, width, width / 2, height / 2, height / 5)
    outer = neural.disc(height, width, width / 2, height / 2, height / 2.2)
    return np.where(inner >= 1, 1, np.where(outer > 0, 0.5, 0)).astype(np.float32)


def reference(size: VitMatteSize, picture: Picture, trimap: Trimap) -> neural.Array:
    """Alpha of the package's own model, inputs made here by the authors' book."""
    model = neural.vitmatte_model(size)
    mean = np.array([123.675, 116.280, 103.530], np.float32) / 255
    deviation = np.array([58.395, 57.120, 57.375], np.float32) / 255
    height, width = trimap.shape
    pixels = np.zeros((1, 4, -(-height // 32) * 32, -(-width // 32) * 32), np.float32)
    pixels[0, :3, :height, :width] = ((picture - mean) / deviation).transpose(2, 0, 1)
    pixels[0, 3, :height, :width] = trimap
    with torch.no_grad():
        alpha = model(torch.from_numpy(pixels)).alphas[0, 0].numpy()
    return alpha[:height, :width]


def unknown_of(alpha: neural.Array, trimap: Trimap) -> neural.Array:
    return alpha[trimap == 0.5]


@pytest.mark.parametrize("size", [(90, 150), (64, 96), (33, 31), (128, 128)])
def test_alpha_agrees_with_the_package(size: tuple[int, int]) -> None:
    picture, trimap = neural.picture(*size), ring(*size)
    expected = unknown_of(reference(neural.TINY_VITMATTE, picture, trimap), trimap)
    neural.assert_lively(expected)
    alpha = neural.tiny_vitmatte().matte(picture, trimap, seed=0).alpha
    assert neural.disagreement(unknown_of(alpha, trimap), expected) < TOLERANCE


MUTANTS: dict[str, Callable[[Picture, Trimap], tuple[Picture, Trimap]]] = {
    "BGR": lambda picture, trimap: (picture[..., ::-1], trimap),
    "wrong mean": lambda picture, trimap: (neural.wrong_mean(picture), trimap),
    "half a pixel": lambda picture, trimap: (neural.half_pixel(picture), trimap),
    "trimap turned": lambda picture, trimap: (picture, 1 - trimap),
    "trimap a pixel off": lambda picture, trimap: (picture, np.roll(trimap, 1, 1)),
}


@pytest.mark.parametrize("mutate", MUTANTS.values(), ids=MUTANTS.keys())
def test_the_comparison_tells_wrong_inputs(
    mutate: Callable[[Picture, Trimap], tuple[Picture, Trimap]],
) -> None:
    picture, trimap = neural.picture(HEIGHT, WIDTH), ring()
    expected = unknown_of(reference(neural.TINY_VITMATTE, picture, trimap), trimap)
    wrong = neural.tiny_vitmatte().matte(*mutate(picture, trimap), seed=0).alpha
    assert neural.disagreement(unknown_of(wrong, trimap), expected) > 10 * TOLERANCE


def test_alpha_is_exact_where_the_trimap_knows() -> None:
    picture, trimap = neural.picture(HEIGHT, WIDTH), ring()
    alpha = neural.tiny_vitmatte().matte(picture, trimap, seed=0).alpha
    assert (alpha[trimap == 1] == 1).all()
    assert (alpha[trimap == 0] == 0).all()
    assert alpha.dtype == np.float32
    assert 0 <= alpha.min() <= alpha.max() <= 1


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_window_without_unknown_is_its_trimap_and_runs_no_network(value: float) -> None:
    engine = neural.tiny_vitmatte()
    runs = []
    hook = engine.model.register_forward_hook(lambda *_: runs.append(1))
    try:
        trimap = np.full((40, 50), value, np.float32)
        alpha = engine.matte(neural.picture(40, 50), trimap, seed=0).alpha
    finally:
        hook.remove()
    assert np.array_equal(alpha, trimap)
    assert not runs


def test_every_value_between_is_unknown() -> None:
    picture, trimap = neural.picture(HEIGHT, WIDTH), ring()
    other = np.where(trimap == 0.5, 0.25, trimap).astype(np.float32)
    engine = neural.tiny_vitmatte()
    assert np.array_equal(
        engine.matte(picture, trimap, seed=0).alpha, engine.matte(picture, other, seed=1).alpha
    )


def test_attention_is_fused_in_every_block() -> None:
    engine = neural.tiny_vitmatte()
    layers = engine.model.backbone.encoder.layer
    assert len(layers) == neural.TINY_VITMATTE.layers
    assert all(isinstance(each.attention, FusedVitDetAttention) for each in layers)
    with pytest.raises(ValueError, match="no map of attention"):
        layers[0].attention(torch.zeros(1, 2, 2, 48), output_attentions=True)


@pytest.mark.parametrize("shape", [(2, 14, 14), (1, 5, 9), (3, 1, 1)])
def test_fused_attention_is_the_packages(shape: tuple[int, int, int]) -> None:
    config = vitmatte.configuration(neural.TINY_VITMATTE).backbone_config
    packaged = VitDetAttention(config, input_size=(8, 8)).eval()
    neural.enliven(packaged, 5)
    patches = torch.randn(*shape, 48, generator=torch.Generator().manual_seed(2))
    expected = packaged(patches)[0]
    assert expected.std() > 0.05
    found = FusedVitDetAttention(packaged)(patches)[0]
    assert float((found - expected).abs().max() / expected.abs().max()) < 1e-5
    # The comparison sees what positions do.
    packaged.rel_pos_w.mul_(0)
    wrong = packaged(patches)[0]
    if shape[2] > 1:
        assert float((found - wrong).abs().max() / expected.abs().max()) > 1e-3


def test_a_missing_or_misfitting_trimap_is_refused() -> None:
    engine = neural.tiny_vitmatte()
    with pytest.raises(EngineError, match="needs a trimap"):
        engine.matte(neural.picture(HEIGHT, WIDTH), None, seed=0)
    with pytest.raises(EngineError, match=r"trimap has shape \(90, 150\)"):
        engine.matte(neural.picture(HEIGHT, WIDTH + 1), ring(), seed=0)


@pytest.mark.parametrize("hub", [True, False], ids=["safetensors", "authors"])
@pytest.mark.parametrize("wrapped", [True, False])
def test_both_released_formats_give_the_same_alpha(
    tmp_path: Path, hub: bool, wrapped: bool
) -> None:
    model = neural.vitmatte_model(neural.TINY_VITMATTE)
    if hub:
        path = neural.write_safetensors(tmp_path, model).parent if wrapped else (
            neural.write_safetensors(tmp_path, model)
        )  # fmt: skip
    else:
        path = neural.write_author_vitmatte(tmp_path / "ViTMatte_S_Com.pth", model)
        if wrapped:  # as detectron2's checkpointer writes them while training
            state = torch.load(path, weights_only=True)
            torch.save({"model": state, "iteration": 1}, path)
    options = LoadOptions(checkpoint=path)
    engine = vitmatte.build(neural.TINY_VITMATTE, neural.facts("tiny"), options)
    picture, trimap = neural.picture(HEIGHT, WIDTH), ring()
    expected = neural.tiny_vitmatte().matte(picture, trimap, seed=0).alpha
    assert np.array_equal(engine.matte(picture, trimap, seed=0).alpha, expected)


def test_a_processor_file_of_the_checkpoint_says_how_colours_are_normalised(
    tmp_path: Path,
) -> None:
    path = neural.write_safetensors(tmp_path, neural.vitmatte_model(neural.TINY_VITMATTE))
    said = path.with_name("preprocessor_config.json")
    said.write_text('{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}')
    options = LoadOptions(checkpoint=path)
    engine = vitmatte.build(neural.TINY_VITMATTE, neural.facts("tiny"), options)
    picture, trimap = neural.picture(HEIGHT, WIDTH), ring()
    # The default network sees the same numbers in a picture that is changed for it.
    expected = neural.tiny_vitmatte().matte(neural.wrong_mean(picture), trimap, seed=0).alpha
    assert np.abs(engine.matte(picture, trimap, seed=0).alpha - expected).max() < 1e-4


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"image_mean": [0.5], "image_std": [0.5]}', '{"image_mean": null}']
)
def test_a_processor_file_that_says_no_normalisation_is_refused(
    tmp_path: Path, content: str
) -> None:
    path = neural.write_safetensors(tmp_path, neural.vitmatte_model(neural.TINY_VITMATTE))
    path.with_name("preprocessor_config.json").write_text(content)
    with pytest.raises(EngineUnavailableError, match="processor file"):
        vitmatte.build(
            neural.TINY_VITMATTE, neural.facts("tiny"), LoadOptions(checkpoint=path.parent)
        )


def test_the_authors_names_are_renamed_one_by_one() -> None:
    from transformers import VitMatteForImageMatting

    for size in (vitmatte.SMALL, vitmatte.BASE):
        with torch.device("meta"):
            expected = VitMatteForImageMatting(vitmatte.configuration(size)).state_dict()
        written = neural.detectron_names(expected)
        assert not written.keys() & {n for n in expected if n.startswith("backbone.")}
        assert vitmatte.from_authors(written).keys() == expected.keys()


def test_the_architecture_of_another_name_is_refused_with_both_names(tmp_path: Path) -> None:
    from transformers import VitMatteForImageMatting

    path = neural.write_safetensors(
        tmp_path, VitMatteForImageMatting(vitmatte.configuration(vitmatte.SMALL))
    )
    spec = next(spec for spec in vitmatte.SPECS if spec.facts.name == "vitmatte-base")
    with pytest.raises(EngineUnavailableError, match="'vitmatte-base' is one of 'vitmatte-small'"):
        spec.load(LoadOptions(checkpoint=path))


def test_a_checkpoint_of_another_kind_of_network_is_refused(tmp_path: Path) -> None:
    path = neural.write_cutie(tmp_path / "cutie.pth", neural.cutie_model(neural.TINY_CUTIE))
    spec = next(spec for spec in vitmatte.SPECS if spec.facts.name == "vitmatte-small")
    with pytest.raises(EngineUnavailableError, match="does not fit engine 'vitmatte-small'"):
        spec.load(LoadOptions(checkpoint=path))


def test_the_released_checkpoints_are_listed() -> None:
    assert {spec.checkpoint for spec in vitmatte.SPECS} == {
        f"vitmatte-{size}-{data}"
        for size in ("small", "base")
        for data in ("composition-1k", "distinctions-646")
    }


@pytest.mark.parametrize(
    "size", [vitmatte.SMALL, neural.large(vitmatte.BASE)], ids=lambda s: s.name
)
def test_the_true_sizes_agree_with_the_package(tmp_path: Path, size: VitMatteSize) -> None:
    path = neural.write_author_vitmatte(tmp_path / "ViTMatte.pth", neural.vitmatte_model(size))
    spec = next(spec for spec in vitmatte.SPECS if spec.facts.name == size.name)
    engine = spec.load(LoadOptions(checkpoint=path))
    assert isinstance(engine, Matter)
    for height, width in ((90, 150), (200, 384)):
        picture, trimap = neural.picture(height, width), ring(height, width)
        expected = unknown_of(reference(size, picture, trimap), trimap)
        neural.assert_lively(expected)
        alpha = engine.matte(picture, trimap, seed=0).alpha
        assert neural.disagreement(unknown_of(alpha, trimap), expected) < TOLERANCE
