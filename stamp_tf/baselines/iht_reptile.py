"""IHT-Reptile: an initialisation that many small tasks share, meta-learnt while most of its weights are cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from stamp_tf.data import ImageSet, random_part
from stamp_tf.data.episodes import EpisodeSampler
from stamp_tf.options.methods import PrunerOptions
from stamp_tf.options.option import option
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningProblem
from stamp_tf.pruning.ready import make_problem_ready
from stamp_tf.pruning.trial import MOST_IMAGES
from stamp_tf.pruning.weight_budget import weights_to_keep
from stamp_tf.tensor import Tensor
from stamp_tf.training.divergence import DivergenceWatch, StepPlace
from stamp_tf.training.figures import StepFigures
from stamp_tf.training.held_weights import hold
from stamp_tf.training.reference_steps import compile_plain_step
from stamp_tf.weight_mask import WeightMask, kernels_of


@dataclass(frozen=True, kw_only=True)
class IhtReptileOptions(PrunerOptions):
    """Options of IHT-Reptile."""

    rounds: int = option(2, least=1, help="How often all weights are trained, and then the largest alone.")
    tasks: int = option(20, least=1, help="Tasks in each half of a round; each moves the weights once.")
    ways: int = option(5, least=2, help="Classes of a task, or all that there are.")
    shots: int = option(10, least=1, help="Images of each class of a task, or as many as every class has.")
    inner_steps: int = option(5, least=1, help="Steps on a task, each on all of its images.")
    inner_rate: float = option(0.02, above=0, help="Learning rate of these steps.")
    outer_rate: float = option(
        0.5, above=0, most=1, help="How far towards a task's weights the first one moves; it falls to zero."
    )


class IhtReptile(Pruner):
    """Meta-learn weights by Reptile on small tasks, keep the largest, and again, with all of them free in between.

    In the first half of a round every weight is trained: tasks of few classes and images are drawn from the target's
    training images, a copy of the weights takes some steps of SGD on each, and the weights move towards the copy. Then
    the weights of largest absolute value stay, as many as the limit leaves, wherever they stand, and the others are
    0 through the second half; in the next round they are free again. The last thresholding is the mask, and fine-tuning
    on all images follows.

    It begins with the reference's weights and a fitted head, and classes are those of the target in every
    task. The source meta-learns for tasks that are yet to come, from other classes; here one target is all that there
    is, and tasks are parts of it.

    A run that is interrupted here starts the method anew and comes to the same network; one that is interrupted in
    fine-tuning goes on there.

    Source:
        Tian et al. 2020, Meta-Learning with Network Pruning (Reptile with iterative hard thresholding); Nichol et al.
        2018, On First-Order Meta-Learning Algorithms. Numbers of rounds, tasks and steps are ours.
    """

    removes = "weights"
    options = IhtReptileOptions

    def propose(self, problem: PruningProblem) -> Proposal:
        options: Any = self.options(**problem.options)
        num_kept = weights_to_keep(problem.model, problem.cost, problem.budget)
        make_problem_ready(problem)
        reptile = Reptile(problem, options)
        for _ in range(options.rounds):
            reptile.free()
            reptile.learn()
            reptile.threshold(num_kept)
            reptile.learn()
        return Proposal(weights=reptile.kept)


class Reptile:
    """Meta-learns the weights of a problem's network in place, all of them or those that a mask leaves.

    Args:
        problem: Whose network and training images.
        options: Of the method.

    Raises:
        StampError: If a class has no image.
    """

    def __init__(self, problem: PruningProblem, options: IhtReptileOptions) -> None:
        train = problem.dataset.train
        if not isinstance(train, ImageSet):
            train = random_part(train, MOST_IMAGES, seed=problem.seed)
        self.model = problem.model
        self._options, self._on_step = options, problem.on_step
        self._normalization = problem.normalization
        self._sampler = EpisodeSampler(
            train,
            ways=min(options.ways, train.num_classes),
            shots=min(
                options.shots, max(1, int(np.bincount(train.labels, minlength=train.num_classes).min()))
            ),
            num_tasks=1,
            seed=problem.seed,
        )
        self._weights, self._kernels = self.model.trainable_variables, kernels_of(self.model)
        self.kept = WeightMask({kernel.path: np.ones(kernel.shape, bool) for kernel in self._kernels})
        """The weights that are trained; the others are 0."""
        self._held = hold(self.model, self.kept)
        optimizer = keras.optimizers.SGD(options.inner_rate)
        optimizer.build(self._weights)
        self._step = compile_plain_step(
            self.model, optimizer, end=problem.reference.backbone.end, held=self._held
        )
        self._watch = DivergenceWatch("IHT-Reptile", remedy="take a smaller `options.inner_rate`")
        self._done, self._total = 0, 2 * options.rounds * options.tasks

    def threshold(self, num_kept: int) -> None:
        """Keep the weights of largest absolute value, and set the others to 0.

        Args:
            num_kept: How many stay, wherever they stand.
        """
        values = {kernel.path: np.abs(ops.convert_to_numpy(kernel)) for kernel in self._kernels}
        self._hold(WeightMask.of_best(values, num_kept))

    def free(self) -> None:
        """Let every weight be trained."""
        self._hold(WeightMask({path: np.ones_like(kept) for path, kept in self.kept.kept.items()}))

    def learn(self) -> None:
        """Move the weights towards those of one task after the other."""
        for _ in range(self._options.tasks):
            episode = self._sampler.sample(self._done)
            labels = episode.classes[0][episode.labels[0]]
            rate = self._options.outer_rate * (1 - self._done / self._total)
            figures = self.move(self._normalization(episode.images[0]), labels, rate=rate)
            self._done += 1
            rates = {"inner rate": self._options.inner_rate, "outer rate": rate}
            self._watch.see(StepPlace(step=self._done, num_steps=self._total, rates=rates), figures)
            if self._on_step is not None:
                seen = len(labels) * self._options.inner_steps
                self._on_step(self._done, self._total, StepFigures(figures, images=seen))
        self._watch.check({weight.path: ops.convert_to_numpy(weight) for weight in self._weights})

    def move(self, images: np.ndarray, labels: np.ndarray, *, rate: float) -> Mapping[str, Tensor]:
        """Take the inner steps on a task, and move the weights that they began with so far towards the last ones.

        Args:
            images: Of the task, normalised, float32 `[B, H, W, D]`.
            labels: Of the target's classes, int32 `[B]`.
            rate: How far, in [0, 1].

        Returns:
            Figures of the last inner step.

        Source:
            Nichol et al. 2018, algorithm 1.
        """
        before = [ops.copy(weight.value) for weight in self._weights]
        for _ in range(self._options.inner_steps):
            figures = self._step(images, labels)
        for weight, old in zip(self._weights, before, strict=True):
            weight.assign(old + rate * (weight.value - old))
        return figures

    def _hold(self, kept: WeightMask) -> None:
        self.kept = kept
        for one, (kernel, values) in zip(self._held, kept.variables_of(self.model), strict=True):
            one.mask.assign(values)
            kernel.assign(kernel.value * one.values)
