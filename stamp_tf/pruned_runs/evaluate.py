"""Accuracy of the pruned network of a run."""

from __future__ import annotations

import logging
from pathlib import Path

from stamp_tf.arguments import as_path
from stamp_tf.data import DataSet
from stamp_tf.data.load import check_dataset_type
from stamp_tf.pruned_runs.pruned_run import PrunedRun, load_run
from stamp_tf.training.accuracy import TestCounts, count_hits

logger = logging.getLogger(__name__)


def evaluate(run: PrunedRun | str | Path, dataset: DataSet | str | None = None) -> float:
    """Return the fraction of test images that the network of a run classifies rightly.

    Classes are found by their names. The data set may have fewer than the network, which the log then says.

    Args:
        run: A run directory of `prune`, or what `load_run` returned.
        dataset: Whose test images to take, or the name of a data set; None takes those of the data set that the run
            was pruned for.

    Raises:
        StampError: If there is no network, or the data set does not fit it.

    Example:
        >>> stamp_tf.evaluate("runs/digits")
    """
    if dataset is not None:
        check_dataset_type(dataset)
    run = run if isinstance(run, PrunedRun) else load_run(as_path(run, "run"))
    if not isinstance(dataset, DataSet):
        dataset = run.load_dataset(dataset, allow_subset=True)
    run.warn_if_in_doubt(dataset)
    return run_counts(run, dataset).accuracy


def run_counts(run: PrunedRun, dataset: DataSet) -> TestCounts:
    """Count the test images that the network of a run classifies rightly, and say where not all classes occur.

    Args:
        run: What `load_run` returned.
        dataset: Whose test images to take.

    Raises:
        StampError: If the data set does not fit the network.
    """
    dataset = run.fitted(dataset, allow_subset=True)
    counts = count_hits(run.model, dataset.test, normalization=run.normalization)
    if counts.num_classes < len(run.class_names):
        logger.warning(
            "%d of the network's %d classes occur in the test images of %s: the accuracy says nothing of the others.",
            counts.num_classes,
            len(run.class_names),
            dataset.name,
        )
    return counts
