"""One run of the pruning benchmark: a method on a part of a data set, with its accuracies and times."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from library.results import UNNAMED_HEAD, UNNAMED_RATE
from stamp_tf.data import DataSet, Normalization
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.prune import prune
from stamp_tf.pruning.ready import make_ready
from stamp_tf.pruning.target import Target
from stamp_tf.references.reference import Reference
from stamp_tf.training.accuracy import evaluate_accuracy
from stamp_tf.training.finetune import finetune

PRUNERS = {
    "stamp": "stamp",
    "stamp-k1": "stamp",
    "stamp-structure": "stamp",
    "static": "stamp",
    "static-uniform": "stamp",
    "random": "random",
    "l1": "l1",
}
"""The registered pruner behind each method; `static` and its like differ from `stamp` by their reference."""


def measure(
    case: Mapping[str, Any],
    reference: Reference,
    dataset: DataSet,
    *,
    epochs: int,
    tested_epochs: Sequence[int] = (),
) -> dict[str, Any]:
    """Run one case.

    Args:
        case: `method`, which is one of `PRUNERS` or `full`, `max_flops`, `seed`, and the `learning_rate` of fine-tuning
            where it is not `UNNAMED_RATE`, and its `head` where it is not `UNNAMED_HEAD`.
        reference: The network to start from.
        dataset: The target, cut to its training size.
        epochs: Of fine-tuning.
        tested_epochs: After which of them to test, besides the start and the end.

    Returns:
        Accuracies, seconds by phase, remaining fractions and one record per epoch.

    Raises:
        StampError: If the reference or the budget does not fit the method.
    """
    settings = FinetuneConfig(
        epochs=epochs,
        evaluate=(*tested_epochs, epochs),
        seed=case["seed"],
        learning_rate=case.get("learning_rate", UNNAMED_RATE),
    )
    normalization, head = Normalization.of(dataset.train), case.get("head", UNNAMED_HEAD)
    if case["method"] == "full":
        model, times = full_network(reference, dataset, normalization, head=head, seed=case["seed"])
        accuracy, fractions = evaluate_accuracy(model, dataset.test, normalization=normalization), (1.0, 1.0)
    else:
        # No epochs here and fine-tuning below, so that accuracy is known in between and nothing is done twice.
        config = PruneConfig(
            method=PRUNERS[case["method"]],
            max_flops=case["max_flops"],
            structure_only=case["method"] == "stamp-structure",
            head="random" if case["method"] == "stamp-structure" else head,
            # Measured apart, by `refit.py`.
            refit=False,
            finetune=dataclasses.replace(settings, epochs=0, evaluate=False),
            seed=case["seed"],
            options={"epochs_prune": 1.0} if case["method"] == "stamp-k1" else {},
        )
        result = prune(dataset, reference, config=config)
        model, accuracy = result.model, result.test_accuracy
        times = {phase: result.times[phase] for phase in ("propose", "slice", "statistics", "head")}
        fractions = (result.params_fraction, result.flops_fraction)
    records = finetune(model, dataset, normalization=normalization, config=settings)
    final = records[-1].test_accuracy if epochs else accuracy
    if final is None:
        final = evaluate_accuracy(model, dataset.test, normalization=normalization)
    return {
        "accuracy_without_steps": accuracy,
        "accuracy": final,
        "params_fraction": fractions[0],
        "flops_fraction": fractions[1],
        "seconds": {**times, "finetune": records[-1].seconds},
        "epochs": [vars(record) for record in records],
    }


def full_network(
    reference: Reference,
    dataset: DataSet,
    normalization: Normalization,
    *,
    head: str | None = None,
    seed: int,
) -> tuple[keras.Model, dict[str, float]]:
    """Return the reference at full width, made ready for a data set like a pruned one, and its times.

    Args:
        reference: Whose weights it gets.
        dataset: The target; its head has as many outputs as that has classes.
        normalization: Of the target's images.
        head: How its last layer is fitted, `logistic` or `ridge`; None is the usual way.
        seed: Decides which images measure the statistics.

    Returns:
        The network and the seconds of the phases `statistics` and `head`.
    """
    keras.utils.set_random_seed(seed)
    target = Target.of(reference, dataset, normalization=normalization)
    times: dict[str, float] = {}
    make_ready(target.model, target, seed=seed, head=head, times=times)
    return target.model, {phase: times[phase] for phase in ("statistics", "head")}


def warm_up(reference: Reference, dataset: DataSet) -> None:
    """Run through everything once on a few images: what TensorFlow does once belongs to no method.

    Args:
        reference: The network to start from.
        dataset: The target.
    """
    few = dataclasses.replace(
        dataset,
        train=dataset.train.subset(20 * dataset.num_classes, seed=0),
        test=dataset.test.subset(dataset.num_classes, seed=0),
    )
    methods = ("random",) if reference.scores is None else ("stamp", "full")
    for method in methods:
        measure({"method": method, "max_flops": 0.25, "seed": 0}, reference, few, epochs=1)
