"""The steps that made a network what it is: pruned for a data set, trained further on this one or another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from stamp_tf.measure.interval import wilson_interval

if TYPE_CHECKING:
    from stamp_tf.data import DataSet


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """One step of a run, and what was measured at its end.

    Args:
        step: `prune` or `finetune`.
        command: What was typed; empty for a step from Python.
        dataset: Name of the data set, as it was given.
        path: Absolute path of its file or folder; None where it has none.
        digest: Of its training images, test images and class names, see `stamp_tf.data.digest`; None where nobody
            counted.
        train_images: Number of images that were trained on; None where the run does not say.
        test_images: Number of images that the accuracy was measured on; None where the run does not say.
        test_accuracy: At the end of the step, in [0, 1].
        epochs: Epochs of training in this step.
        time: End of the step, in UTC as ISO 8601; empty where the run does not say.
        seconds: How long its pruning and training took, without loading, measuring and writing.
        doubt: Why the images tested may be among those that trained the network; empty where nothing says so.
    """

    step: str
    command: str
    dataset: str
    path: str | None
    digest: Mapping[str, str] | None
    train_images: int | None
    test_images: int | None
    test_accuracy: float
    epochs: int
    time: str
    seconds: float
    doubt: str = ""

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the accuracy on any number of such images lies, with 95 % certainty; None of an unknown number."""
        return wilson_interval(self.test_accuracy, self.test_images) if self.test_images else None

    def is_on_data_of(self, other: HistoryEntry) -> bool:
        """Tell whether accuracies of the two steps may be compared: those of one and the same data."""
        if self.digest is None or other.digest is None:
            return (self.dataset, self.test_images) == (other.dataset, other.test_images)
        return self.digest == other.digest


def history_entry(
    step: str,
    dataset: DataSet,
    *,
    test_accuracy: float,
    epochs: int,
    seconds: float,
    command: str,
    test_images: int | None = None,
    doubt: str = "",
) -> HistoryEntry:
    """Return the entry of a step that ends now.

    Args:
        step: `prune` or `finetune`.
        dataset: What it was on, with the labels of the network.
        test_accuracy: At the end, in [0, 1].
        epochs: Epochs of training.
        seconds: How long it took.
        command: What was typed.
        test_images: Number of images tested; None for all of the data set's.
        doubt: Why they may have trained the network.
    """
    from stamp_tf.data.digest import digest_of

    return HistoryEntry(
        step=step,
        command=command,
        dataset=dataset.name,
        path=None if dataset.path is None else str(dataset.path),
        digest=digest_of(dataset),
        train_images=len(dataset.train),
        test_images=len(dataset.test) if test_images is None else test_images,
        test_accuracy=test_accuracy,
        epochs=epochs,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=seconds,
        doubt=doubt,
    )


def parts_of_one_data(history: Sequence[HistoryEntry]) -> list[int]:
    """Number the stretches of a history within which the data set stayed the same.

    Args:
        history: The steps in order.

    Returns:
        For each step the number of its stretch, rising from 0.
    """
    numbers: list[int] = []
    for index, entry in enumerate(history):
        changed = index > 0 and not entry.is_on_data_of(history[index - 1])
        numbers.append(numbers[-1] + changed if numbers else 0)
    return numbers
