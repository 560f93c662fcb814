"""The compiled step of the K pruning epochs on a target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from stamp_tf.backend import Step, compile_step, global_norm, value_and_gradient
from stamp_tf.errors import StampError
from stamp_tf.meta.objective import StampObjective
from stamp_tf.options.meta_train import Sparsity
from stamp_tf.references.reference import Reference
from stamp_tf.tensor import Tensor


def compile_target_step(
    reference: Reference,
    model: keras.Model,
    *,
    sparsity: Sparsity,
    kl_scale: float,
    rates: Sequence[float],
) -> tuple[Step, StampObjective]:
    """Return `step(images, labels, set_images, uniform, limits, num_examples)` and its objective.

    Args:
        reference: Gives the mask generator and the set encoder, which are trained in place.
        model: The network for the target's classes, trained in place.
        sparsity: `budgets` or `kl`.
        kl_scale: Factor on KL / |D|.
        rates: Learning rates of W, pi and theta.

    Raises:
        StampError: If the reference is not meta-trained.
    """
    if reference.mask_generator is None or reference.set_encoder is None:
        raise StampError(
            "`options.epochs_prune` above 0 needs a meta-trained reference, but this one has no mask generator; "
            "run meta-train, or leave it at 0."
        )
    objective = StampObjective(
        model,
        reference.mask_generator,
        set_encoder=reference.set_encoder,
        cut=reference.cut,
        sparsity=sparsity,
        kl_scale=kl_scale,
        end=reference.backbone.end,
    )
    return _compiled(objective, rates), objective


def _compiled(objective: StampObjective, rates: Sequence[float]) -> Step:
    optimizers = [keras.optimizers.Adam(rate) for rate in rates]
    for optimizer, part in zip(optimizers, objective.parts.split(objective.variables), strict=True):
        optimizer.build(part)

    def step(
        images: Tensor,
        labels: Tensor,
        set_images: Tensor,
        uniform: Tensor,
        limits: Tensor,
        num_examples: Tensor,
    ) -> dict[str, Tensor]:
        def loss(phi: list[Tensor]) -> Any:
            return objective(
                phi,
                [variable.value for variable in objective.statistics],
                images,
                labels=labels,
                set_images=set_images,
                uniform=uniform,
                limits=limits,
                num_examples=num_examples,
            )

        phi = [variable.value for variable in objective.variables]
        (_, (statistics, figures)), gradients = value_and_gradient(loss, phi)
        parts = zip(
            optimizers,
            objective.parts.split(gradients),
            objective.parts.split(objective.variables),
            strict=True,
        )
        for optimizer, part, variables in parts:
            optimizer.apply(part, variables)
        for variable, value in zip(objective.statistics, statistics, strict=True):
            variable.assign(value)
        return figures | {"gradient_norm": global_norm(gradients)}

    states = [variable for optimizer in optimizers for variable in optimizer.variables]
    return compile_step(step, [*objective.variables, *objective.statistics, *states])
