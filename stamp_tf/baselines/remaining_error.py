"""Channels by the error that is left without them, once the others stand in for them."""

from collections.abc import Mapping
from typing import Any

from stamp_tf.baselines.allocation import OPTION
from stamp_tf.baselines.uniform import uniform_scores
from stamp_tf.errors import StampError
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningProblem
from stamp_tf.refit.images import refit_images
from stamp_tf.refit.removal import removal_orders, removal_scores


class RemainingError(Pruner):
    """Remove one channel after the other, each time the one without which a refit on the target's images misses least.

    What is missing is counted in each layer that reads the channel, as a fraction of what it writes, so that one cut
    can spread a budget over layers. No label and no gradient is needed; it belongs together with a refit.

    Option `allocation`: `global` (default), one cut over all, or `uniform`, the same fraction of every layer.

    Source:
        Hassibi & Stork 1993, Optimal Brain Surgeon; in blocks, Kurtic et al. 2023, ZipLM.
    """

    option_names = (OPTION,)

    def check_options(self, options: Mapping[str, Any]) -> None:
        allocation = options.get(OPTION, "global")
        if allocation not in ("uniform", "global"):
            raise StampError(
                f"`options.{OPTION}` must be global or uniform, but got {allocation}; global is the default."
            )

    def propose(self, problem: PruningProblem) -> Proposal:
        channel_map = problem.reference.channel_map
        on_step = problem.on_step
        orders = removal_orders(
            problem.model,
            channel_map,
            refit_images(problem.dataset, problem.normalization, seed=problem.seed),
            seed=problem.seed,
            on_step=None if on_step is None else lambda done, total: on_step(done, total, {}),
        )
        scores = removal_scores(channel_map, orders)
        if problem.options.get(OPTION, "global") == "uniform":
            scores = uniform_scores(channel_map, scores)
        return Proposal(scores=scores)
