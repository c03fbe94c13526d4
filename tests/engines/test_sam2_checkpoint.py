"""SAM 2's checkpoints: both released formats load whole, anything else is refused."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from airoto.errors import EngineUnavailableError
from airoto_server.engines import sam2_image, sam2_video
from airoto_server.engines.registry import LoadOptions
from airoto_server.engines.sam2_checkpoint import from_metas, load_state
from airoto_server.engines.sam2_config import SIZES, video_config

from . import neural_checkpoints as neural

TINY = neural.TINY_SAM2


class Bomb:
    """Runs code when unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (eval, ("(_ for _ in ()).throw(SystemExit('code ran'))",))


def load(path: Path | None, name: str = "sam2.1-tiny") -> None:
    spec = next(spec for spec in sam2_image.SPECS if spec.facts.name == name)
    spec.load(LoadOptions(checkpoint=path))


@pytest.mark.parametrize("released", [True, False], ids=["safetensors", "meta"])
def test_both_released_formats_give_the_same_tensors(tmp_path: Path, released: bool) -> None:
    model = neural.sam2_model(TINY)
    if released:
        path = neural.write_safetensors(tmp_path, model)
    else:
        path = neural.write_meta_sam2(tmp_path / "sam2.1_hiera_tiny.pt", model)
    state = load_state(TINY, path)
    expected = model.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("name", "metas", "ours"),
    [
        # Number of tensors in Meta's own files, and in transformers' of the same model.
        ("sam2.1-tiny", 471, 469),
        ("sam2-tiny", 468, 466),
        ("sam2-base-plus", 612, 610),
        ("sam2-large", 900, 898),
    ],
)
def test_metas_names_are_renamed_one_by_one(name: str, metas: int, ours: int) -> None:
    from transformers import Sam2VideoModel

    with torch.device("meta"):
        expected = Sam2VideoModel(video_config(neural.sam2_size(name))).state_dict()
        written = neural.metas_names(expected)
        renamed = from_metas(written)
    assert (len(written), len(renamed)) == (metas, ours)
    assert {n: t.shape for n, t in renamed.items()} == {n: t.shape for n, t in expected.items()}


def test_a_folder_as_the_hub_has_it_is_a_checkpoint(tmp_path: Path) -> None:
    path = neural.write_safetensors(tmp_path / "snapshot", neural.sam2_model(TINY))
    (path.parent / "config.json").write_text("{}")
    assert load_state(TINY, path.parent).keys() == load_state(TINY, path).keys()


def test_the_architecture_of_another_name_is_refused_with_both_names(tmp_path: Path) -> None:
    from transformers import Sam2VideoModel

    small = next(size for size in SIZES if size.name == "sam2.1-small")
    path = neural.write_safetensors(tmp_path, Sam2VideoModel(video_config(small)))
    with pytest.raises(EngineUnavailableError, match=r"'sam2\.1-tiny' is one of 'sam2\.1-small'"):
        load(path)


def test_a_checkpoint_with_a_tensor_missing_or_misshapen_is_refused(tmp_path: Path) -> None:
    state = neural.copies(neural.sam2_model(TINY).state_dict())
    del state["no_object_pointer"]
    state["mask_downsample.weight"] = torch.zeros(1, 1, 2, 2)
    state["surprise"] = torch.zeros(1)
    path = tmp_path / "broken.pt"
    torch.save({"model": state}, path)
    with pytest.raises(EngineUnavailableError) as refusal:
        sam2_image.build(TINY, neural.facts("tiny"), LoadOptions(checkpoint=path))
    for part in ("missing: no_object_pointer", "unknown: surprise", "(1, 1, 2, 2) instead of"):
        assert part in str(refusal.value)


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.999])
@pytest.mark.parametrize("kind", ["safetensors", "pt"])
def test_a_truncated_checkpoint_is_refused_with_its_path(
    tmp_path: Path, kind: str, keep: float
) -> None:
    model = neural.sam2_model(TINY)
    if kind == "pt":
        path = neural.write_meta_sam2(tmp_path / "weights.pt", model)
    else:
        path = neural.write_safetensors(tmp_path, model)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep if keep > 1 else keep * len(content))])
    with pytest.raises(EngineUnavailableError, match=str(path)):
        load(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_with_code_is_refused_and_does_not_run(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "evil.pt"
    if zipped:
        torch.save({"model": Bomb()}, path)
    else:
        path.write_bytes(pickle.dumps({"model": Bomb()}))
    with pytest.raises(EngineUnavailableError, match="could run code"):
        load(path)


def test_a_checkpoint_without_tensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.pt"
    torch.save({"model": {"epoch": 3}}, path)
    with pytest.raises(EngineUnavailableError, match="no network's weights"):
        load(path)


def test_no_checkpoint_or_one_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="needs a checkpoint"):
        load(None)
    with pytest.raises(EngineUnavailableError, match="not there"):
        load(tmp_path / "nowhere.pt")
    with pytest.raises(EngineUnavailableError, match="found: none"):
        load(tmp_path)


def test_a_device_or_precision_that_is_not_here_is_refused(tmp_path: Path) -> None:
    spec = sam2_video.SPECS[0]
    with pytest.raises(EngineUnavailableError, match="'tpu' is not known"):
        spec.load(LoadOptions(device="tpu"))
    with pytest.raises(EngineUnavailableError, match="'float16' is not for device 'cpu'"):
        spec.load(LoadOptions(precision="float16"))
    if not torch.cuda.is_available():
        with pytest.raises(EngineUnavailableError, match="no device 'cuda:0'"):
            spec.load(LoadOptions(device="cuda:0"))


def test_listing_the_neural_engines_imports_no_heavy_package() -> None:
    names = ("sam2_image", "sam2_video", "cutie", "vitmatte")
    imports = "; ".join(f"import airoto_server.engines.{name}" for name in names)
    code = f"import sys; {imports}; print({{'torch', 'transformers', 'cutie'}} & set(sys.modules))"
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert listed.stdout.strip() == "set()", listed.stderr


def test_loading_leaves_the_process_random_numbers_alone(tmp_path: Path) -> None:
    path = neural.write_safetensors(tmp_path, neural.sam2_model(TINY))
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    sam2_image.build(TINY, neural.facts("tiny"), LoadOptions(checkpoint=path))
    assert torch.equal(torch.rand(3), expected)
