"""How accurate a reference network is on its own data set, in full and at budgets."""

from __future__ import annotations

import keras

from stamp_tf.channels import Budget, mask_kernels
from stamp_tf.data import Batches, DataSet
from stamp_tf.errors import StampError
from stamp_tf.references.reference import Reference
from stamp_tf.training.accuracy import evaluate_accuracy
from stamp_tf.training.statistics import Recalibration

_STATISTICS_BATCHES = 20
_REPORTED_BUDGETS = (0.5, 0.25, 0.1, 0.05)


def reference_figures(reference: Reference, dataset: DataSet, batches: Batches) -> dict[str, float]:
    """Return the test accuracy of the full network and at some budgets, statistics recalibrated.

    Args:
        reference: The network; without scores, only the full network is tested.
        dataset: Its data set.
        batches: Training images, cropped and mirrored at random, which measure the statistics.
    """
    figures = {
        "test_accuracy": evaluate_accuracy(
            reference.model, dataset.test, normalization=reference.normalization
        )
    }
    if reference.scores is None:
        return figures
    model = reference.backbone.build()
    recalibrate = Recalibration(model)
    paths = [weight.path for weight in model.trainable_variables]
    values = [weight.value for weight in reference.model.trainable_variables]
    for max_flops in _REPORTED_BUDGETS:
        try:
            mask = reference.cut.meet(reference.scores, Budget(max_flops=max_flops))
        except StampError:
            # A network so narrow that one channel a layer costs more has no figure there; its training is done.
            continue
        for variable, value in zip(
            model.trainable_variables,
            mask_kernels(reference.channel_map, paths, weights=values, mask=keras.ops.array(mask.values)),
            strict=True,
        ):
            # A copy, because what no mask touches is still the reference's own, see `transfer_weights`.
            variable.assign(keras.ops.copy(value))
        images = (x for (x, _), _ in zip(batches.epoch(0), range(_STATISTICS_BATCHES), strict=False))
        recalibrate(images)
        figures[f"test_accuracy_at_{max_flops:g}"] = evaluate_accuracy(
            model, dataset.test, normalization=reference.normalization
        )
    return figures
