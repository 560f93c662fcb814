"""The contract of a pruning method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal, get_args

import keras
import numpy as np
from numpy.typing import ArrayLike

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import Budget, CostModel
from stamp_tf.data import DataSet, Normalization
from stamp_tf.measure.tried import Tried
from stamp_tf.on_step import OnStep
from stamp_tf.options.methods import PrunerOptions
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.kept import Kept
from stamp_tf.references.reference import Reference
from stamp_tf.weight_mask import WeightMask

Removed = Literal["channels", "weights", "nothing"]
REMOVED: tuple[Removed, ...] = get_args(Removed)
"""What a method takes away."""


@dataclass(frozen=True, kw_only=True)
class PruningProblem:
    """What a method may look at.

    Args:
        reference: The reference network with its channels and cost.
        model: The network for the target's classes, holding the reference's weights; a method may train it.
        cost: Cost of `model`; the channels are those of `reference`.
        dataset: The target data set; only its training images may be used.
        normalization: Of the target.
        budget: The user's limit.
        seed: Of everything random.
        options: Those of the method's own options that were given, by name.
        config: All options of pruning, for a method that asks what becomes of the network after the cut.
        on_step: To report progress: (steps done, all steps, figures).
        kept: What does not depend on the budget may be kept here, `problem.kept.get(name, make)`: where several budgets
            are asked for, it is made once.
    """

    reference: Reference
    model: keras.Model
    cost: CostModel
    dataset: DataSet
    normalization: Normalization
    budget: Budget
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    config: PruneConfig = field(default_factory=PruneConfig)
    on_step: OnStep | None = None
    kept: Kept = field(default_factory=Kept)


@dataclass(frozen=True)
class Proposal:
    """What a method answers: scores that a budget cuts, a finished mask, or a mask of single weights.

    With a mask of weights every channel stays, and the network keeps the values that the problem's `model` has by then,
    its head among them.

    Args:
        scores: Value per channel `[C]`, or None with a mask.
        mask: Keep value per channel `[C]`, 0 for those that go, or None with scores.
        fold: Factor per channel `[C]` that goes into the surviving weights, or None for 1.
        tried: What a method measured to choose, for the report.
        weights: Which single weights stay; of a method that `removes` weights, and of no other.
    """

    scores: np.ndarray | None = None
    mask: ArrayLike | ChannelMask | None = None
    fold: np.ndarray | None = None
    _: KW_ONLY
    tried: tuple[Tried, ...] = ()
    weights: WeightMask | None = None


class Pruner(ABC):
    """A method that says which channels matter on a target data set.

    `removes` says what goes; `finetunes` whether weights are trained afterwards, or stay as the method left them;
    `needs_budget` whether it has no rule of its own for how much goes; `options` is the dataclass of the options that
    it reads from the problem, checked before any data is loaded; `fixes` holds options of pruning that its name says
    already, such as `{"structure_only": True}`.
    """

    removes: ClassVar[Removed] = "channels"
    finetunes: ClassVar[bool] = True
    needs_budget: ClassVar[bool] = True
    fixes: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    options: ClassVar[type[PrunerOptions]] = PrunerOptions

    def check(self, reference: Reference, config: PruneConfig) -> None:  # noqa: B027  (most methods rank any network)
        """Refuse what this method cannot prune, before any image is read.

        Args:
            reference: What is pruned.
            config: All options of pruning.

        Raises:
            StampError: With what is missing, or which option does not go with the method.
        """

    @abstractmethod
    def propose(self, problem: PruningProblem) -> Proposal:
        """Return scores or a mask for the problem.

        Raises:
            StampError: If an option does not fit the problem.
        """
