"""The test images that a network is most sure of, and wrong about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

NUM_MISTAKES = 12
"""As many are remembered."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Mistake:
    """An image that was taken for another class.

    Args:
        place: Of the image among those that were tested, from 0.
        label: Its class.
        answer: What it was taken for.
        probability: That the network gave its answer, in [0, 1].
        pixels: The image, uint8 `[H, W, D]`.
    """

    place: int
    label: int
    answer: int
    probability: float
    pixels: np.ndarray


def surest_mistakes(
    known: Sequence[Mistake],
    pixels: np.ndarray,
    *,
    labels: np.ndarray,
    answers: np.ndarray,
    confidences: np.ndarray,
    first: int,
) -> tuple[Mistake, ...]:
    """Return the surest of the mistakes that are known and those in a batch.

    Args:
        known: Of the batches before.
        pixels: The batch, uint8 `[B, H, W, D]`.
        labels: Its classes, int `[B]`.
        answers: What the network found likeliest, int `[B]`.
        confidences: The probability of that, `[B]`.
        first: Place of its first image.
    """
    wrong = np.flatnonzero(answers != labels)
    found = [
        Mistake(
            place=first + index,
            label=int(labels[index]),
            answer=int(answers[index]),
            probability=float(confidences[index]),
            pixels=pixels[index].copy(),
        )
        for index in wrong[np.argsort(-confidences[wrong], kind="stable")][:NUM_MISTAKES].tolist()
    ]
    return tuple(sorted((*known, *found), key=lambda one: -one.probability)[:NUM_MISTAKES])
