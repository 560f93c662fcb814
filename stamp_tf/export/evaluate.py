"""Accuracy of the pruned network of a run."""

from __future__ import annotations

from pathlib import Path

from stamp_tf.data import DataSet
from stamp_tf.errors import StampError
from stamp_tf.export.pruned_run import PrunedRun, load_run
from stamp_tf.fields import as_path
from stamp_tf.training.evaluate import evaluate_accuracy


def evaluate(run: PrunedRun | str | Path, dataset: DataSet | str | None = None) -> float:
    """Return the fraction of test images that the network of a run classifies rightly.

    Args:
        run: A run directory of `prune`, or what `load_run` returned.
        dataset: Whose test images to take, or the name of a data set; None takes the run's own, split by the
            run's seed.

    Raises:
        StampError: If there is no network, or the data set does not fit it.

    Example:
        >>> stamp_tf.evaluate("runs/digits")
    """
    run = run if isinstance(run, PrunedRun) else load_run(as_path(run, "run"))
    if not isinstance(dataset, DataSet):
        dataset = run.load_dataset(dataset)
    if dataset.image_shape != run.image_shape or dataset.num_classes != len(run.class_names):
        raise StampError(
            f"dataset must have images {run.image_shape} of {len(run.class_names)} classes, but has "
            f"{dataset.image_shape} of {dataset.num_classes}; load it with that image_shape."
        )
    return evaluate_accuracy(run.model, dataset.test, normalization=run.normalization)
