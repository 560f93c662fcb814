"""STAMP: scores from the set at once, and up to K epochs of steps on the target."""

from __future__ import annotations

import dataclasses
import math

import keras
import numpy as np

from stamp_tf.channels import TracedNetwork
from stamp_tf.data import Batches, random_part
from stamp_tf.options.methods import StampOptions
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningProblem
from stamp_tf.references.reference import Reference
from stamp_tf.training.divergence import DivergenceWatch, StepPlace
from stamp_tf.training.figures import StepFigures

SET_SIZE = 640
_BATCH_SIZE = 128
_LEAST = 1e-30


class Stamp(Pruner):
    """Encode the target's images, probe the reference, generate scores (Algorithm 1, line 12).

    A reference that is not meta-trained has one order of channels for every target, and no image is looked at.

    Before the cut, `epochs_prune` passes over the target adapt the network to it; 0 is the instant answer.

    Those steps take masks at the limits on parameters and FLOPs; activation memory and latency matter at the cut alone.
    Without a budget, channels of E[m] below the generator's threshold go.

    Source:
        Song et al. 2020.
    """

    needs_budget = False
    options = StampOptions

    def check(self, reference: Reference, config: PruneConfig) -> None:
        if reference.mask_generator is None:
            _ = reference.learnt_scores

    def propose(self, problem: PruningProblem) -> Proposal:
        options = StampOptions(**problem.options)
        rng = np.random.default_rng((problem.seed, 6))
        reference = problem.reference
        if options.epochs_prune > 0:
            reference = reference.copy()
            self._train(dataclasses.replace(problem, reference=reference), options, rng)
            network = TracedNetwork.of(problem.model, reference.channel_map)
            reference = dataclasses.replace(reference, network=network)
        generator = None if reference.mask_generator is None else reference.mask_generator.layer
        if generator is None:
            # One order for every set: none is drawn.
            scores = reference.learnt_scores
        else:
            scores = reference.propose_scores(_drawn_set(problem), normalization=problem.normalization)
        # Never 0, which would take a channel away that is to stay.
        expectation = np.maximum(np.exp(-np.logaddexp(0, -scores.astype("float64"))), _LEAST)
        # A prior leaves soft values in the mask; cut scores only know kept and gone.
        fold = expectation if generator is not None and generator.has_prior else None
        if problem.budget.is_limited:
            return Proposal(scores=scores, fold=fold)
        threshold = 0.5 if generator is None else generator.threshold
        return Proposal(mask=self._above(problem, scores, expectation > threshold), fold=fold)

    @staticmethod
    def _above(problem: PruningProblem, scores: np.ndarray, above: np.ndarray) -> np.ndarray:
        """Keep the channels above the threshold, and the best of each group in any case."""
        mask = above.astype("float32")
        for group in problem.reference.channel_map.groups:
            mask[group.start + int(np.argmax(scores[group.slice]))] = 1.0
        return mask

    @staticmethod
    def _train(problem: PruningProblem, options: StampOptions, rng: np.random.Generator) -> None:
        """Take K epochs of Adam steps on W, pi and theta (Eq. 2)."""
        from stamp_tf.pruning.target_step import compile_target_step

        named_rates = dict(zip(("rate of W", "of pi", "of theta"), options.rates, strict=True))
        step, objective = compile_target_step(
            problem.reference,
            problem.model,
            sparsity=options.sparsity,
            kl_scale=options.kl_scale,
            rates=options.rates,
        )
        batches = Batches(
            problem.dataset.train,
            _BATCH_SIZE,
            normalization=problem.normalization,
            seed=problem.seed,
            augment=True,
            flip=problem.dataset.flips,
        )
        limits = np.array(problem.budget.of_training, "float32")
        num_steps = math.ceil(options.epochs_prune * len(batches))
        encoded = keras.ops.convert_to_tensor(problem.normalization(_drawn_set(problem)))
        watch = DivergenceWatch(
            "Pruning epochs",
            remedy="take a smaller `options.epochs_prune`, or smaller rates (`options.rates=[1e-4,1e-3,1e-4]`)",
        )
        done = 0
        for epoch in range(math.ceil(options.epochs_prune)):
            for images, labels in batches.epoch(epoch):
                if done == num_steps:
                    break
                uniform = rng.uniform(size=(2, objective.cut.num_channels)).astype("float32")
                figures = step(images, labels, encoded, uniform, limits, float(len(problem.dataset.train)))
                done += 1
                watch.see(
                    StepPlace(step=done, num_steps=num_steps, rates=named_rates, epoch=epoch + 1), figures
                )
                if problem.on_step is not None:
                    problem.on_step(done, num_steps, StepFigures(figures, images=len(images)))
        watch.check({variable.path: np.asarray(variable) for variable in objective.variables})


def _drawn_set(problem: PruningProblem) -> np.ndarray:
    """Return the images that stand for the target, uint8 `[B, H, W, D]`; the same each time."""
    return random_part(problem.dataset.train, SET_SIZE, seed=problem.seed).images
