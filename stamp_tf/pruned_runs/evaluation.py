"""What a network is worth on test images, as a whole and class by class."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stamp_tf.measure.interval import wilson_interval
from stamp_tf.report.tested import Tested
from stamp_tf.training.accuracy import TestCounts


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
    """One class.

    Args:
        name: Its name.
        images: How many were tested, 1 or more.
        hits: How many of them were classified rightly.
        taken_for: The class that they were taken for most often, where they were, and how many of them.
    """

    name: str
    images: int
    hits: int
    taken_for: tuple[str, int] | None

    @property
    def accuracy(self) -> float:
        """Share classified rightly, in [0, 1]."""
        return self.hits / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """Where it lies with 95 % certainty."""
        return wilson_interval(self.accuracy, self.images)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A network on the test images of a data set.

    Args:
        model: Where the network lies.
        dataset: What the data set is called.
        class_names: Of the network, in the order of its outputs.
        counts: What it answered.
    """

    model: str
    dataset: str
    class_names: tuple[str, ...]
    counts: TestCounts

    @property
    def interval(self) -> tuple[float, float]:
        """Where the accuracy lies with 95 % certainty."""
        return wilson_interval(self.counts.accuracy, self.counts.num_images)

    @property
    def tested(self) -> Tested:
        """What the test showed beside the accuracy."""
        return Tested.of(self.counts, self.class_names)

    def classes(self) -> list[ClassFigures]:
        """Return the classes of which an image was tested, in the order of the outputs."""
        taken_for: dict[int, tuple[str, int]] = {}
        for label, answer, count in self.counts.confusions():
            taken_for.setdefault(label, (self.class_names[answer], count))
        images, hits = self.counts.images, self.counts.hits
        return [
            ClassFigures(
                name=self.class_names[label],
                images=int(images[label]),
                hits=int(hits[label]),
                taken_for=taken_for.get(label),
            )
            for label in map(int, np.flatnonzero(images))
        ]

    def confusions(self) -> list[tuple[str, str, int]]:
        """Return (class, what it was taken for, images), the most frequent first."""
        return [
            (self.class_names[label], self.class_names[answer], count)
            for label, answer, count in self.counts.confusions()
        ]

    def to_json(self) -> dict[str, Any]:
        """Return all figures as JSON content."""
        tested = self.tested
        return {
            "model": self.model,
            "dataset": self.dataset,
            "images": self.counts.num_images,
            "accuracy": self.counts.accuracy,
            "interval": list(self.interval),
            "classes": [
                {
                    "class": one.name,
                    "images": one.images,
                    "right": one.hits,
                    "accuracy": one.accuracy,
                    "interval": list(one.interval),
                }
                for one in self.classes()
            ],
            "confusions": [
                {"class": name, "taken_for": other, "images": count}
                for name, other, count in self.confusions()
            ],
            "calibration": asdict(tested.calibration),
            "mistakes": [
                {
                    "image": one.place,
                    "class": one.name,
                    "taken_for": one.taken_for,
                    "probability": one.probability,
                }
                for one in tested.mistakes
            ],
        }
