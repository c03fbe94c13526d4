"""Phrases as the tokens of Grounding DINO, and its scores of tokens as phrases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from airoto.errors import BadRequestError, EngineUnavailableError

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class Answer:
    """What one box answers to: a phrase, the words of it that count, the score."""

    phrase: str
    words: str
    score: float


@dataclass(frozen=True)
class Caption:
    """The text that the network reads: `person . red car .`

    Attributes:
        phrases: each as its words.
        ids: of all tokens, with those that begin, separate and end.
        places: (phrase, word) of every token, (-1, -1) for one that is of no phrase.
    """

    phrases: tuple[tuple[str, ...], ...]
    ids: tuple[int, ...]
    places: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, phrases: Sequence[str], tokenizer: Tokenizer) -> Caption:
        """The caption for some phrases.

        Raises:
            BadRequestError: the vocabulary has nothing for a phrase.
        """
        text = ""
        spans: list[tuple[int, int, int, int]] = []
        words = tuple(tuple(phrase.split()) for phrase in phrases)
        for number, phrase in enumerate(words):
            for index, word in enumerate(phrase):
                spans.append((len(text), len(text) + len(word), number, index))
                text += f"{word} "
            text += ". "
        coded = tokenizer.encode(text.strip())
        unknown = tokenizer.token_to_id("[UNK]")
        places = []
        known: set[int] = set()
        for token, (start, end) in zip(coded.ids, coded.offsets, strict=True):
            place = (-1, -1)
            for first, last, number, index in spans:
                if first <= start < end <= last:
                    place = (number, index)
                    if token != unknown:
                        known.add(number)
            places.append(place)
        for number, phrase in enumerate(words):
            if number not in known:
                raise BadRequestError(
                    f"the detector knows no word of the phrase {' '.join(phrase)!r}",
                    hint="use English words",
                )
        return cls(words, tuple(coded.ids), tuple(places))

    def answer(self, scores: npt.NDArray[np.float32], text_threshold: float) -> Answer | None:
        """What a box with these scores of tokens answers to; None: nothing.

        Args:
            scores: (tokens,) 0 to 1.
            text_threshold: lowest score of a word that counts.
        """
        best: dict[tuple[int, int], float] = {}
        for place, score in zip(self.places, scores, strict=True):
            if place[0] >= 0:
                best[place] = max(best.get(place, 0.0), float(score))
        (number, _), top = max(best.items(), key=lambda item: (item[1], -item[0][0]))
        words = self.phrases[number]
        counting = [
            word
            for index, word in enumerate(words)
            if best.get((number, index), 0.0) >= text_threshold
        ]
        return Answer(" ".join(words), " ".join(counting), top) if counting else None


def read_tokenizer(engine: str, weights: Path) -> Tokenizer:
    """The tokenizer beside a weights file, without padding or cutting.

    Of several files in one folder each may have its own: `<file without suffix>.tokenizer.json`
    goes before `tokenizer.json`.

    Raises:
        EngineUnavailableError: it is not there, or damaged.
    """
    from tokenizers import Tokenizer

    own = weights.with_name(f"{weights.stem}.tokenizer.json")
    path = own if own.is_file() else weights.with_name("tokenizer.json")
    if not path.is_file():
        raise EngineUnavailableError(
            f"the checkpoint of engine {engine!r} has no tokenizer: {path}",
            hint=f"airoto weights fetch {engine}",
            path=str(path),
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as exc:
        raise EngineUnavailableError(
            f"the tokenizer of engine {engine!r} cannot be read: {path} ({exc})", path=str(path)
        ) from exc
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
