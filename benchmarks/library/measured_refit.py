"""A network that was not trained to be cut: cut, fitted in closed form, and tested."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import keras
import numpy as np

import stamp_registry
from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import Budget, ChannelCut
from stamp_tf.data import DataSet, load_dataset
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.ready import make_ready, sliced_network
from stamp_tf.pruning.target import Target
from stamp_tf.references.reference import Reference
from stamp_tf.refit.images import refit_images
from stamp_tf.refit.refit import refit
from stamp_tf.training.accuracy import evaluate_accuracy
from stamp_tf.training.finetune import finetune, resolve_options
from stamp_tf.training.fit_head import fit_head

_OF_OTHER = " of other"
_AT_RIDGE = "refitted at "
_RANKED = "remaining-error"


class RefitMeasure:
    """Measures one network on one data set.

    Args:
        reference: The network, with a head for the classes of the data set.
        dataset: What it is cut for, as after `--dataset`.
        other: Another data set of images for refits, or None.
        images: How many training images.
        seed: Decides which.
        head: `keep` for its own, where the classes are the data set's, or `ridge` in closed form.
        allocation: `global` spreads a budget over layers by remaining errors, `uniform` gives all layers the same.
        epochs: Of fine-tuning after the cut.
    """

    def __init__(
        self,
        reference: Reference,
        *,
        dataset: str,
        other: str | None,
        images: int,
        seed: int,
        head: str,
        allocation: str = "global",
        epochs: int = 0,
    ) -> None:
        self._seed, self._head, self._allocation, self._epochs = seed, head, allocation, epochs
        self._images: dict[str, Any] = {
            "train_size": images,
            "image_shape": reference.backbone.input_shape,
            "seed": seed,
        }
        self.target = Target.of(reference, load_dataset(dataset, **self._images))
        self._other = other
        self._cut = ChannelCut(reference.channel_map, self.target.cost)
        self._scores: dict[str, tuple[np.ndarray, float]] = {}

    def full(self) -> dict[str, Any]:
        """Return the accuracy of the network as it is, with a head for the data set."""
        return self._figures(self.full_model())

    def full_model(self) -> keras.Model:
        """Return the network as it is, with a head for the data set."""
        model = Target.of(self.target.reference, self.target.dataset).model
        self._fit_head(model)
        return model

    def pruned(self, max_flops: float, *, ranking: str, kernels: str) -> dict[str, Any]:
        """Return the accuracy of a cut network, what is left of it, and the seconds of each step.

        Args:
            max_flops: The budget.
            ranking: Name of a pruner; with ` of other` behind it, it looks at the `other` data set.
            kernels: `as it is`, `refitted`, `refitted at 0.1`, which is a ridge, or on the images of the
                `other` data set.
        """
        scores, seconds = self._ranked(ranking)
        return self.cut(self._cut.meet(scores, Budget(max_flops=max_flops)), kernels=kernels, seconds=seconds)

    def cut(self, mask: ChannelMask, *, kernels: str, seconds: float = 0.0) -> dict[str, Any]:
        """Return what `pruned` does, of the network of a mask that somebody else found in so many seconds."""
        times = {"propose": seconds}
        small = sliced_network(self.target, mask)
        if kernels == "other" or kernels.startswith(_AT_RIDGE):
            images = self._others if kernels == "other" else self.target.dataset
            ridge = {} if kernels == "other" else {"ridge": float(kernels.removeprefix(_AT_RIDGE))}
            self._refit_on(images, small, mask, **ridge)
            self._fit_head(small)
        else:
            is_refitted = kernels == "refitted"
            refit_mask = mask if is_refitted else None
            make_ready(
                small, self.target, seed=self._seed, head=self._head, refit_mask=refit_mask, times=times
            )
        params, flops = self.target.cost.exact_fractions(mask)
        return {
            **self._figures(small),
            "params_fraction": float(params),
            "flops_fraction": float(flops),
            "seconds": times,
        }

    def _ranked(self, ranking: str) -> tuple[np.ndarray, float]:
        if ranking not in self._scores:
            started = time.perf_counter()
            is_swapped = ranking.endswith(_OF_OTHER)
            name = ranking.removesuffix(_OF_OTHER)
            options = {"allocation": self._allocation} if name == _RANKED else {}
            target = self.target.seen_as(self._others, "other") if is_swapped else self.target
            config = PruneConfig(method=name, seed=self._seed, options=options)
            problem = target.problem(config, budget=Budget(max_flops=0.5))
            scores = stamp_registry.load("stamp_tf.pruners", name)().propose(problem).scores
            self._scores[ranking] = scores, time.perf_counter() - started
        return self._scores[ranking]

    @cached_property
    def _others(self) -> DataSet:
        assert self._other is not None
        return load_dataset(self._other, **self._images)

    def _refit_on(self, images: DataSet, small: Any, mask: ChannelMask, **options: Any) -> None:
        target = self.target
        batches = refit_images(images, target.normalization, seed=self._seed)
        channel_map = target.reference.channel_map
        refit(target.model, small, channel_map, mask=mask, batches=batches, seed=self._seed, **options)

    def _fit_head(self, model: Any) -> None:
        if self._head == "ridge":
            target = self.target
            end = target.reference.backbone.end
            fit_head(model, target.dataset.train, normalization=target.normalization, end=end, method="ridge")

    def _figures(self, model: Any) -> dict[str, float]:
        """Return the accuracy of a network; what it was before it was trained is beside it."""
        accuracy = self._accuracy(model)
        if not self._epochs:
            return {"accuracy": accuracy}
        target, backbone = self.target, self.target.reference.backbone
        config = FinetuneConfig(epochs=self._epochs, seed=self._seed, evaluate=False)
        finetune(
            model,
            target.dataset,
            normalization=target.normalization,
            config=resolve_options(config, target.dataset, own_model=backbone.architecture is not None),
            end=backbone.end,
        )
        return {"accuracy": self._accuracy(model), "accuracy_without_steps": accuracy}

    def _accuracy(self, model: Any) -> float:
        return float(
            evaluate_accuracy(model, self.target.dataset.test, normalization=self.target.normalization)
        )


def seconds_of(figures: Mapping[str, Any]) -> float:
    """Return how long ranking and fitting took."""
    return float(sum(figures.get("seconds", {}).values()))
