"""Channels by how much the loss would change without them, to first order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from stamp_tf.backbones.head import head_layer
from stamp_tf.backend import compile_step, value_and_gradient
from stamp_tf.baselines.allocation import allocate
from stamp_tf.baselines.filters import sum_over_filters
from stamp_tf.data import Batches, ImageSet, random_part
from stamp_tf.ends import End
from stamp_tf.errors import StampError
from stamp_tf.losses import classification_loss
from stamp_tf.options.methods import AllocationOptions
from stamp_tf.options.option import option
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningProblem
from stamp_tf.tensor import Tensor
from stamp_tf.training.ridge_head import fit_head

_BATCH_SIZE = 64


@dataclass(frozen=True, kw_only=True)
class TaylorOptions(AllocationOptions):
    """Options of the Taylor criterion."""

    batches: int = option(10, least=1, help="Number of mini-batches.")
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
        with _ridge_head(problem, part) if options.head == "ridge" else nullcontext():
            changes = self._squared_changes(problem, part)
        return sum_over_filters(
            problem.reference.channel_map, changes, lambda filters: filters.sum(axis=1, dtype="float64")
        )

    @staticmethod
    def _squared_changes(problem: PruningProblem, part: ImageSet) -> dict[str, np.ndarray]:
        """Return the mean over batches of (W * dL/dW)^2 of every kernel that makes channels, by path."""
        made_by = {axis.path for axis in problem.reference.channel_map.weight_axes if axis.role == "producer"}
        variables = _variables(problem.model)
        places = [
            place
            for place, weight in enumerate(variables)
            if weight.path in made_by and len(weight.shape) > 1
        ]
        step = _compile(problem.model, places, problem.reference.backbone.end)
        batches = Batches(
            part, _BATCH_SIZE, normalization=problem.normalization, seed=problem.seed, augment=False
        )
        totals = [np.zeros(tuple(variables[place].shape)) for place in places]
        for done, (images, labels) in enumerate(batches.epoch(0), start=1):
            for total, squares in zip(totals, step(images, labels), strict=True):
                total += ops.convert_to_numpy(squares)
            if problem.on_step is not None:
                problem.on_step(done, len(batches), {})
        return {
            variables[place].path: total / len(batches) for place, total in zip(places, totals, strict=True)
        }


def _variables(model: keras.Model) -> list[keras.Variable]:
    """Return all variables, frozen kernels among them, in the order that `stateless_call` takes them in."""
    return [*model.trainable_variables, *model.non_trainable_variables]


def _compile(model: keras.Model, places: list[int], end: End) -> Any:
    """Return `step(images, labels)` to (W * dL/dW)^2 of the weights at these places among all."""
    num_trainable = len(model.trainable_variables)

    def step(images: Tensor, labels: Tensor) -> list[Tensor]:
        values = [variable.value for variable in _variables(model)]

        def loss(kernels: list[Tensor]) -> tuple[Tensor, None]:
            weights = list(values)
            for place, kernel in zip(places, kernels, strict=True):
                weights[place] = kernel
            logits, _ = model.stateless_call(
                weights[:num_trainable], weights[num_trainable:], images, training=False
            )
            return classification_loss(logits, labels, end), None

        kernels = [values[place] for place in places]
        _, gradients = value_and_gradient(loss, kernels)
        return [ops.square(kernel * gradient) for kernel, gradient in zip(kernels, gradients, strict=True)]

    # Nothing is assigned; named here, the weights go into the compiled step as values and not as constants.
    return compile_step(step, model.variables)


@contextmanager
def _ridge_head(problem: PruningProblem, part: ImageSet) -> Iterator[None]:
    """Give the network a head for these images, and put the old one back."""
    model = problem.model
    try:
        weights = head_layer(model).weights
    except StampError:
        raise StampError(
            f"`options.head=ridge` needs a network that ends in a dense layer without activation, but "
            f"{model.name} does not; add `options.head=own`."
        ) from None
    before = [np.array(ops.convert_to_numpy(weight)) for weight in weights]
    fit_head(model, part, normalization=problem.normalization, end=problem.reference.backbone.end)
    try:
        yield
    finally:
        for weight, value in zip(weights, before, strict=True):
            weight.assign(value)
