"""Learn how far masks follow the remaining errors of a set: gains and shifts alone, by tasks of few classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from library.features import Features
from stamp_tf.backend import compile_step, one_by_one, value_and_gradient
from stamp_tf.channels import add_logistic_noise, mask_kernels
from stamp_tf.channels.budget_range import draw_limits
from stamp_tf.data import DataSet, random_part
from stamp_tf.data.episodes import EpisodeSampler
from stamp_tf.losses import accuracy, classification_loss
from stamp_tf.references.reference import Reference
from stamp_tf.tensor import Tensor

TASKS, WAYS, SHOTS = 4, 5, 60
_SUPPORT = 2 / 3
_MIN_CHANNELS = 2
# Of standardised features; and what makes logits of predictions in about [0, 1].
_RIDGE, _LOGIT_SCALE = 0.1, 8.0


def _generator_of(reference: Reference) -> Any:
    assert reference.mask_generator is not None
    return reference.mask_generator.layer


def usual_errors(reference: Reference, dataset: DataSet, *, seed: int, num_images: int = 640) -> list[float]:
    """Return the mean logarithm of each layer's errors on the data set that a reference was trained on.

    Args:
        reference: With any mask generator of `stamp_tf_gains`.
        dataset: The data set.
        seed: Decides which images.
        num_images: How many.
    """
    images = reference.normalization(random_part(dataset.train, num_images, seed=seed).images)
    generator = _generator_of(reference)
    model = reference.model
    probe = generator.make_probe(model, reference.channel_map)
    errors = probe(*_values(model), ops.convert_to_tensor(images))
    return [float(value) for value in ops.convert_to_numpy(generator.layer_means(errors[0]))]


def learn_gains(
    reference: Reference,
    dataset: DataSet,
    *,
    steps: int,
    rate: float,
    budgets: tuple[float, float],
    seed: int,
    on_step: Callable[[int, dict[str, float]], None],
) -> None:
    """Train a reference's mask generator in place; its network and its learnt order stay.

    A task takes no inner step: a head in closed form on masked features takes their place, as in pruning without a
    step, and is differentiated through. Masks follow from the images that it is fitted to.

    Args:
        reference: With a set encoder and a mask generator.
        dataset: Whose classes make tasks.
        steps: Outer steps of `TASKS` tasks each.
        rate: Of Adam; a tenth of it in the last fifth of the steps.
        budgets: Range of the drawn share of FLOPs.
        seed: Of everything random.
        on_step: Called with a step's number and its figures.

    Source:
        Bertinetto et al. 2019 (R2-D2).
    """
    variables = _generator_of(reference).trainable_variables
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build(variables)
    sampler = EpisodeSampler(dataset.train, ways=WAYS, shots=SHOTS, num_tasks=TASKS, seed=seed)
    task = _Task(reference)

    def step(images: Tensor, labels: Tensor, uniform: Tensor, limits: Tensor) -> Tensor:
        values = [variable.value for variable in variables]

        def add(index: Tensor, sums: Any) -> Any:
            (loss, right), slopes = value_and_gradient(
                lambda values: task(
                    values, images[index], labels=labels[index], uniform=uniform[index], limits=limits[index]
                ),
                values,
            )
            return [old + new for old, new in zip(sums, [loss, right, *slopes], strict=True)]

        zeros = [ops.zeros(()), ops.zeros(()), *(ops.zeros_like(value) for value in values)]
        sums = one_by_one(add, zeros, first=0, stop=TASKS, stride=1)
        optimizer.apply([slope / TASKS for slope in sums[2:]], variables)
        return ops.stack(sums[:2]) / TASKS

    compiled = compile_step(step, [*variables, *optimizer.variables])
    for number in range(steps):
        if number == 4 * steps // 5:
            optimizer.learning_rate = rate / 10
        episode = sampler.sample(number)
        rng = np.random.default_rng((seed, number, 3))
        uniform = rng.uniform(size=(TASKS, reference.channel_map.num_channels)).astype("float32")
        limits = draw_limits(rng, budgets, TASKS)
        loss, right = ops.convert_to_numpy(
            compiled(reference.normalization(episode.images), episode.labels, uniform, limits)
        )
        on_step(number + 1, {"loss": float(loss), "accuracy": float(right)})


class _Task:
    """Loss and accuracy on the last third of a task's images, with a head that the others decide."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._cut = reference.cut.with_min_channels(_MIN_CHANNELS)
        self._features = Features(reference.model, reference.channel_map)
        self._paths = [variable.path for variable in reference.model.trainable_variables]
        self._probe = _generator_of(reference).make_probe(reference.model, reference.channel_map)

    def __call__(
        self, values: Sequence[Tensor], images: Tensor, *, labels: Tensor, uniform: Tensor, limits: Tensor
    ) -> tuple[Tensor, Tensor]:
        layer, channel_map = _generator_of(self._reference), self._reference.channel_map
        weights, statistics = _values(self._reference.model)
        support = int(images.shape[0] * _SUPPORT)
        errors = self._probe(weights, statistics, images[:support])
        fixed = [variable.value for variable in layer.non_trainable_variables]
        (scores, _, _), _ = layer.stateless_call(values, fixed, errors, ops.stack([uniform, uniform]))
        mask = self._cut.straight_through(add_logistic_noise(scores, uniform), limits)
        masked = mask_kernels(channel_map, self._paths, weights=weights, mask=mask)
        features = self._features(masked, statistics, images, training=True)[0] * self._features.keep(mask)
        targets = ops.one_hot(labels[:support], WAYS)
        logits = _LOGIT_SCALE * _predicted(features[:support], targets, features[support:])
        right = ops.cast(accuracy(logits, labels[support:]), "float32")
        return classification_loss(logits, labels[support:]), right


def _predicted(features: Tensor, targets: Tensor, others: Tensor) -> Tensor:
    """Return what the ridge regression of targets `[n, G]` on standardised features `[n, F]` says of others."""
    mean, variance = ops.mean(features, axis=0), ops.var(features, axis=0)
    # A masked feature is zero throughout; the constant keeps it, and its gradient, at zero.
    deviation = ops.sqrt(variance + 1e-4)
    x, center = (features - mean) / deviation, ops.mean(targets, axis=0)
    gram = ops.matmul(ops.transpose(x), x) / x.shape[0] + _RIDGE * ops.eye(x.shape[1])
    kernel = ops.linalg.solve(gram, ops.matmul(ops.transpose(x), targets - center) / x.shape[0])
    return ops.matmul((others - mean) / deviation, kernel) + center


def _values(model: keras.Model) -> tuple[list[Tensor], list[Tensor]]:
    return (
        [variable.value for variable in model.trainable_variables],
        [variable.value for variable in model.non_trainable_variables],
    )
