"""A cut and refitted network, trained from the same start with and without its full network as a teacher."""

from __future__ import annotations

from typing import Any

from stamp_tf.data import load_dataset
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.pruning.full_network import full_network
from stamp_tf.pruning.prune import prune
from stamp_tf.references.reference import Reference
from stamp_tf.training.accuracy import evaluate_accuracy
from stamp_tf.training.finetune import finetune, resolve_options

_HEAD = "keep"


class DistillationMeasure:
    """Cuts a network once, and trains it from there by several losses.

    Args:
        reference: The network, with a head for the classes of the data set.
        dataset: What it is cut for, as after `--dataset`.
        images: How many training images.
        epochs: Of fine-tuning.
        learning_rate: Its peak.
        max_flops: The budget.
        seed: Of everything random.
    """

    def __init__(
        self,
        reference: Reference,
        *,
        dataset: str,
        images: int,
        epochs: int,
        learning_rate: float,
        max_flops: float,
        seed: int,
    ) -> None:
        self._settings: dict[str, Any] = {
            "epochs": epochs,
            "learning_rate": learning_rate,
            "seed": seed,
            "evaluate": (epochs,),
        }
        shape = reference.backbone.input_shape
        self._cut = prune(
            load_dataset(dataset, train_size=images, image_shape=shape, seed=seed),
            reference,
            method="remaining-error",
            max_flops=max_flops,
            head=_HEAD,
            finetune=FinetuneConfig(epochs=0, evaluate=False),
            seed=seed,
        )
        self._start = self._cut.model.get_weights()
        cut = self._cut
        self._teacher = full_network(
            cut.reference, cut.dataset, normalization=cut.normalization, head=_HEAD, seed=seed
        )
        self._full = evaluate_accuracy(self._teacher, cut.dataset.test, normalization=cut.normalization)

    def trained(self, share: float, *, temperature: float | None) -> dict[str, Any]:
        """Return accuracies of the teacher, before and after training, and the seconds that training took.

        Args:
            share: Of the loss that is the teacher's; 0 for the labels alone.
            temperature: At which outputs are compared; None without a share.
        """
        cut = self._cut
        cut.model.set_weights(self._start)
        taught: dict[str, Any] = {}
        if temperature is not None:
            taught = {"distill": share, "distill_temperature": temperature}
        config = resolve_options(FinetuneConfig(**self._settings, **taught), cut.dataset, own_model=True)
        records = finetune(
            cut.model,
            cut.dataset,
            normalization=cut.normalization,
            config=config,
            teacher=self._teacher if share else None,
        )
        return {
            "accuracy_of_full": self._full,
            "accuracy_without_steps": cut.test_accuracy,
            "accuracy": records[-1].test_accuracy,
            "seconds": records[-1].seconds,
        }
