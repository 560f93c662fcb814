"""A few gradient steps, without labels, towards the outputs of the full network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from stamp_tf.backend import compile_step, value_and_gradient
from stamp_tf.errors import StampError
from stamp_tf.schedules import cosine_rate
from stamp_tf.tensor import Tensor

logger = logging.getLogger(__name__)

_BATCH_SIZE = 32


@dataclass(frozen=True)
class Distilled:
    """What gradient steps were worth on the inputs that they were taken on.

    Args:
        before: Mean squared error of the outputs over the variance of the full network's, summed over outputs.
        after: The same behind them.
    """

    before: float
    after: float


def distill_outputs(
    model: keras.Model,
    small: keras.Model,
    values: Any,
    *,
    num_steps: int,
    seed: int,
    learning_rate: float = 1e-3,
    on_step: Callable[[int, int], None] | None = None,
) -> Distilled:
    """Train a network to put out what another one does, for any task.

    Adam takes steps on the mean squared error between the outputs of both, each over the variance of the full
    network's, summed over outputs. Both networks are in inference mode: statistics of batch normalisation stay as
    they are. Where the steps do not lower that error over all inputs, the network keeps the weights that it had.

    Args:
        model: The full network; it is not changed.
        small: What is trained, in place; of the same inputs and outputs.
        values: Inputs, arrays `[n, ...]` nested as the networks take them.
        num_steps: How many steps.
        seed: Of the order of inputs.
        learning_rate: That of the first step; it falls to zero along a cosine.
        on_step: Called with (steps done, all steps).

    Raises:
        StampError: If nothing of the small network is trained, or no output is a real number.
    """
    weights, places = small.trainable_variables, _real_outputs(model)
    if not weights or not places:
        what = "weights that are trained" if places else "an output of real numbers"
        raise StampError(f"`distill_steps` needs {what}, but {model.name} has none; leave it out.")
    pair = compile_step(
        lambda inputs: (_answers(model, inputs, places), _answers(small, inputs, places)),
        [*model.variables, *small.variables],
    )
    variances, before = _measured(pair, values)
    start = [ops.copy(weight.value) for weight in weights]
    optimizer = keras.optimizers.Adam(learning_rate)
    optimizer.build(weights)

    def step(inputs: Any) -> dict[str, Tensor]:
        wanted = _answers(model, inputs, places)

        def loss(values: list[Tensor]) -> tuple[Tensor, None]:
            given = _answers(small, inputs, places, weights=values)
            errors = [ops.mean(ops.square(one - other)) for one, other in zip(given, wanted, strict=True)]
            return sum(error / variance for error, variance in zip(errors, variances, strict=True)), None

        (error, _), gradients = value_and_gradient(loss, [weight.value for weight in weights])
        optimizer.apply(gradients, weights)
        return {"error": error}

    take = compile_step(step, [*small.variables, *optimizer.variables, *model.variables])
    for index, inputs in zip(range(num_steps), _drawn(values, seed=seed), strict=False):
        optimizer.learning_rate = cosine_rate(index, num_steps, peak=learning_rate)
        take(inputs)
        if on_step is not None:
            on_step(index + 1, num_steps)
    _, after = _measured(pair, values, variances)
    if not after < before:
        logger.warning("%d steps towards the full network's outputs did not help; none is kept.", num_steps)
        for weight, value in zip(weights, start, strict=True):
            weight.assign(value)
        return Distilled(before, before)
    return Distilled(before, after)


def _real_outputs(model: keras.Model) -> list[int]:
    """Return which of a network's outputs are real numbers."""
    outputs = keras.tree.flatten(model.outputs)
    return [place for place, tensor in enumerate(outputs) if keras.backend.is_float_dtype(tensor.dtype)]


def _answers(
    model: keras.Model, inputs: Any, places: list[int], *, weights: list[Tensor] | None = None
) -> list[Tensor]:
    """Return some outputs in inference mode, in single precision at least; no state moves."""
    values = [weight.value for weight in model.trainable_variables] if weights is None else weights
    others = [weight.value for weight in model.non_trainable_variables]
    outputs, _ = model.stateless_call(values, others, inputs, training=False)
    chosen = [output for place, output in enumerate(keras.tree.flatten(outputs)) if place in places]
    is_double = [keras.backend.standardize_dtype(output.dtype) == "float64" for output in chosen]
    return [
        output if double else ops.cast(output, "float32")
        for output, double in zip(chosen, is_double, strict=True)
    ]


def _measured(
    pair: Callable[[Any], Any], values: Any, variances: list[float] | None = None
) -> tuple[list[float], float]:
    """Return the variance of every output of the full network, and the error of the small one over it.

    Args:
        pair: From inputs to the outputs of both.
        values: All inputs.
        variances: The variances, where they are known.
    """
    count, sums = 0, None
    for inputs in _batches(values, np.arange(_length(values))):
        wanted, given = ([np.asarray(output, "float64") for output in part] for part in pair(inputs))
        here = [
            np.stack([one.sum(0), np.square(one).sum(0), np.square(one - other).sum(0)])
            for one, other in zip(wanted, given, strict=True)
        ]
        count += len(wanted[0])
        sums = here if sums is None else [total + part for total, part in zip(sums, here, strict=True)]
    assert sums is not None
    means = [total / count for total in sums]
    if variances is None:
        found = [float(np.mean(square - mean**2)) for mean, square, _ in means]
        # What is always the same has no scale of its own.
        variances = [variance if variance > 0 else 1.0 for variance in found]
    errors = [float(np.mean(error)) for _, _, error in means]
    return variances, sum(error / variance for error, variance in zip(errors, variances, strict=True))


def _drawn(values: Any, *, seed: int) -> Iterator[Any]:
    """Yield batches of one size without end, each input once before any comes again."""
    generator, length = np.random.default_rng(seed), _length(values)
    while True:
        order = generator.permutation(length)
        yield from _batches(values, order[: length - length % min(_BATCH_SIZE, length)])


def _batches(values: Any, order: np.ndarray) -> Iterator[Any]:
    for start in range(0, len(order), _BATCH_SIZE):
        here = order[start : start + _BATCH_SIZE]
        yield keras.tree.map_structure(lambda value, here=here: value[here], values)


def _length(values: Any) -> int:
    return len(keras.tree.flatten(values)[0])
