"""Test accuracy of a mask as `prune` would use it: sliced, refitted or not, fine-tuned or not."""

from __future__ import annotations

import keras

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.data import DataSet
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.pruning.ready import make_ready, sliced_network
from stamp_tf.pruning.target import Target
from stamp_tf.references.reference import Reference
from stamp_tf.training.accuracy import evaluate_accuracy
from stamp_tf.training.finetune import finetune


def sliced_accuracy(
    reference: Reference, dataset: DataSet, mask: ChannelMask, *, refit: bool, epochs: int, seed: int = 0
) -> float:
    """Return the test accuracy in [0, 1] of the smaller network of a mask.

    Args:
        reference: The network to cut.
        dataset: The target.
        mask: Which channels stay, `[C]`.
        refit: Whether kernels are refitted on the target's images; otherwise statistics are recalibrated.
        epochs: Of fine-tuning; 0 for the head in closed form.
        seed: Of everything random.
    """
    keras.utils.set_random_seed(seed)
    target = Target.of(reference, dataset)
    small = sliced_network(target, mask)
    make_ready(small, target, seed=seed, refit_mask=mask if refit else None)
    if epochs:
        config = FinetuneConfig(epochs=epochs, seed=seed, evaluate=False)
        finetune(small, dataset, normalization=target.normalization, config=config)
    return float(evaluate_accuracy(small, dataset.test, normalization=target.normalization))
