"""The inner loop in closed form: a ridge head on masked features takes the place of steps on fast weights."""

import math
from collections.abc import Sequence
from typing import Any

from keras import ops

from stamp_tf.backend import value_and_gradient
from stamp_tf.channels import add_logistic_noise, mask_kernels
from stamp_tf.losses import accuracy, classification_loss
from stamp_tf.meta.objective import StampObjective
from stamp_tf.set_encoders.by_class import keeps_images

Tensor = Any

# Of standardised features; the target's head chooses its own by leave-one-out.
_RIDGE = 0.1
# Predictions of a regression on 0/1 lie in about [0, 1]; this makes logits of them.
_LOGIT_SCALE = 8.0


def closed_form_gradient(
    objective: StampObjective,
    phi: Sequence[Tensor],
    statistics: Sequence[Tensor],
    images: Tensor,
    labels: Tensor,
    uniform: Tensor,
    limits: Tensor,
    *,
    rates: Sequence[float] = (),
    fixed_weights: bool = False,
) -> tuple[list[Tensor], list[Tensor], dict[str, Tensor]]:
    """Fit a head to all mini-batches of a task but the last, and return the gradient of the last one's loss.

    That is what pruning does to a target without any step, so it is what should be good. The head is
    differentiated through.

    Args:
        objective: The networks and the budget function.
        phi: Flat values of W, pi, theta.
        statistics: Values of the backbone's statistics.
        images: The task's mini-batches, float32 `[S, b, H, W, D]`.
        labels: int32 `[S, b]`.
        uniform: Numbers in (0, 1), `[S, 2, C]`.
        limits: Limits on (parameters, FLOPs), `[2]`.
        rates: Not read: there are no inner steps.
        fixed_weights: Leave W and the statistics as they are, and save their gradient.

    Returns:
        The gradient with respect to phi (zeros for fixed weights), the statistics, and the figures.

    Reference:
        Bertinetto et al. 2019 (R2-D2).
    """
    num_batches, batch_size = images.shape[0], images.shape[1]
    num_support = (num_batches - 1) * batch_size
    end = objective.end
    num_classes = end.num_classes(objective.model.output_shape[-1])
    images = ops.reshape(images, (num_batches * batch_size, *images.shape[2:]))
    labels = ops.reshape(labels, (num_batches * batch_size,))
    # Masks must not follow from the labels that the loss asks for. Only an encoder that sums up each class needs
    # all of them, because only then every class has as many.
    num_seen = num_support if keeps_images(objective.set_encoder) else num_batches * batch_size
    num_fixed = objective.parts.num_weights if fixed_weights else 0
    fixed = list(phi[:num_fixed])

    def loss(values: list[Tensor]) -> Any:
        values = [*fixed, *values]
        scores, _, _ = objective.generate(
            values, statistics, images[:num_seen], uniform[0], training=True, labels=labels[:num_seen]
        )
        mask = objective.cut.straight_through(add_logistic_noise(scores, uniform[0, 0]), limits)
        weights = mask_kernels(
            objective.cut.channel_map, objective.paths, objective.parts.split(values)[0], mask
        )
        features, new_statistics = objective.features(weights, statistics, images, training=True)
        features = features * ops.cast(objective.features.keep(mask), features.dtype)
        targets = ops.one_hot(labels[:num_support], num_classes, dtype=features.dtype)
        kernel, bias = ridge_regression(features[:num_support], targets[:, 1:] if end.is_binary else targets)
        predictions = ops.matmul(features[num_support:], kernel) + bias
        # A softmax does not see what all logits have in common; even odds of a sigmoid lie at 0.
        logits = _LOGIT_SCALE * (predictions - 0.5 if end.is_binary or end.is_per_class else predictions)
        query = labels[num_support:]
        value = classification_loss(logits, query, end)
        figures = {
            "loss": value,
            "prior": ops.zeros((), value.dtype),
            "accuracy": accuracy(logits, query),
            "keep_ratio": ops.mean(mask),
        }
        return value, (new_statistics, figures)

    (_, (new_statistics, figures)), gradients = value_and_gradient(loss, list(phi[num_fixed:]))
    zeros = [ops.zeros_like(value) for value in fixed]
    return [*zeros, *gradients], list(statistics if fixed_weights else new_statistics), figures


def ridge_regression(features: Tensor, targets: Tensor, *, ridge: float = _RIDGE) -> tuple[Tensor, Tensor]:
    """Return kernel `[F, G]` and bias `[G]` of the ridge regression of targets on standardised features.

    Args:
        features: `[n, F]`.
        targets: `[n, G]`.
        ridge: Penalty on the squared kernel of standardised features, per example.
    """
    mean, variance = ops.mean(features, axis=0), ops.var(features, axis=0)
    # A masked feature is zero throughout; the constant keeps it, and its gradient, at zero.
    deviation = ops.sqrt(variance + 1e-4)
    x = (features - mean) / deviation
    center = ops.mean(targets, axis=0)
    num_examples, num_features = features.shape
    gram = ops.matmul(ops.transpose(x), x) / num_examples
    identity = ops.eye(num_features, dtype=x.dtype)
    # A matrix that is not finite would end the program within TensorFlow; NaN says the same and can be told.
    is_finite = ops.isfinite(ops.sum(gram))
    gram = ops.where(is_finite, gram + ridge * identity, identity)
    solution = ops.linalg.solve(gram, ops.matmul(ops.transpose(x), targets - center) / num_examples)
    solution = ops.where(is_finite, solution, ops.full_like(solution, math.nan))
    kernel = solution / deviation[:, None]
    return kernel, center - ops.matmul(mean, kernel)
