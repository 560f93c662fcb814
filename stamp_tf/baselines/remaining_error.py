"""Channels by the error that is left without them, once the others stand in for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stamp_tf.baselines.uniform import uniform_scores
from stamp_tf.options.methods import AllocationOptions
from stamp_tf.options.option import option, options_of
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningProblem
from stamp_tf.refit.images import refit_images
from stamp_tf.refit.removal import prices_of, removal_orders, removal_scores


@dataclass(frozen=True, kw_only=True)
class RemainingErrorOptions(AllocationOptions):
    """Options of the remaining error, whose scores can be compared between layers as they are."""

    allocation: Literal["uniform", "global"] = option(
        "global", help=options_of(AllocationOptions)["allocation"].help
    )


class RemainingError(Pruner):
    """Remove one channel after the other, each time the one without which a refit on the target's images misses least.

    What is missing is counted in each layer that reads the channel, as a fraction of what it writes or of the sum that
    this is a term of, and per FLOP or parameter that is saved, so that one cut can spread a budget over layers. No
    label and no gradient is needed; it belongs together with a refit.

    Source:
        Hassibi & Stork 1993, Optimal Brain Surgeon; in blocks, Kurtic et al. 2023, ZipLM.
    """

    options = RemainingErrorOptions

    def propose(self, problem: PruningProblem) -> Proposal:
        channel_map = problem.reference.channel_map
        on_step = problem.on_step
        # No budget decides in which order channels go.
        orders = problem.kept.get(
            "removal orders",
            lambda: removal_orders(
                problem.model,
                channel_map,
                refit_images(problem.dataset, problem.normalization, seed=problem.seed),
                seed=problem.seed,
                on_step=None if on_step is None else lambda done, total: on_step(done, total, {}),
            ),
        )
        prices = prices_of(problem.cost, problem.budget)
        scores = removal_scores(channel_map, orders, prices=prices)
        if RemainingErrorOptions(**problem.options).allocation == "uniform":
            scores = uniform_scores(channel_map, scores)
        return Proposal(scores=scores)
