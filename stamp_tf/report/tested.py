"""What a test on images showed beside the accuracy, by the names of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stamp_tf.measure.calibration import Calibration

if TYPE_CHECKING:  # a page is drawn from a report without loading Keras
    from stamp_tf.training.accuracy import TestCounts

MOST_CLASSES = 20
"""Of more classes a matrix of confusions cannot be read."""
_MOST_CONFUSIONS = 20


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Images of a class that were taken for another: both names, and how many."""

    name: str
    taken_for: str
    images: int


@dataclass(frozen=True, kw_only=True)
class NamedMistake:
    """An image that was taken for another class: its place in the test images from 0, both names, the probability."""

    place: int
    name: str
    taken_for: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class Tested:
    """What the test showed that gave a network its accuracy.

    Args:
        calibration: How far the probabilities can be trusted.
        confusions: The most frequent ones, the most frequent first.
        mistakes: Those that the network was surest of, the surest first.
        classes: Names of the rows and columns of `matrix`.
        matrix: Images by their class and by what they were taken for; empty of more than 20 classes.
    """

    # Not a test, whatever its name says to pytest.
    __test__ = False

    calibration: Calibration
    confusions: tuple[Confusion, ...]
    mistakes: tuple[NamedMistake, ...]
    classes: tuple[str, ...] = ()
    matrix: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(cls, counts: TestCounts, class_names: Sequence[str]) -> Tested:
        """Name what was counted.

        Args:
            counts: What a network answered.
            class_names: In the order of its outputs.
        """
        confusions = counts.confusions()
        is_small = len(class_names) <= MOST_CLASSES
        return cls(
            calibration=Calibration.of(counts.confidences, counts.labels == counts.answers),
            confusions=tuple(
                Confusion(name=class_names[label], taken_for=class_names[answer], images=images)
                for label, answer, images in confusions[:_MOST_CONFUSIONS]
            ),
            mistakes=tuple(
                NamedMistake(
                    place=one.place,
                    name=class_names[one.label],
                    taken_for=class_names[one.answer],
                    probability=one.probability,
                )
                for one in counts.mistakes
            ),
            classes=tuple(class_names) if is_small else (),
            matrix=_matrix(counts, confusions) if is_small else (),
        )


def _matrix(counts: TestCounts, confusions: Sequence[tuple[int, int, int]]) -> tuple[tuple[int, ...], ...]:
    rows = [
        [int(hits) if label == answer else 0 for answer in range(counts.class_count)]
        for label, hits in enumerate(counts.hits)
    ]
    for label, answer, images in confusions:
        rows[label][answer] = images
    return tuple(map(tuple, rows))
