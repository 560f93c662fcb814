"""A cut and refitted network, trained from the same start by one kind of statistics or another."""

from __future__ import annotations

from typing import Any

import numpy as np

from stamp_tf.data import load_dataset
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.pruning.prune import prune
from stamp_tf.pruning.ready import sliced_network
from stamp_tf.pruning.target import Target
from stamp_tf.references.reference import Reference
from stamp_tf.refit.images import refit_images
from stamp_tf.refit.refit import refit
from stamp_tf.training.accuracy import evaluate_accuracy
from stamp_tf.training.finetune import finetune, resolve_options


class BatchNormMeasure:
    """Cuts a network once, and trains it from there.

    Args:
        reference: The network, with a head for the classes of the data set.
        dataset: What it is cut for, as after `--dataset`.
        images: How many training images.
        max_flops: The budget.
        seed: Of everything random.
    """

    def __init__(
        self, reference: Reference, *, dataset: str, images: int, max_flops: float, seed: int
    ) -> None:
        self._seed = seed
        shape = reference.backbone.input_shape
        data = load_dataset(dataset, train_size=images, image_shape=shape, seed=seed)
        self._cut = prune(
            data,
            reference,
            method="remaining-error",
            max_flops=max_flops,
            head="keep",
            finetune=FinetuneConfig(epochs=0, evaluate=False),
            seed=seed,
        )
        self._starts = {"settled": self._cut.model.get_weights(), "not settled": self._not_settled()}

    def _not_settled(self) -> list[np.ndarray]:
        """Return the weights of the same refit with the full network's statistics."""
        cut, channel_map = self._cut, self._cut.reference.channel_map
        target = Target.of(cut.reference, cut.dataset, normalization=cut.normalization)
        small = sliced_network(target, cut.mask)
        batches = refit_images(cut.dataset, cut.normalization, seed=self._seed)
        refit(
            target.model,
            small,
            channel_map,
            mask=cut.mask,
            batches=batches,
            seed=self._seed,
            settles=False,
        )
        weights: list[np.ndarray] = small.get_weights()
        return weights

    def trained(self, way: str, *, epochs: int, learning_rate: float) -> dict[str, Any]:
        """Return accuracies before and after training, and the seconds that training took.

        Args:
            way: `batch` or `frozen`; with `, not settled` behind it, from the full network's statistics.
            epochs: How long.
            learning_rate: Its peak.
        """
        cut = self._cut
        kind: Any
        kind, _, start = way.partition(", ")
        cut.model.set_weights(self._starts[start or "settled"])
        config = resolve_options(
            FinetuneConfig(
                epochs=epochs, learning_rate=learning_rate, seed=self._seed, evaluate=False, batch_norm=kind
            ),
            cut.dataset,
            own_model=True,
        )
        records = finetune(cut.model, cut.dataset, normalization=cut.normalization, config=config)
        accuracy = evaluate_accuracy(cut.model, cut.dataset.test, normalization=cut.normalization)
        return {
            "accuracy_without_steps": cut.test_accuracy,
            "accuracy": accuracy,
            "seconds": records[-1].seconds,
        }
