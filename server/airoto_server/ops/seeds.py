"""Random numbers that can be had again."""

from __future__ import annotations

import hashlib

import cv2


def seed_for(seed: int, *parts: int | str) -> int:
    """A seed for one piece of work: 31 bits, the same on every machine and in every run.

    Args:
        seed: the recipe's.
        parts: what tells this piece from others: stage, frame, object id.
    """
    # repr keeps 1 and "1", and ("ab", "c") and ("a", "bc"), apart.
    text = repr((int(seed), *parts)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") >> 1


def opencv_seeded(seed: int) -> None:
    """Seed OpenCV's random generator on this thread (it has one per thread).

    Call it right before each OpenCV function that draws numbers (grabCut, kmeans,
    findHomography with RANSAC), on the thread that calls that function.
    """
    cv2.setRNGSeed(seed)
