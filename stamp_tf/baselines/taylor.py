"""Channels by how much the loss would change without them, to first order."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal

import numpy as np
from keras import ops

from stamp_tf.baselines.allocation import allocate
from stamp_tf.baselines.filters import sum_over_filters
from stamp_tf.baselines.gradients import check_ridge_head, compile_products, filters_of, ridge_head
from stamp_tf.data import Batches, ImageSet, random_part
from stamp_tf.options.methods import AllocationOptions
from stamp_tf.options.option import option
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningProblem
from stamp_tf.references.reference import Reference

_BATCH_SIZE = 64


@dataclass(frozen=True, kw_only=True)
class TaylorOptions(AllocationOptions):
    """Options of the Taylor criterion."""

    batches: int = option(10, least=1, help="Number of mini-batches, or as many as there are images for.")
    head: Literal["ridge", "own"] = option(
        "ridge", help="Fit a head to the images in closed form, or take the network's own outputs as logits."
    )


class Taylor(Pruner):
    """Keep the channels whose filters W have the largest sum of (W * dL/dW)^2 on the target's training images.

    The mean over mini-batches of 64 images, with moving statistics; no weight is updated. Where an addition ties
    several layers, their filters' sums add up; biases do not count. The gradient is that of the loss
    that fits the network's end, behind a head fitted to the same images in closed form, because a fresh head would
    pass on noise.

    Source:
        Molchanov et al. 2019, Importance Estimation for Neural Network Pruning (the squared form for weights).
    """

    options = TaylorOptions

    def check(self, reference: Reference, config: PruneConfig) -> None:
        if TaylorOptions(**config.options).head == "ridge":
            check_ridge_head(reference.model)

    def propose(self, problem: PruningProblem) -> Proposal:
        allocation = TaylorOptions(**problem.options).allocation
        channel_map = problem.reference.channel_map
        return Proposal(scores=allocate(channel_map, self.values(problem), allocation=allocation))

    def values(self, problem: PruningProblem) -> np.ndarray:
        """Return the criterion of every channel, float64 `[C]`, before it is shared out."""
        options = TaylorOptions(**problem.options)
        name = ("taylor", options.batches, options.head)
        return problem.kept.get(name, lambda: self._measured(problem, options))

    def _measured(self, problem: PruningProblem, options: TaylorOptions) -> np.ndarray:
        part = random_part(problem.dataset.train, options.batches * _BATCH_SIZE, seed=problem.seed)
        with ridge_head(problem, part) if options.head == "ridge" else nullcontext():
            changes = self._squared_changes(problem, part)
        return sum_over_filters(
            problem.reference.channel_map, changes, lambda filters: filters.sum(axis=1, dtype="float64")
        )

    @staticmethod
    def _squared_changes(problem: PruningProblem, part: ImageSet) -> dict[str, np.ndarray]:
        """Return the mean over batches of (W * dL/dW)^2 of every kernel that makes channels, by path."""
        kernels = filters_of(problem.model, problem.reference.channel_map)
        step = compile_products(problem.model, kernels, end=problem.reference.backbone.end)
        batches = Batches(
            part, _BATCH_SIZE, normalization=problem.normalization, seed=problem.seed, augment=False
        )
        totals = [np.zeros(tuple(kernel.shape)) for kernel in kernels]
        for done, (images, labels) in enumerate(batches.epoch(0), start=1):
            for total, product in zip(totals, step(images, labels), strict=True):
                total += ops.convert_to_numpy(ops.square(product))
            if problem.on_step is not None:
                problem.on_step(done, len(batches), {})
        return {kernel.path: total / len(batches) for kernel, total in zip(kernels, totals, strict=True)}
