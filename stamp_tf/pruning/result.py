"""What pruning gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import CostModel
from stamp_tf.data import DataSet, Normalization
from stamp_tf.measure.full_accuracy import FullAccuracy
from stamp_tf.measure.tried import Tried
from stamp_tf.options.prune import PruneConfig
from stamp_tf.references.reference import Reference
from stamp_tf.training.accuracy import TestCounts
from stamp_tf.training.epoch_record import EpochRecord
from stamp_tf.weight_mask import WeightMask

if TYPE_CHECKING:
    from stamp_tf.measure.timing import Timing


@dataclass(frozen=True, kw_only=True)
class PruneResult:
    """A pruned network and how it came about.

    Args:
        model: The smaller network, from normalised images to logits, or to what your own model ended in.
        mask: Which channels of the full network stay, `[C]`; `np.asarray` makes it an array of 0 and 1.
        reference: What it was cut from; its channel map numbers the channels.
        cost: Cost of the full network with the target's head.
        dataset: The target.
        normalization: Of the target's images.
        config: The options.
        counts: What it answered to the test images at the end.
        records: Fine-tuning by epoch.
        times: Seconds by phase; `evaluate` is the tests after epochs of fine-tuning, and that at its end.
        timing: Measured latency of the network, where it was limited.
        tried: What was measured on held-out training images to choose it, where something was.
        weights: Which single weights of it stay, of a method that removes those; then every channel does.
        full: What the full network is worth on the same test images, where that was measured.
    """

    model: keras.Model
    mask: ChannelMask
    reference: Reference
    cost: CostModel
    dataset: DataSet
    normalization: Normalization
    config: PruneConfig
    counts: TestCounts
    records: tuple[EpochRecord, ...]
    times: Mapping[str, float]
    timing: Timing | None = None
    tried: tuple[Tried, ...] = ()
    weights: WeightMask | None = None
    full: FullAccuracy | None = None

    @property
    def test_accuracy(self) -> float:
        """Share of test images classified rightly at the end, in [0, 1]."""
        return self.counts.accuracy

    @property
    def num_params(self) -> int:
        """Remaining parameters; weights at 0 of a mask of weights do not count."""
        return self.cost.parameters(self.mask) - (0 if self.weights is None else self.weights.num_removed)

    @property
    def params_fraction(self) -> float:
        """Remaining parameters / all; weights at 0 of a mask of weights do not count."""
        return self.num_params / self.cost.parameters(ChannelMask.all_of(len(self.mask)))

    @property
    def flops_fraction(self) -> float:
        """Remaining multiply-adds / all."""
        return float(self.cost.exact_fractions(self.mask)[1])

    @property
    def seconds(self) -> float:
        """Target time: from the loaded network to the fine-tuned one, without evaluation."""
        phases = ("propose", "search", "slice", "refit", "statistics", "head", "teacher", "finetune")
        return sum(self.times.get(phase, 0.0) for phase in phases)
