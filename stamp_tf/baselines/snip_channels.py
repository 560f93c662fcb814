"""Channels by how the loss answers to them: SNIP on whole channels."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal

import numpy as np
from keras import ops

from stamp_tf.baselines.filters import sum_over_filters
from stamp_tf.baselines.gradients import check_ridge_head, compile_products, filters_of, ridge_head
from stamp_tf.baselines.uniform import uniform_scores
from stamp_tf.data import Batches, random_part
from stamp_tf.options.methods import AllocationOptions
from stamp_tf.options.option import option, options_of
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningProblem
from stamp_tf.references.reference import Reference


@dataclass(frozen=True, kw_only=True)
class SnipChannelsOptions(AllocationOptions):
    """Options of SNIP on channels, whose sensitivities can be compared between layers as they are."""

    allocation: Literal["uniform", "global"] = option(
        "global", help=options_of(AllocationOptions)["allocation"].help
    )
    batch_size: int = option(128, least=1, help="Images of the one batch, or all that there are.")
    head: Literal["ridge", "own"] = option(
        "ridge", help="Fit a head to the batch in closed form, or take the network's own outputs as logits."
    )


class SnipChannels(Pruner):
    """Keep the channels with the largest |sum of W * dL/dW over their filters|, as a fraction of the sum over all.

    That is the derivative of the loss by a gate on the channel, at 1. One batch of the target's training images at the
    reference's weights; no weight is updated. Batch normalisation goes by its moving statistics: by those of the batch
    it would undo whatever a gate on a filter does, and leave nothing but rounding. A channel that several tied layers
    make has one gate, so that its filters add up before the absolute value. Biases do not count. The head is fitted to
    the same images in closed form, because a fresh one would pass on noise.

    Source:
        Lee et al. 2019, SNIP: Single-Shot Network Pruning Based on Connection Sensitivity, with a gate for each
        channel instead of each weight.
    """

    options = SnipChannelsOptions

    def check(self, reference: Reference, config: PruneConfig) -> None:
        if SnipChannelsOptions(**config.options).head == "ridge":
            check_ridge_head(reference.model)

    def propose(self, problem: PruningProblem) -> Proposal:
        options, channel_map = SnipChannelsOptions(**problem.options), problem.reference.channel_map
        name = ("snip", options.batch_size, options.head)
        scores = problem.kept.get(name, lambda: self._sensitivities(problem, options))
        if options.allocation == "uniform":
            scores = uniform_scores(channel_map, scores)
        return Proposal(scores=scores)

    @staticmethod
    def _sensitivities(problem: PruningProblem, options: SnipChannelsOptions) -> np.ndarray:
        """Return the normalised sensitivity of every channel, float64 `[C]`."""
        part = random_part(problem.dataset.train, options.batch_size, seed=problem.seed)
        kernels = filters_of(problem.model, problem.reference.channel_map)
        step = compile_products(problem.model, kernels, end=problem.reference.backbone.end)
        batches = Batches(
            part, len(part), normalization=problem.normalization, seed=problem.seed, augment=False
        )
        with ridge_head(problem, part) if options.head == "ridge" else nullcontext():
            products = step(*next(iter(batches.epoch(0))))
        by_path = {
            kernel.path: ops.convert_to_numpy(product)
            for kernel, product in zip(kernels, products, strict=True)
        }
        gates = sum_over_filters(
            problem.reference.channel_map, by_path, lambda filters: filters.sum(axis=1, dtype="float64")
        )
        values = np.abs(gates)
        return values / max(values.sum(), np.finfo(float).tiny)
