"""Edge-Popup: random weights that are never trained, and a mask of them that is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from stamp_tf.backend import Step, compile_step, global_norm, value_and_gradient
from stamp_tf.baselines.snip import check_random_head, draw_weights
from stamp_tf.losses import accuracy, classification_loss
from stamp_tf.options.methods import PrunerOptions
from stamp_tf.options.option import option
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningProblem
from stamp_tf.pruning.weight_budget import weights_to_keep
from stamp_tf.references.reference import Reference
from stamp_tf.schedules import cosine_rate
from stamp_tf.tensor import Tensor
from stamp_tf.training.class_weights import class_weights
from stamp_tf.training.divergence import DivergenceWatch, StepPlace
from stamp_tf.training.figures import StepFigures
from stamp_tf.training.finetune_epochs import training_batches
from stamp_tf.training.forward import forward
from stamp_tf.training.half_precision import in_bfloat16
from stamp_tf.training.reference_steps import make_weight_optimizer
from stamp_tf.weight_mask import WeightMask, kernels_of

_WEIGHT_DECAY = 1e-4


@dataclass(frozen=True, kw_only=True)
class EdgePopupOptions(PrunerOptions):
    """Options of Edge-Popup."""

    learning_rate: float = option(
        0.1, above=0, help="Peak of the rate of the scores; it falls as a cosine to zero."
    )


class EdgePopup(Pruner):
    """Find a subnetwork of random weights: each kernel keeps the fraction of its weights with the highest |score|.

    Weights are drawn once, constants of either sign (`signed constant` of the paper, scaled by what fraction of the
    inputs stays), and stay as they are, scales and biases too: scores alone are trained, by SGD with momentum, the
    gradient going straight through the choice. They take the epochs and the batches that fine-tuning would, and none
    follows; `finetune` of the run trains the weights that stay.

    A run that is interrupted here starts the method anew and comes to the same network.

    Source:
        Ramanujan et al. 2020, What's Hidden in a Randomly Weighted Neural Network? (rate 0.1, momentum 0.9, weight
        decay 1e-4). Their code's `prune_rate` is the fraction that is kept, as is ours.
    """

    removes = "weights"
    finetunes = False
    options = EdgePopupOptions

    def check(self, reference: Reference, config: PruneConfig) -> None:
        check_random_head(config)

    def propose(self, problem: PruningProblem) -> Proposal:
        options = EdgePopupOptions(**problem.options)
        model = problem.model
        num_kept = weights_to_keep(model, problem.cost, problem.budget)
        draw_weights(problem)
        kernels = kernels_of(model)
        fraction = num_kept / sum(math.prod(kernel.shape) for kernel in kernels)
        rng = np.random.default_rng((problem.seed, 8))
        scores = []
        for kernel in kernels:
            bound = 1 / math.sqrt(math.prod(kernel.shape[:-1]))
            kernel.assign(_signed_constants(kernel, fraction))
            scores.append(
                keras.Variable(rng.uniform(-bound, bound, kernel.shape).astype("float32"), name="scores")
            )
        counts = [max(1, math.floor(fraction * math.prod(kernel.shape))) for kernel in kernels]
        _train(problem, scores, counts, options=options)
        kept: dict[str, np.ndarray] = {}
        for kernel, score, count in zip(kernels, scores, counts, strict=True):
            values = np.abs(ops.convert_to_numpy(score))
            kept |= WeightMask.of_best({kernel.path: values}, count).kept
        return Proposal(weights=WeightMask(kept))


def popped(weights: Tensor, scores: Tensor, count: int) -> Tensor:
    """Return the weights with the highest |score|, and 0 for the others; the gradient goes straight through to scores.

    Args:
        weights: Of any shape.
        scores: Of the same.
        count: How many stay.
    """
    values = ops.abs(scores)
    last = ops.top_k(ops.reshape(values, (-1,)), count)[0][-1]
    mask = ops.cast(values >= last, weights.dtype)
    return weights * (mask + (values - ops.stop_gradient(values)))


def _signed_constants(kernel: keras.Variable, fraction: float) -> np.ndarray:
    """Return a constant for every weight, of the sign that was drawn for it."""
    inputs = math.prod(kernel.shape[:-1]) * fraction
    return np.sign(ops.convert_to_numpy(kernel)) * np.float32(math.sqrt(2 / max(inputs, 1.0)))


def _train(
    problem: PruningProblem,
    scores: Sequence[keras.Variable],
    counts: Sequence[int],
    *,
    options: EdgePopupOptions,
) -> None:
    """Train the scores in place, for as many epochs as fine-tuning has."""
    config = problem.config.finetune
    batches = training_batches(
        problem.dataset, dataclasses.replace(config, seed=problem.seed), problem.normalization
    )
    optimizer = make_weight_optimizer(weight_decay=_WEIGHT_DECAY)
    optimizer.build(list(scores))
    step = _compile(problem, scores, counts, optimizer=optimizer)
    num_steps = config.num_epochs * len(batches)
    watch = DivergenceWatch("Edge-Popup", remedy="take a smaller `options.learning_rate`")
    for epoch in range(config.num_epochs):
        for index, (images, labels) in enumerate(batches.epoch(epoch)):
            done = epoch * len(batches) + index
            optimizer.learning_rate = rate = cosine_rate(done, num_steps, peak=options.learning_rate)
            figures = step(images, labels)
            place = StepPlace(
                step=done + 1, num_steps=num_steps, rates={"learning rate": rate}, epoch=epoch + 1
            )
            watch.see(place, figures)
            if problem.on_step is not None:
                problem.on_step(done + 1, num_steps, StepFigures(figures, images=len(images)))
    watch.check({f"scores {place}": np.asarray(score) for place, score in enumerate(scores)})


def _compile(
    problem: PruningProblem,
    scores: Sequence[keras.Variable],
    counts: Sequence[int],
    *,
    optimizer: keras.optimizers.Optimizer,
) -> Step:
    """Return `step(images, labels)`, which trains scores and moves the statistics of batch normalisation."""
    model, end, config = problem.model, problem.reference.backbone.end, problem.config.finetune
    computing = in_bfloat16(model) if config.mixed_precision else model
    by_class = class_weights(problem.dataset, config)
    weights, statistics = model.trainable_variables, model.non_trainable_variables
    place_of = {id(weight): place for place, weight in enumerate(weights)}
    places = [place_of[id(kernel)] for kernel in kernels_of(model)]

    def step(images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        def loss(given: list[Tensor]) -> tuple[Tensor, tuple[list[Tensor], dict[str, Tensor]]]:
            values = [weight.value for weight in weights]
            for place, score, count in zip(places, given, counts, strict=True):
                values[place] = popped(values[place], score, count)
            logits, moved = forward(computing, values, [one.value for one in statistics], images=images)
            value = classification_loss(logits, labels, end, weights=by_class)
            return value, (moved, {"loss": value, "accuracy": accuracy(logits, labels)})

        (_, (moved, figures)), gradients = value_and_gradient(loss, [score.value for score in scores])
        optimizer.apply(gradients, list(scores))
        for variable, value in zip(statistics, moved, strict=True):
            variable.assign(value)
        return figures | {"gradient_norm": global_norm(gradients)}

    return compile_step(step, [*scores, *weights, *statistics, *optimizer.variables])
