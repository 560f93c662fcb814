"""Measure what a mask leaves without a gradient step and without the test images: on training images held out."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.data import DataSet, random_part
from stamp_tf.data.subset import held_out_indices
from stamp_tf.errors import StampError
from stamp_tf.measure.tried import Tried
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.full_network import full_network
from stamp_tf.pruning.ready import make_ready, sliced_network
from stamp_tf.pruning.target import Target, first_head, refits
from stamp_tf.training.accuracy import count_hits

MOST_IMAGES = 5000
"""Training images that are taken, unless somebody asks for more."""

_HELD_OUT = 0.2


def with_held_out(dataset: DataSet, *, seed: int, most: int = MOST_IMAGES) -> DataSet:
    """Return a data set of training images alone: about a fifth of every class takes the place of the test images.

    Args:
        dataset: The target; its test images are not looked at.
        seed: Decides which images are held out.
        most: Training images that are taken, at most.

    Raises:
        StampError: If no class has two images.
    """
    part = random_part(dataset.train, most, seed=seed)
    held = held_out_indices(part.labels, fraction=_HELD_OUT, seed=seed)
    if not len(held):
        raise StampError(
            f"`dataset` {dataset.name} must have two training images of a class, for one to be held out, but has one "
            "of each; add images."
        )
    others = np.setdiff1d(np.arange(len(part)), held)
    return dataclasses.replace(dataset, train=part.take(others), test=part.take(held))


class Trial:
    """Makes networks ready as a run would, on training images, and asks them about others that were held out.

    Args:
        target: The full network and its data set, as `with_held_out` returns it.
        config: Options; what becomes of a network after the cut is among them.
    """

    def __init__(self, target: Target, config: PruneConfig) -> None:
        self.target, self._config = target, config
        # At once, because whoever prunes may train the full network.
        self.full = target.kept.get(
            "right",
            lambda: self.right_of(
                full_network(
                    target.reference,
                    target.dataset,
                    normalization=target.normalization,
                    head=config.head,
                    seed=config.seed,
                    refits=refits(config, target.reference),
                )
            ),
        )

    def right(self, mask: ChannelMask, *, fold: np.ndarray | None = None) -> np.ndarray:
        """Return which of the images held out the network of a mask is right on, bool `[n]`; otherwise `network`."""
        return self.right_of(self.network(mask, fold=fold))

    def network(self, mask: ChannelMask, *, fold: np.ndarray | None = None) -> keras.Model:
        """Return the network of a mask, ready.

        Args:
            mask: What is cut, `[C]`.
            fold: What survivors are multiplied by, `[C]`; None for 1.
        """
        small = sliced_network(self.target, mask if fold is None else mask.times(fold))
        make_ready(
            small,
            self.target,
            seed=self._config.seed,
            head=first_head(self._config, self.target.reference),
            refit_mask=mask if refits(self._config, self.target.reference) else None,
        )
        return small

    def right_of(self, model: keras.Model) -> np.ndarray:
        """Return which of the images held out a network is right on, bool `[n]`."""
        dataset, normalization = self.target.dataset, self.target.normalization
        counts = count_hits(model, dataset.test, normalization=normalization)
        return counts.labels == counts.answers

    def tried(self, mask: ChannelMask, right: np.ndarray, *, name: str = "", steps: int = 0) -> Tried:
        """Return the figures of a network.

        Args:
            mask: What it was cut by, `[C]`.
            right: Which of the images held out it is right on, bool `[n]`.
            name: What tells it from others.
            steps: Steps of training that it took.
        """
        params, flops = map(float, self.target.cost.exact_fractions(mask.hard))
        differences = self.full.astype(float) - right
        return Tried(
            name=name,
            params_fraction=params,
            flops_fraction=flops,
            accuracy=float(right.mean()),
            lost=float(differences.mean()),
            error=float(differences.std() / np.sqrt(len(right))),
            images=len(right),
            steps=steps,
        )
