"""How much each channel group matters: accuracy with the channels of one group cut at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import keras
import numpy as np
from keras import ops

from stamp_tf.baselines.l1 import l1_norms
from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import ChannelGroup, mask_kernels
from stamp_tf.data import DataSet, random_part
from stamp_tf.on_step import OnStep
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.full_network import full_network
from stamp_tf.pruning.target import Target, settle_target
from stamp_tf.pruning.trial import with_held_out
from stamp_tf.references.reference import Reference
from stamp_tf.training.accuracy import evaluate_accuracy
from stamp_tf.training.statistics import Recalibration, statistics_images

KEPT = (0.75, 0.5, 0.25, 0.1)
"""Parts of a group's channels that are kept."""
_MOST_IMAGES = 500
_CALIBRATION_BATCHES = 2


@dataclass(frozen=True, eq=False, kw_only=True)
class Sensitivity:
    """What a network is worth with the channels of one group cut at a time.

    Args:
        groups: Names of the channel groups, in the network's order.
        kept: Parts of a group's channels that were kept, each in (0, 1).
        accuracy: In [0, 1], float `[groups, kept]`.
        full: Accuracy of the whole network, in [0, 1].
        images: Training images held out, on which all accuracies were measured.
        dataset: Name of the data set.
    """

    groups: tuple[str, ...]
    kept: tuple[float, ...]
    accuracy: np.ndarray
    full: float
    images: int
    dataset: str

    @property
    def lost(self) -> np.ndarray:
        """Points of accuracy lost, float `[groups, kept]`; negative where something was gained."""
        return 100 * (self.full - self.accuracy)

    @property
    def error(self) -> float:
        """Standard error of the full network's accuracy, in points."""
        return 100 * math.sqrt(self.full * (1 - self.full) / self.images)


def sensitivity(
    reference: Reference, dataset: DataSet, *, seed: int = 0, on_step: OnStep | None = None
) -> Sensitivity:
    """Cut the channels of the smallest L1 norm out of one group at a time, and ask the network about training images.

    The network gets a head for the data set, as before pruning; behind every cut, statistics of batch
    normalisation are measured anew, and no kernel is trained or refitted. About 500 training images that the head has
    not seen are asked about; test images are not looked at. A group that hardly matters here may matter where
    others are cut as well.

    Args:
        reference: The network; it stays as it is.
        dataset: The target.
        seed: Decides which images are held out.
        on_step: Called with (cuts done, all cuts, figures).

    Raises:
        StampError: If images or classes do not fit the network, or no class has two images.

    Source:
        Li et al. 2017, Pruning Filters for Efficient ConvNets, section 3.2.
    """
    reference, dataset = settle_target(reference, dataset, PruneConfig(seed=seed))
    target = Target.of(reference, with_held_out(dataset, seed=seed))
    model = full_network(reference, target.dataset, normalization=target.normalization, head=None, seed=seed)
    held_out = target.dataset.test
    images = random_part(held_out, min(_MOST_IMAGES, len(held_out)), seed=seed)
    groups = reference.channel_map.groups
    full = evaluate_accuracy(model, images, normalization=target.normalization)
    accuracy = np.zeros((len(groups), len(KEPT)))
    recalibrate = Recalibration(model)
    for done, (place, mask) in enumerate(_cuts(model, reference), start=1):
        with _masked(model, target, mask, recalibrate=recalibrate, seed=seed):
            accuracy[place] = evaluate_accuracy(model, images, normalization=target.normalization)
        if on_step is not None:
            on_step(done, accuracy.size, {})
    return Sensitivity(
        groups=tuple(group.name for group in groups),
        kept=KEPT,
        accuracy=accuracy,
        full=full,
        images=len(images),
        dataset=dataset.name,
    )


def _cuts(model: keras.Model, reference: Reference) -> Iterator[tuple[tuple[int, int], ChannelMask]]:
    """Yield (row, column) and the mask of every cut."""
    norms = l1_norms(model, reference.channel_map)
    for row, group in enumerate(reference.channel_map.groups):
        for column, kept in enumerate(KEPT):
            yield (row, column), cut_of_group(norms, group, kept=kept)


def cut_of_group(values: np.ndarray, group: ChannelGroup, *, kept: float) -> ChannelMask:
    """Return a mask that keeps the best channels of one group, and all of the others.

    Args:
        values: Per channel `[C]`; higher stays longer.
        group: Which is cut.
        kept: The part of its channels that stays, in (0, 1]; rounded, but one at least.
    """
    mask = np.ones(len(values))
    order = np.argsort(-values[group.slice], kind="stable")
    mask[group.slice][order[max(1, round(kept * group.size)) :]] = 0
    return ChannelMask(mask)


@contextmanager
def _masked(
    model: keras.Model, target: Target, mask: ChannelMask, *, recalibrate: Recalibration, seed: int
) -> Iterator[None]:
    """Mask a network's kernels and measure its statistics anew, until the end of the block."""
    weights = model.weights
    before = [np.array(ops.convert_to_numpy(weight)) for weight in weights]
    masked = mask_kernels(
        target.reference.channel_map,
        [weight.path for weight in weights],
        weights=[weight.value for weight in weights],
        mask=ops.convert_to_tensor(mask.values, "float32"),
    )
    try:
        for weight, value in zip(weights, masked, strict=True):
            weight.assign(value)
        images = statistics_images(target.dataset.train, target.normalization, seed=seed)
        recalibrate(islice(images, _CALIBRATION_BATCHES))
        yield
    finally:
        for weight, value in zip(weights, before, strict=True):
            weight.assign(value)
