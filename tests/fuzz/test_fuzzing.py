"""Readers of what comes from outside take it or refuse it: no crash, no hang, no memory.

Short here; `AIROTO_FUZZ_SECONDS=900` fuzzes each reader for so long (of processor time), guided by
coverage, and `AIROTO_FUZZ_EXAMPLES` sets how many examples hypothesis makes.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airoto.errors import BadRequestError
from airoto.presets.keys import KEYS
from airoto.wire.messages import Recipe

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from make_seeds import all_seeds  # noqa: E402 - programs beside this file
from readers import READERS, tried  # noqa: E402

SECONDS = int(os.environ.get("AIROTO_FUZZ_SECONDS", "2"))
EXAMPLES = int(os.environ.get("AIROTO_FUZZ_EXAMPLES", "150"))

# Linux counts the memory of the process that forked towards the peak of what it starts, and the
# fuzzer looks at its peak: a shell in between, which is small, begins the count anew.
FRESH = ("sh", "-c", '"$@"; exit $?', "sh")

every_reader = pytest.mark.parametrize("name", READERS)


@every_reader
def test_guided_fuzzing_finds_nothing(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed here (it has wheels for Linux alone)")
    command = [*FRESH, sys.executable, str(HERE / "guided.py"), name, str(SECONDS)]
    ran = subprocess.run(
        # By the clock, which on a busy machine runs many times as fast.
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=20 * SECONDS + 240,
        check=False,
    )
    told = ran.stdout + ran.stderr
    assert ran.returncode == 0, told[-4000:]
    assert "exiting as requested" in told
    done = re.search(r"number_of_executed_units: (\d+)", told)
    assert done is not None
    assert int(done[1]) > len(all_seeds()[name])
    assert [path.name for path in tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("reader", "said"), [("planted", "a planted fault"), ("endless", "more processor time")]
)
def test_the_guided_fuzzer_notices_faults_and_hangs(reader: str, said: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed here (it has wheels for Linux alone)")
    command = [*FRESH, sys.executable, str(HERE / "guided.py"), reader, "60", "--hang", "1"]
    ran = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False
    )
    assert ran.returncode != 0
    assert said in ran.stdout + ran.stderr
    assert [path.name.partition("-")[0] for path in tmp_path.iterdir()] == ["crash"]


@every_reader
@settings(max_examples=EXAMPLES)
@given(data=st.binary(max_size=2048))
def test_any_bytes_are_taken_or_refused(name: str, data: bytes) -> None:
    tried(READERS[name], data)


@every_reader
@settings(max_examples=EXAMPLES)
@given(draw=st.data())
def test_changed_seeds_are_taken_or_refused(name: str, draw: st.DataObject) -> None:
    seed = bytearray(draw.draw(st.sampled_from(sorted(all_seeds()[name].values()))))
    for _ in range(draw.draw(st.integers(1, 6))):
        start = draw.draw(st.integers(0, len(seed)))
        end = draw.draw(st.integers(start, min(len(seed), start + 24)))
        seed[start:end] = draw.draw(st.binary(max_size=24))
    tried(READERS[name], bytes(seed))


def _field_names(descriptor: Any, seen: set[str]) -> set[str]:
    if descriptor.full_name in seen:
        return set()
    seen.add(descriptor.full_name)
    names = {field.name for field in descriptor.fields}
    for field in descriptor.fields:
        if field.message_type is not None:
            names |= _field_names(field.message_type, seen)
    return names


RECIPE_FIELDS = sorted(_field_names(Recipe.DESCRIPTOR, set()))

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["plate.%04d.exr", "/a/b.####.exr", "1001-1010x0", "auto", "ACEScg", "\0"]),
)


def nested(keys: list[str]) -> st.SearchStrategy[Any]:
    """Values that JSON or TOML can say, with keys that a reader knows."""
    return st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(st.one_of(st.sampled_from(keys), st.text(max_size=4)), inner),
        ),
        max_leaves=24,
    )


@settings(max_examples=EXAMPLES)
@given(fields=st.dictionaries(st.sampled_from(RECIPE_FIELDS), nested(RECIPE_FIELDS)))
def test_any_recipe_of_known_fields_is_taken_or_refused(fields: dict[str, Any]) -> None:
    tried(READERS["recipe"], json.dumps({"version": 1, **fields}).encode())


@settings(max_examples=EXAMPLES)
@given(values=st.dictionaries(st.sampled_from(sorted(KEYS)), scalars))
def test_any_preset_of_known_keys_is_taken_or_refused(values: dict[str, Any]) -> None:
    lines = ["format = 1", "version = 1"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in values.items() if value is not None]
    tried(READERS["preset"], "\n".join(lines).encode())


@every_reader
def test_seeds_are_what_our_own_code_makes(name: str) -> None:
    kept = {path.name: path.read_bytes() for path in (HERE / "seeds" / name).iterdir()}
    assert kept
    assert kept.items() <= all_seeds()[name].items()


@every_reader
def test_some_seeds_are_taken_and_some_refused_or_all_are_whole(name: str) -> None:
    taken = [tried(READERS[name], data) for data in all_seeds()[name].values()]
    assert any(taken)
    with pytest.raises(BadRequestError):
        READERS[name](b"\xff\xfe {not a message")


def test_a_reader_that_fails_is_noticed() -> None:
    def faulty(data: bytes) -> None:
        raise ValueError(data)

    with pytest.raises(ValueError, match="x"):
        tried(faulty, b"x")
