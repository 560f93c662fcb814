"""MetaPruning: networks that generate kernels for any widths, and an evolution of the widths they are right with."""

from __future__ import annotations

import dataclasses
import logging
import math
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
from keras import ops

from stamp_tf.backend import Step, compile_step, global_norm, value_and_gradient
from stamp_tf.baselines.evolution import Evolution, EvolutionOptions, draw_shares, first_channels, shares_of
from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import ChannelCut, ChannelMap, mask_kernels
from stamp_tf.data import DataSet, ImageSet, random_part
from stamp_tf.losses import accuracy, classification_loss
from stamp_tf.notation import in_words_of_the_caller
from stamp_tf.options.option import option
from stamp_tf.pruning.config import counted_part, rules_of
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningProblem
from stamp_tf.pruning.ready import drawn_anew
from stamp_tf.pruning.trial import MOST_IMAGES, with_held_out
from stamp_tf.quantities import percent
from stamp_tf.schedules import cosine_rate
from stamp_tf.tensor import Tensor
from stamp_tf.training.accuracy import count_hits
from stamp_tf.training.divergence import DivergenceWatch, StepPlace
from stamp_tf.training.figures import StepFigures
from stamp_tf.training.finetune_epochs import training_batches
from stamp_tf.training.forward import forward
from stamp_tf.training.reference_steps import make_weight_optimizer
from stamp_tf.training.statistics import Recalibration, statistics_images
from stamp_tf.weight_mask import kernels_of

logger = logging.getLogger(__name__)

_HIDDEN = 32
_JUDGED = 1000


@dataclass(frozen=True, kw_only=True)
class MetaPruningOptions(EvolutionOptions):
    """Options of MetaPruning."""

    epochs: int | None = option(
        None,
        least=0,
        help="Passes over the training images in which the generators are trained.",
        default_in_words="as many as fine-tuning has",
    )
    learning_rate: float = option(
        0.1, above=0, help="Peak of the rate of the generators; it falls as a cosine to zero."
    )
    batches: int = option(
        4,
        least=1,
        help="Batches of 128 images that statistics of batch normalisation are measured on, for each candidate.",
    )


class MetaPruning(Pruner):
    """Find widths by evolution, judged with kernels that small networks generate for them; train the winner afresh.

    Each kernel of three axes or more has a generator: two dense layers, 32 hidden units, from the kept share of every
    group to the full kernel, whose first channels count. They are trained on the target's images, with random widths
    for each step; what else the network trains is shared by all widths. Candidates are judged on a fifth of the
    training images, up to 1,000, held out for it, after statistics of batch normalisation were measured for them. A
    mask takes the place of the crop, so that every candidate runs in one compiled network. Nothing of the reference
    is left but its architecture. Where latency alone is limited, candidates have half of the FLOPs.

    A run that is interrupted here starts the method anew and comes to the same network; one that is interrupted in
    fine-tuning goes on there. Several budgets share the generators.

    Source:
        Liu et al. 2019, MetaPruning: Meta Learning for Automatic Neural Network Channel Pruning. There widths are drawn
        until they are in a window of FLOPs, and normalisation has no scale; here widths are scaled to the limit, and
        generators begin near the kernels that initialisers draw.
    """

    fixes = MappingProxyType({"structure_only": True})
    options = MetaPruningOptions

    def propose(self, problem: PruningProblem) -> Proposal:
        options: Any = self.options(**problem.options)
        cut = ChannelCut(problem.reference.channel_map, problem.cost, rules=rules_of(problem.config))
        budget = counted_part(problem.budget)
        # A limit out of reach is refused before anything is trained.
        cut.meet(np.zeros(cut.num_channels), budget)
        net = problem.kept.get((options, str(problem.config.finetune)), lambda: _trained(problem, options))
        steps, judged = net.num_steps, options.num_candidates

        def tell(done: int, best: float) -> None:
            if problem.on_step is not None:
                figures = {"accuracy of the best": best, "images": len(net.judged)}
                problem.on_step(steps + done, steps + judged, figures)

        rng = np.random.default_rng((problem.seed, 11))
        evolution = Evolution(cut, budget, judge=net.accuracy, options=options)
        scores, best = evolution.run(rng, tell)
        words = (
            f"`method=metapruning` takes the best of {len(evolution.found)} widths: right on {percent(best)} of "
            f"{len(net.judged):,} held-out training images with generated kernels."
        )
        logger.info("%s", in_words_of_the_caller(words))
        return Proposal(scores=scores)


class PruningNet:
    """A network whose kernels are generated from its widths.

    Args:
        problem: Whose `model` gets fresh weights.
        options: Of the method.
    """

    def __init__(self, problem: PruningProblem, options: MetaPruningOptions) -> None:
        self.model, self.channel_map = problem.model, problem.reference.channel_map
        keras.utils.set_random_seed(problem.seed)
        self.model.set_weights(drawn_anew(self.model).get_weights())
        train = problem.dataset.train
        most = len(train) if isinstance(train, ImageSet) else MOST_IMAGES
        self.dataset: DataSet = with_held_out(problem.dataset, seed=problem.seed, most=most)
        self.judged = random_part(self.dataset.test, _JUDGED, seed=problem.seed)
        self.num_steps = 0
        self._normalization = problem.normalization
        images = statistics_images(self.dataset.train, problem.normalization, seed=problem.seed)
        self._images = list(islice(images, options.batches))
        self._recalibrate = Recalibration(self.model)
        weights = self.model.trainable_variables
        self._paths = [weight.path for weight in weights]
        kernels = {id(kernel) for kernel in kernels_of(self.model) if len(kernel.shape) > 2}
        self._places = [place for place, weight in enumerate(weights) if id(weight) in kernels]
        rng = np.random.default_rng((problem.seed, 10))
        num_groups = len(self.channel_map.groups)
        generators = [_generator(weights[place], num_groups, rng) for place in self._places]
        others = [
            keras.Variable(weight.value, name=weight.name)
            for place, weight in enumerate(weights)
            if place not in self._places
        ]
        self.variables: list[keras.Variable] = [*(part for one in generators for part in one), *others]

    def weights_of(self, values: list[Tensor], shares: Tensor, mask: Tensor) -> list[Tensor]:
        """Return the network's trained weights for some widths, masked where they read a channel that is not there.

        Args:
            values: Of `variables`.
            shares: Kept share of every group, `[G]`.
            mask: 1 for the first channels of each group, 0 for the others, `[C]`.
        """
        generators, others = values[: 4 * len(self._places)], iter(values[4 * len(self._places) :])
        weights = []
        for place, weight in enumerate(self.model.trainable_variables):
            if place not in self._places:
                weights.append(next(others))
                continue
            first, first_bias, second, second_bias = generators[:4]
            generators = generators[4:]
            hidden = ops.relu(ops.matmul(shares[None], first) + first_bias)
            weights.append(ops.reshape(ops.matmul(hidden, second) + second_bias, weight.shape))
        return mask_kernels(self.channel_map, self._paths, weights=weights, mask=mask)

    def accuracy(self, mask: ChannelMask) -> float:
        """Return the share of the images to judge by, in [0, 1], that the network is right on in some widths.

        Args:
            mask: The first channels of each group, `[C]`.
        """
        values = self.weights_of([one.value for one in self.variables], *_inputs(self.channel_map, mask))
        for variable, value in zip(self.model.trainable_variables, values, strict=True):
            variable.assign(value)
        self._recalibrate(self._images)
        return count_hits(self.model, self.judged, normalization=self._normalization).accuracy


def _generator(
    kernel: keras.Variable, num_groups: int, rng: np.random.Generator
) -> tuple[keras.Variable, ...]:
    """Return two dense layers from shares `[G]` to a kernel, which at first varies about the one that was drawn."""
    drawn = ops.convert_to_numpy(kernel)
    bound = 1 / math.sqrt(num_groups)
    first = rng.uniform(-bound, bound, (num_groups, _HIDDEN))
    first_bias = rng.uniform(-bound, bound, _HIDDEN)
    second = rng.normal(0, drawn.std() / math.sqrt(_HIDDEN), (_HIDDEN, drawn.size))
    parts = {"first": first, "first_bias": first_bias, "second": second, "second_bias": drawn.ravel()}
    return tuple(keras.Variable(value.astype("float32"), name=name) for name, value in parts.items())


def _inputs(channel_map: ChannelMap, mask: ChannelMask) -> tuple[np.ndarray, np.ndarray]:
    """Return shares `[G]` and mask `[C]` as a network takes them."""
    return shares_of(channel_map, mask).astype("float32"), mask.values


def _trained(problem: PruningProblem, options: MetaPruningOptions) -> PruningNet:
    """Return the network with its generators trained."""
    net, config = PruningNet(problem, options), problem.config.finetune
    num_epochs = config.num_epochs if options.epochs is None else options.epochs
    batches = training_batches(
        net.dataset, dataclasses.replace(config, seed=problem.seed), problem.normalization
    )
    optimizer = make_weight_optimizer(weight_decay=0.0)
    optimizer.build(net.variables)
    step = _compile(net, problem, optimizer)
    rng = np.random.default_rng((problem.seed, 12))
    net.num_steps = num_epochs * len(batches)
    watch = DivergenceWatch("MetaPruning", remedy="take a smaller `options.learning_rate`")
    for epoch in range(num_epochs):
        for index, (images, labels) in enumerate(batches.epoch(epoch)):
            done = epoch * len(batches) + index
            optimizer.learning_rate = rate = cosine_rate(done, net.num_steps, peak=options.learning_rate)
            mask = first_channels(net.channel_map, draw_shares(net.channel_map, rng))
            figures = step(images, labels, *_inputs(net.channel_map, mask))
            place = StepPlace(
                step=done + 1, num_steps=net.num_steps, rates={"learning rate": rate}, epoch=epoch + 1
            )
            watch.see(place, figures)
            if problem.on_step is not None:
                total = net.num_steps + options.num_candidates
                problem.on_step(done + 1, total, StepFigures(figures, images=len(images)))
    watch.check({variable.path: ops.convert_to_numpy(variable) for variable in net.variables})
    return net


def _compile(net: PruningNet, problem: PruningProblem, optimizer: keras.optimizers.Optimizer) -> Step:
    """Return `step(images, labels, shares, mask)`, with shares `[G]` and a mask `[C]`."""
    model, end = net.model, problem.reference.backbone.end
    statistics = model.non_trainable_variables

    def step(images: Tensor, labels: Tensor, shares: Tensor, mask: Tensor) -> dict[str, Tensor]:
        def loss(values: list[Tensor]) -> tuple[Tensor, tuple[list[Tensor], dict[str, Tensor]]]:
            weights = net.weights_of(values, shares, mask)
            logits, moved = forward(model, weights, [one.value for one in statistics], images=images)
            value = classification_loss(logits, labels, end)
            return value, (moved, {"loss": value, "accuracy": accuracy(logits, labels)})

        (_, (moved, figures)), gradients = value_and_gradient(loss, [one.value for one in net.variables])
        optimizer.apply(gradients, net.variables)
        for variable, value in zip(statistics, moved, strict=True):
            variable.assign(value)
        return figures | {"gradient_norm": global_norm(gradients)}

    return compile_step(step, [*net.variables, *statistics, *optimizer.variables])
