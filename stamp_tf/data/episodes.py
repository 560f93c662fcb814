"""Episodes: samples of few-class tasks drawn from the reference data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stamp_tf.data.dataset import ImageSet
from stamp_tf.errors import StampError

if TYPE_CHECKING:
    from stamp_tf.data.streaming import StreamedSet
    from stamp_tf.options.meta_train import MetaTrainConfig


@dataclass(frozen=True, eq=False)
class Episode:
    """The tasks of one outer step; B = ways * shots images each.

    Args:
        images: uint8 `[N, B, H, W, D]`, in an order that mixes the classes.
        labels: int32 `[N, B]`, values in [0, ways): the position of the class in `classes`.
        classes: int32 `[N, ways]`, the classes' labels in the data set.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: np.ndarray


class EpisodeSampler:
    """Draws tasks of disjoint classes with the same number of images per class.

    Args:
        image_set: The reference images, in memory.
        ways: Classes per task, >= 2.
        shots: Images per class and task, >= 1.
        num_tasks: Tasks per outer step, N >= 1. Classes are disjoint between the tasks of a step while
            `N * ways` does not exceed the number of classes; beyond that only within a task.
        seed: With the step it decides everything, >= 0.

    Raises:
        StampError: If there are fewer classes than `ways` or fewer images of a class than `shots`, or a
            number is out of range.
    """

    def __init__(
        self, image_set: ImageSet | StreamedSet, *, ways: int, shots: int, num_tasks: int, seed: int
    ) -> None:
        for option, value, smallest in (
            ("`ways`", ways, 2),
            ("`shots`", shots, 1),
            ("`tasks`", num_tasks, 1),
            ("`seed`", seed, 0),
        ):
            if value < smallest:
                raise StampError(
                    f"{option} must be at least {smallest}, but is {value}; give a larger number."
                )
        if not isinstance(image_set, ImageSet):
            raise StampError(
                "episodes must be drawn from images in memory, but the data set is streamed; "
                "give `load:train_size=...` for a balanced part that fits."
            )
        if image_set.num_classes < ways:
            raise StampError(
                f"`ways` must be at most the number of classes, but is {ways} and the data set has "
                f"{image_set.num_classes}; give `ways={image_set.num_classes}` or less, or another data set."
            )
        counts = np.bincount(image_set.labels, minlength=image_set.num_classes)
        scarcest = int(counts.argmin())
        if counts[scarcest] < shots:
            raise StampError(
                f"`shots` must be at most the number of images of every class, but is {shots} and class "
                f"'{image_set.class_names[scarcest]}' has {counts[scarcest]}; give "
                f"`shots={counts[scarcest]}` or less, or more images."
            )
        self.image_set = image_set
        self.ways = ways
        self.shots = shots
        self.num_tasks = num_tasks
        self.seed = seed
        by_class = np.argsort(image_set.labels, kind="stable")
        self._positions = np.split(by_class, np.cumsum(counts)[:-1])

    @classmethod
    def of(cls, image_set: ImageSet | StreamedSet, config: MetaTrainConfig) -> EpisodeSampler:
        """Return the sampler of a meta-training.

        Args:
            image_set: The reference images.
            config: Its options.

        Raises:
            StampError: If the images do not do for them.
        """
        return cls(image_set, ways=config.ways, shots=config.shots, num_tasks=config.tasks, seed=config.seed)

    def sample(self, step: int, part: slice = slice(None)) -> Episode:
        """Draw the tasks of one outer step.

        Args:
            step: Index of the outer step, from 0; the same step draws the same tasks.
            part: Which of the tasks to return.
        """
        rng = np.random.default_rng((self.seed, step))
        classes = self._classes(rng)
        set_size = self.ways * self.shots
        positions = np.empty((self.num_tasks, set_size), np.int64)
        labels = np.empty((self.num_tasks, set_size), np.int32)
        for task in range(self.num_tasks):
            chosen = [
                rng.choice(self._positions[label], self.shots, replace=False, shuffle=False)
                for label in classes[task]
            ]
            order = rng.permutation(set_size)
            positions[task] = np.concatenate(chosen)[order]
            labels[task] = np.repeat(np.arange(self.ways, dtype=np.int32), self.shots)[order]
        return Episode(self.image_set.images[positions[part]], labels[part], classes[part])

    def _classes(self, rng: np.random.Generator) -> np.ndarray:
        """Draw the classes of every task, int32 `[N, ways]`."""
        num_classes = self.image_set.num_classes
        tasks_per_deck = num_classes // self.ways
        rows: list[np.ndarray] = []
        # One shuffled deck of classes deals as many disjoint tasks as it can; further tasks open a new deck.
        while len(rows) < self.num_tasks:
            deck = rng.permutation(num_classes)[: tasks_per_deck * self.ways]
            rows.extend(deck.reshape(tasks_per_deck, self.ways))
        return np.stack(rows[: self.num_tasks]).astype(np.int32)
