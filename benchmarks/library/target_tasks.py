"""Many small target tasks, on which a choice of channels that depends on the set could pay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal

import numpy as np

from stamp_tf.data import DataSet
from stamp_tf.data.dataset import ImageSet
from stamp_tf.data.subset import shuffled_positions
from stamp_tf.errors import StampError

Part = Literal["development", "final"]

FEW_WAYS = 5
"""Up to so many classes a task counts as one of few."""


@dataclass(frozen=True, kw_only=True)
class SuiteRow:
    """Tasks that differ only in their classes and images.

    Args:
        source: Which data set: `cifar10`, `gtsrb`, `svhn`.
        ways: Classes per task.
        train_size: Training images per task, rounded down to a multiple of `ways`.
        num_tasks: How many tasks.
    """

    source: str
    ways: int
    train_size: int
    num_tasks: int = 2


_FEW = (
    *(SuiteRow(source="cifar10", ways=ways, train_size=size) for ways in (2, 3, 5) for size in (200, 1000)),
    *(SuiteRow(source="gtsrb", ways=ways, train_size=each * ways) for ways in (2, 3, 5) for each in (20, 80)),
)
_MANY = (
    *(SuiteRow(source="cifar10", ways=10, train_size=size) for size in (200, 1000)),
    *(SuiteRow(source="gtsrb", ways=ways, train_size=20 * ways) for ways in (10, 20)),
)
# 24 tasks of few classes and 8 of many. Ideas are judged on `development`, whose images are training images
# throughout; `final` has other classes, test images and a third source, and is for the end.
SUITES: dict[Part, tuple[SuiteRow, ...]] = {
    "development": (*_FEW, *_MANY),
    "final": (
        *_FEW,
        *(SuiteRow(source="svhn", ways=ways, train_size=40 * ways) for ways in (2, 3, 5)),
        *_MANY,
    ),
}


@dataclass(frozen=True, kw_only=True)
class TargetTask:
    """A target of its own, cut out of a larger data set.

    Args:
        name: What it was drawn from and its place in the row.
        row: What it shares with others.
        index: Its place in the row.
        classes: Labels in the larger set, in the order of the task's labels.
        dataset: The task's images.
    """

    name: str
    row: SuiteRow
    index: int
    classes: tuple[int, ...]
    dataset: DataSet

    @property
    def is_few(self) -> bool:
        """Whether it has few classes."""
        return self.row.ways <= FEW_WAYS


def draw_tasks(
    datasets: Mapping[str, DataSet],
    part: Part,
    *,
    rows: Sequence[SuiteRow] | None = None,
    test_size: int = 600,
) -> list[TargetTask]:
    """Draw the tasks of a suite; the same every time.

    Args:
        datasets: By source.
        part: `development` tests on training images that the task does not learn from, `final` on test
            images. Tasks of few classes never have the same classes in both.
        rows: Which tasks; the default is the suite of that name, less the sources that are not given.
        test_size: Largest number of images a task is tested on.

    Raises:
        StampError: If a data set is streamed or has too few classes or images.
    """
    if rows is None:
        rows = [row for row in SUITES[part] if row.source in datasets]
    return [
        _draw(datasets[row.source], row, place=place, index=index, part=part, test_size=test_size)
        for place, row in enumerate(rows)
        for index in range(row.num_tasks)
    ]


def _draw(
    dataset: DataSet, row: SuiteRow, *, place: int, index: int, part: Part, test_size: int
) -> TargetTask:
    """Draw classes, then images of each."""
    train, test = dataset.train, dataset.test
    if not isinstance(train, ImageSet) or not isinstance(test, ImageSet):
        raise StampError(f"Tasks must be drawn from images in memory, but {dataset.name} is streamed.")
    per_class, per_class_tested = row.train_size // row.ways, test_size // row.ways
    # Half as many again where tests use training images too, so that something is left to test on.
    needed = per_class if part == "final" else 1.5 * per_class
    counts = np.bincount(train.labels, minlength=dataset.num_classes)
    candidates = np.flatnonzero(counts >= needed)
    if len(candidates) < row.ways:
        raise StampError(
            f"A task of {row.ways} classes with {per_class} images each must have as many to choose from, but "
            f"{dataset.name} has {len(candidates)} with {needed:g} images or more."
        )
    classes = _classes(candidates, row.ways, seed=[place, index, row.ways], part=part)
    learnt, tested = [], []
    for label in classes:
        positions = shuffled_positions(train.labels, label, seed=place * 100 + index)
        learnt.append(positions[:per_class])
        if part == "final":
            positions = np.flatnonzero(test.labels == label)
            tested.append(positions[:per_class_tested])
        else:
            tested.append(positions[per_class : per_class + per_class_tested])
    names = tuple(dataset.class_names[label] for label in classes)
    return TargetTask(
        name=f"{row.source}, {row.ways} classes, {row.train_size} images, {index}",
        row=row,
        index=index,
        classes=classes,
        dataset=DataSet(
            dataset.name,
            _relabelled(train, learnt, names),
            _relabelled(test if part == "final" else train, tested, names),
            flips=dataset.flips,
        ),
    )


def _classes(candidates: np.ndarray, ways: int, *, seed: Sequence[int], part: Part) -> tuple[int, ...]:
    """Choose classes; those whose sum is even belong to `development`, the others to `final`."""
    if ways == len(candidates):
        return tuple(int(label) for label in candidates)
    for attempt in count():
        rng = np.random.default_rng([*seed, attempt])
        classes = tuple(int(label) for label in rng.choice(candidates, ways, replace=False))
        if ways > FEW_WAYS or (sum(classes) % 2 == 0) == (part == "development"):
            return classes
    raise AssertionError  # `count` never ends


def _relabelled(images: ImageSet, positions: Sequence[np.ndarray], names: tuple[str, ...]) -> ImageSet:
    """Return the images at these positions, the k-th list as class k, shuffled."""
    order = np.random.default_rng(0).permutation(sum(len(part) for part in positions))
    labels = np.repeat(np.arange(len(positions), dtype=np.int32), [len(part) for part in positions])
    chosen = np.concatenate(list(positions))[order]
    return ImageSet(images.images[chosen], labels[order], len(names), class_names=names)
