"""Beta-Bernoulli dropout: a gate per channel, trained on the target under a prior that closes it."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from stamp_tf.backend import Step, compile_step, global_norm, value_and_gradient
from stamp_tf.channels import mask_kernels
from stamp_tf.layers.beta_bernoulli import (
    expected_keep_probability,
    kl_divergence,
    logit,
    positive,
    sample_kumaraswamy,
)
from stamp_tf.layers.mask_generator import relaxed_bernoulli
from stamp_tf.losses import accuracy, classification_loss
from stamp_tf.options.methods import PrunerOptions
from stamp_tf.options.option import option
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningProblem
from stamp_tf.pruning.ready import make_problem_ready
from stamp_tf.schedules import step_rate
from stamp_tf.tensor import Tensor
from stamp_tf.training.class_weights import class_weights
from stamp_tf.training.divergence import DivergenceWatch, StepPlace
from stamp_tf.training.figures import StepFigures
from stamp_tf.training.finetune_epochs import training_batches
from stamp_tf.training.forward import forward
from stamp_tf.training.half_precision import in_bfloat16
from stamp_tf.weight_mask import kernels_of

_THRESHOLD = 1e-3
_L2 = 1e-4
_RAW_B = math.log(math.expm1(1.0))


@dataclass(frozen=True, kw_only=True)
class BBDropoutOptions(PrunerOptions):
    """Options of beta-Bernoulli dropout."""

    epochs: int | None = option(
        None,
        least=0,
        help="Passes over the training images in which gates and weights are trained.",
        default_in_words="as many as fine-tuning has",
    )
    rates: tuple[float, float] = option((1e-3, 1e-2), above=0, help="Learning rates of weights and gates.")
    alpha: float = option(1e-4, above=0, help="Of the prior; smaller is sparser.")
    raw_start: float = option(2.0, help="First a of the gates, before a softplus.")
    kl_scale: float = option(1.0, least=0, help="Factor on KL / |D|.")


class BBDropout(Pruner):
    """Train pi ~ Kumaraswamy(a, b) per channel together with the reference's weights; channels of small E[pi] go.

    The loss is the cross-entropy under a sampled mask, KL[q(pi) || Beta(alpha, 1)] / |D| and 1e-4 times the L2 loss of
    the kernels; Adam, rates at a tenth from 50 % and again from 80 %. Kernels that read a channel are masked, because a
    gate in front of a batch normalisation cannot be removed exactly. A budget cuts E[pi] over all layers; without one,
    channels of at most 1e-3 go. Survivors are multiplied by their E[pi]. It is the independent variant: gates do not
    look at the image.

    A run that is interrupted here starts the method anew and comes to the same network; one that is interrupted in
    fine-tuning goes on there.

    Source:
        Lee et al. 2018, Adaptive Network Sparsification with Dependent Variational Beta-Bernoulli Dropout (200 epochs
        from a pretrained network, batches of 100; a starts at softplus(2) for the convolutions of VGG).
    """

    needs_budget = False
    options = BBDropoutOptions

    def propose(self, problem: PruningProblem) -> Proposal:
        options = BBDropoutOptions(**problem.options)
        channel_map = problem.reference.channel_map
        gates = Gates(channel_map.num_channels, options)
        make_problem_ready(problem)
        _train(problem, gates, options)
        expectation = np.clip(gates.expectation, 1e-30, 1.0)
        if problem.budget.is_limited or problem.config.within is not None:
            return Proposal(scores=np.log(expectation), fold=expectation)
        mask = (expectation > _THRESHOLD).astype("float32")
        for group in channel_map.groups:
            mask[group.start + int(np.argmax(expectation[group.slice]))] = 1.0
        return Proposal(mask=mask, fold=expectation)


class Gates:
    """A gate for each channel.

    Args:
        num_channels: C.
        options: Where they start, and their prior.
    """

    def __init__(self, num_channels: int, options: BBDropoutOptions) -> None:
        self.raw_a = keras.Variable(np.full(num_channels, options.raw_start, "float32"), name="raw_a")
        self.raw_b = keras.Variable(np.full(num_channels, _RAW_B, "float32"), name="raw_b")
        self._alpha = options.alpha

    @property
    def variables(self) -> list[keras.Variable]:
        """What is trained."""
        return [self.raw_a, self.raw_b]

    @property
    def expectation(self) -> np.ndarray:
        """E[pi], float64 `[C]`."""
        values = expected_keep_probability(*positive(self.raw_a.value, self.raw_b.value))
        return np.asarray(ops.convert_to_numpy(values), "float64")

    @staticmethod
    def sample(raw: list[Tensor], uniform: Tensor) -> Tensor:
        """Return a relaxed mask `[C]` from uniform numbers `[2, C]`."""
        probability = sample_kumaraswamy(*positive(*raw), uniform[0])
        return relaxed_bernoulli(logit(probability), uniform[1])

    def divergence(self, raw: list[Tensor]) -> Tensor:
        """Return KL[q(pi) || p(pi)], summed over channels."""
        return ops.sum(kl_divergence(*positive(*raw), self._alpha))


def _train(problem: PruningProblem, gates: Gates, options: BBDropoutOptions) -> None:
    """Train gates and weights in place."""
    config = problem.config.finetune
    num_epochs = config.num_epochs if options.epochs is None else options.epochs
    batches = training_batches(
        problem.dataset, dataclasses.replace(config, seed=problem.seed), problem.normalization
    )
    optimizers = [keras.optimizers.Adam(rate) for rate in options.rates]
    step = _compile(problem, gates, options, optimizers=optimizers)
    rng = np.random.default_rng((problem.seed, 9))
    num_steps, done = num_epochs * len(batches), 0
    watch = DivergenceWatch(
        "Beta-Bernoulli dropout", remedy="take smaller rates (`options.rates=[1e-4,1e-3]`)"
    )
    for epoch in range(num_epochs):
        for images, labels in batches.epoch(epoch):
            rates = [step_rate(done, num_steps, peak=peak) for peak in options.rates]
            for optimizer, rate in zip(optimizers, rates, strict=True):
                optimizer.learning_rate = rate
            uniform = rng.uniform(size=(2, problem.reference.channel_map.num_channels)).astype("float32")
            figures = step(images, labels, uniform)
            done += 1
            named = dict(zip(("rate of weights", "of gates"), rates, strict=True))
            watch.see(StepPlace(step=done, num_steps=num_steps, rates=named, epoch=epoch + 1), figures)
            if problem.on_step is not None:
                problem.on_step(done, num_steps, StepFigures(figures, images=len(images)))
    trained = [*problem.model.variables, *gates.variables]
    watch.check({variable.path: ops.convert_to_numpy(variable) for variable in trained})


def _compile(
    problem: PruningProblem,
    gates: Gates,
    options: BBDropoutOptions,
    *,
    optimizers: list[keras.optimizers.Optimizer],
) -> Step:
    """Return `step(images, labels, uniform)`, with uniform numbers `[2, C]`."""
    model, end, config = problem.model, problem.reference.backbone.end, problem.config.finetune
    computing = in_bfloat16(model) if config.mixed_precision else model
    by_class = class_weights(problem.dataset, config)
    weights, statistics = model.trainable_variables, model.non_trainable_variables
    paths = [weight.path for weight in weights]
    kernels = {kernel.path for kernel in kernels_of(model)}
    share = options.kl_scale / len(problem.dataset.train)
    parts = (weights, gates.variables)
    for optimizer, part in zip(optimizers, parts, strict=True):
        optimizer.build(part)

    def step(images: Tensor, labels: Tensor, uniform: Tensor) -> dict[str, Tensor]:
        def loss(
            values: list[Tensor],
        ) -> tuple[Tensor, tuple[list[Tensor], dict[str, Tensor]]]:
            own, raw = values[: len(weights)], values[len(weights) :]
            mask = gates.sample(raw, uniform)
            masked = mask_kernels(problem.reference.channel_map, paths, weights=own, mask=mask)
            logits, moved = forward(computing, masked, [one.value for one in statistics], images=images)
            value = classification_loss(logits, labels, end, weights=by_class)
            prior = share * gates.divergence(raw)
            decay = sum(
                ops.sum(ops.square(one)) for path, one in zip(paths, own, strict=True) if path in kernels
            )
            figures = {
                "loss": value,
                "prior": prior,
                "accuracy": accuracy(logits, labels),
                "keep_ratio": ops.mean(mask),
            }
            return value + prior + 0.5 * _L2 * decay, (moved, figures)

        given = [variable.value for part in parts for variable in part]
        (_, (moved, figures)), gradients = value_and_gradient(loss, given)
        for optimizer, part, first in zip(optimizers, parts, (0, len(weights)), strict=True):
            optimizer.apply(gradients[first : first + len(part)], part)
        for variable, value in zip(statistics, moved, strict=True):
            variable.assign(value)
        return figures | {"gradient_norm": global_norm(gradients)}

    states = [variable for optimizer in optimizers for variable in optimizer.variables]
    return compile_step(step, [*weights, *gates.variables, *statistics, *states])
