"""Texts as phrases, and phrases as names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airoto.errors import BadRequestError
from airoto.phrases import object_name, split_phrases


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("person . dog", ("person", "dog")),
        ("Red\t Car.", ("red car",)),
        ("a..b . A", ("a", "b")),
        ("café", ("café",)),
        ("cafe\u0301", ("café",)),
    ],
)
def test_periods_separate_phrases(text: str, phrases: tuple[str, ...]) -> None:
    assert split_phrases(text) == phrases


@pytest.mark.parametrize("text", ["", " ", "...", "person . !?", "-"])
def test_a_phrase_without_words_is_refused(text: str) -> None:
    with pytest.raises(BadRequestError, match="no word"):
        split_phrases(text)


@pytest.mark.parametrize(
    ("phrase", "taken", "name"),
    [
        ("red car", (), "red_car_1"),
        ("dog", ("DOG_1", "dog_2"), "dog_3"),
        ("3 cats", (), "_3_cats_1"),
        ("café", (), "cafe_1"),
        ("猫", ("object_1",), "object_2"),
    ],
)
def test_names_are_phrases_with_a_number(phrase: str, taken: tuple[str, ...], name: str) -> None:
    assert object_name(phrase, taken) == name


@given(st.text())
def test_every_phrase_has_a_name_that_a_recipe_takes(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", object_name(text, ()))
