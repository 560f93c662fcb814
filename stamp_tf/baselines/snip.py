"""Single weights by how the loss answers to them: SNIP, from random weights and from the reference's."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from stamp_tf.baselines.gradients import compile_products
from stamp_tf.data import Batches, random_part
from stamp_tf.errors import StampError
from stamp_tf.options.methods import PrunerOptions
from stamp_tf.options.option import option
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningProblem
from stamp_tf.pruning.ready import drawn_anew, make_problem_ready
from stamp_tf.pruning.weight_budget import weights_to_keep
from stamp_tf.references.reference import Reference
from stamp_tf.weight_mask import WeightMask, kernels_of


@dataclass(frozen=True, kw_only=True)
class SnipOptions(PrunerOptions):
    """Options of SNIP."""

    batch_size: int = option(128, least=1, help="Images of the one batch, or all that there are.")


class SnipPretrained(Pruner):
    """Keep the weights with the largest |W * dL/dW| on one batch of the target, from the reference's weights.

    That is the derivative of the loss by a gate on the weight, at 1; divided by the sum over all weights, which changes
    no order. The best weights stay, wherever they stand, so that no layer has a fraction of its own; biases and scales
    always do. Batch normalisation goes by the batch's statistics, and the head is fitted first. The
    mask holds through fine-tuning, in the exported network and in further training.

    Source:
        Lee et al. 2019, SNIP: Single-Shot Network Pruning Based on Connection Sensitivity; *SNIP (P)* of Song et al.
        2020, which begins with a pretrained network.
    """

    removes = "weights"
    options = SnipOptions

    def propose(self, problem: PruningProblem) -> Proposal:
        num_kept = weights_to_keep(problem.model, problem.cost, problem.budget)
        self.prepare(problem)
        sensitivities = self._sensitivities(problem, SnipOptions(**problem.options))
        return Proposal(weights=WeightMask.of_best(sensitivities, num_kept))

    def prepare(self, problem: PruningProblem) -> None:
        """Give the network the weights that are ranked, and that fine-tuning begins with."""
        make_problem_ready(problem)

    @staticmethod
    def _sensitivities(problem: PruningProblem, options: SnipOptions) -> dict[str, np.ndarray]:
        """Return the sensitivity of every weight of the kernels, by path."""
        part = random_part(problem.dataset.train, options.batch_size, seed=problem.seed)
        batches = Batches(
            part, len(part), normalization=problem.normalization, seed=problem.seed, augment=False
        )
        kernels = kernels_of(problem.model)
        step = compile_products(problem.model, kernels, end=problem.reference.backbone.end, training=True)
        products = step(*next(iter(batches.epoch(0))))
        values = [np.abs(ops.convert_to_numpy(product)) for product in products]
        total = max(sum(float(value.sum(dtype="float64")) for value in values), np.finfo("float32").tiny)
        return {kernel.path: value / total for kernel, value in zip(kernels, values, strict=True)}


class Snip(SnipPretrained):
    """Keep the weights with the largest |W * dL/dW| on one batch of the target, from fresh random weights.

    Otherwise as `snip-pretrained`. Fine-tuning trains the random weights that stay: nothing of the reference is left
    but its architecture.

    Source:
        Lee et al. 2019, SNIP: Single-Shot Network Pruning Based on Connection Sensitivity.
    """

    def check(self, reference: Reference, config: PruneConfig) -> None:
        check_random_head(config)

    def prepare(self, problem: PruningProblem) -> None:
        draw_weights(problem)


def check_random_head(config: PruneConfig) -> None:
    """Refuse a head that random weights do not have.

    Args:
        config: Options of pruning.

    Raises:
        StampError: If they ask for one.
    """
    if config.head not in (None, "random"):
        raise StampError(
            f"`method={config.method}` starts from random weights, but `head={config.head}` asks for another head; "
            "leave it out."
        )


def draw_weights(problem: PruningProblem) -> None:
    """Give the network of a problem fresh weights, its head among them, as its initialisers draw them.

    Args:
        problem: Its seed decides them.

    Raises:
        StampError: If the options ask for a head that random weights do not have.
    """
    check_random_head(problem.config)
    keras.utils.set_random_seed(problem.seed)
    problem.model.set_weights(drawn_anew(problem.model).get_weights())
