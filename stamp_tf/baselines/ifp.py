"""Iterative filter pruning: a few filters at a time, and training in between."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from stamp_tf.baselines.allocation import allocate
from stamp_tf.baselines.l1 import l1_norms
from stamp_tf.baselines.taylor import Taylor
from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import Budget, ChannelCut
from stamp_tf.channels.put_back import put_back
from stamp_tf.errors import StampError
from stamp_tf.options.methods import AllocationOptions
from stamp_tf.options.option import option
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.config import rules_of
from stamp_tf.pruning.kept import Kept
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningProblem
from stamp_tf.pruning.ready import make_ready, sliced_network
from stamp_tf.pruning.target import Target, first_head
from stamp_tf.references.reference import Reference
from stamp_tf.training.finetune import finetune, resolve_options


@dataclass(frozen=True, kw_only=True)
class IfpOptions(AllocationOptions):
    """Options of iterative filter pruning."""

    rounds: int = option(4, least=1, help="How often filters go; behind the last time fine-tuning follows.")
    epochs: int = option(1, least=1, help="Passes over the training images after each of the others.")
    criterion: Literal["l1", "taylor"] = option(
        "l1", help="What filters go by: their norm, or what the loss on the target's images owes to them."
    )


class Ifp(Pruner):
    """Remove a few filters of the smallest L1 norm, train what is left, and so on until the budget is met.

    Before each round the norms, or what the method `taylor` goes by, are those of the weights trained so far. Norms
    hardly move in few steps, so that about the same filters go whatever the target is. The limits shrink by the same
    factor every round; of a limit on latency alone rounds know nothing, and go to half of the FLOPs. Training is by the
    options of fine-tuning, on the physically smaller network, without a teacher; its time counts as that of pruning.
    With one round it is the method that the criterion is named after.

    A run that is interrupted here starts the method anew and comes to the same network; one that is interrupted in
    fine-tuning goes on there.

    Source:
        The baseline IFP of MVP; Li et al. 2017, Pruning Filters for Efficient ConvNets (pruning and retraining
        iteratively, by L1 norms); Molchanov et al. 2017. Number and length of rounds are ours.
    """

    options: ClassVar[type[IfpOptions]] = IfpOptions

    def check(self, reference: Reference, config: PruneConfig) -> None:
        if config.structure_only:
            raise StampError(
                f"`method={config.method}` trains the weights that stay, but `structure_only=True` keeps none; "
                "choose another method, such as `uniform-l1`."
            )

    def propose(self, problem: PruningProblem) -> Proposal:
        options = self.options(**problem.options)
        channel_map = problem.reference.channel_map
        cut = ChannelCut(channel_map, problem.cost, rules=rules_of(problem.config))
        mask = ChannelMask.all_of(channel_map.num_channels)
        removed = np.zeros(channel_map.num_channels)
        # A limit out of reach is refused before anything is trained.
        cut.meet(removed, _budget(problem, 1.0))
        for number in range(1, options.rounds):
            if number == 1:
                _make_ready(problem)
            scores = self._scores(problem, removed, number=number)
            mask = cut.meet(scores, _budget(problem, number / options.rounds))
            # Whatever goes later is worth more than what went before.
            removed[~mask.kept & (removed == 0)] = number - options.rounds
            train_round(problem, mask, options, number=number)
        return Proposal(scores=self._scores(problem, removed, number=options.rounds))

    def worth(self, problem: PruningProblem, number: int) -> np.ndarray:
        """Return what each channel is worth before a round, `[C]`, 0 or more.

        Args:
            problem: Its model holds the weights as they are by then.
            number: Of the round, from 1.
        """
        if self.options(**problem.options).criterion == "l1":
            return l1_norms(problem.model, problem.reference.channel_map)
        # Of the weights as they are by now, so that nothing is kept from earlier rounds.
        return Taylor().values(dataclasses.replace(problem, options={}, kept=Kept(), on_step=None))

    def _scores(self, problem: PruningProblem, removed: np.ndarray, *, number: int) -> np.ndarray:
        """Return scores before a round, `[C]`, below 0 for channels that went."""
        options = self.options(**problem.options)
        worth = self.worth(problem, number)
        scores = allocate(problem.reference.channel_map, worth, allocation=options.allocation)
        return np.where(removed < 0, removed, scores)


def _budget(problem: PruningProblem, share: float) -> Budget:
    """Return the limits of a round: the share of the way to the last one, on a logarithmic scale."""
    limits = {kind.name: value for kind, value in problem.budget.counted} or {"max_flops": 0.5}
    whole = problem.cost.full_activation_bytes
    return Budget(
        **{
            name: value**share if value <= 1 else whole * min(1.0, value / whole) ** share
            for name, value in limits.items()
        }
    )


def _target(problem: PruningProblem) -> Target:
    return Target(
        reference=problem.reference,
        dataset=problem.dataset,
        normalization=problem.normalization,
        model=problem.model,
        cost=problem.cost,
    )


def _make_ready(problem: PruningProblem) -> None:
    """Fit statistics and head of the full network to the target: training starts from them."""
    head = first_head(problem.config, problem.reference)
    make_ready(problem.model, _target(problem), seed=problem.seed, head=head)


def train_round(problem: PruningProblem, mask: ChannelMask, options: IfpOptions, *, number: int) -> None:
    """Train the network of a mask, and put what it learnt into the full one."""
    small = sliced_network(_target(problem), mask)
    backbone = problem.reference.backbone
    config = dataclasses.replace(
        problem.config.finetune,
        epochs=options.epochs,
        done_at_loss=0.0,
        distill=0.0,
        val_split=None,
        keep_epoch=None,
        patience=None,
        evaluate=False,
        seed=problem.seed,
    )

    def tell(done: int, total: int, figures: Mapping[str, float]) -> None:
        if problem.on_step is not None:
            problem.on_step((number - 1) * total + done, (options.rounds - 1) * total, figures)

    finetune(
        small,
        problem.dataset,
        normalization=problem.normalization,
        config=resolve_options(config, problem.dataset, own_model=backbone.architecture is not None),
        end=backbone.end,
        on_step=tell,
    )
    put_back(small, problem.model, problem.reference.channel_map, mask=mask)
