"""The inner loop on fast weights against an explicit copy of the networks, trained by assignment."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from stamp_tf.channels import add_logistic_noise
from stamp_tf.meta.inner_loop import task_gradient
from stamp_tf.meta.objective import StampObjective

RATES = (1e-3, 1e-2, 2e-3)
TOLERANCE = 1e-9
MODES = {
    "budgets": {"generator": "score"},
    "budgets, two outputs": {"generator": "score", "num_outputs": 2, "encoder": "set-transformer"},
    "kl": {"generator": "beta-bernoulli", "sparsity": "kl", "kl_scale": 0.3},
    "budgets of a generator with a prior": {"generator": "beta-bernoulli"},
}


def fast(objective: StampObjective, tasks, task: int = 0) -> tuple[list[np.ndarray], list[np.ndarray], dict]:
    images, labels, uniform, limits = (array[task] for array in tasks)
    gradients, statistics, figures = tf.function(
        lambda: task_gradient(
            objective,
            [variable.value for variable in objective.variables],
            [variable.value for variable in objective.statistics],
            images=tf.constant(images),
            labels=tf.constant(labels),
            uniform=tf.constant(uniform),
            limits=tf.constant(limits),
            rates=objective.parts.spread(*RATES),
        )
    )()
    return [g.numpy() for g in gradients], [s.numpy() for s in statistics], figures


class ExplicitCopy:
    """The same networks, trained by changing their variables; the mask multiplies activations, not kernels."""

    def __init__(self, objective: StampObjective) -> None:
        self.objective = objective
        self.layer = objective.model.get_layer
        self.variables = objective.variables
        self.rates = objective.parts.spread(*RATES)
        self.means = [np.zeros(v.shape) for v in self.variables]
        self.squares = [np.zeros(v.shape) for v in self.variables]
        self.num_steps = 0

    def hidden(self, x: tf.Tensor, mask: tf.Tensor | None, *, training: bool) -> list[tf.Tensor]:
        """Return what the second convolution and the logits read."""
        x = ops.relu(self.layer("norm1")(self.layer("conv1")(x), training=training))
        first = self.layer("half")(x if mask is None else x * mask[:4])
        x = ops.relu(self.layer("norm2")(self.layer("conv2")(first), training=training))
        second = ops.mean(x if mask is None else x * mask[4:], axis=(1, 2))
        return [first, second]

    def gradient(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        uniform: np.ndarray,
        limits: np.ndarray,
        everything: np.ndarray,
    ) -> list[np.ndarray]:
        objective = self.objective
        with tf.GradientTape() as tape:
            pseudo_images = objective.set_encoder.layer(everything, training=True)
            seen = self.hidden(pseudo_images, None, training=False)
            pooled = ops.concatenate([ops.mean(seen[0], axis=(1, 2)), seen[1]], axis=1)
            scores, sample, kl = objective.mask_generator.layer(pooled, uniform)
            if objective.sparsity == "budgets":
                mask = objective.cut.straight_through(add_logistic_noise(scores, uniform[0]), limits)
            else:
                mask = sample
            logits = self.layer("logits")(self.hidden(images, mask, training=True)[1])
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
            if objective.sparsity == "kl":
                loss = loss + objective.kl_scale * kl / len(everything)
        gradients = tape.gradient(
            loss, [v.value for v in self.variables], unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return [gradient.numpy() for gradient in gradients]

    def adam(self, gradients: list[np.ndarray]) -> None:
        self.num_steps += 1
        size = np.sqrt(1 - 0.999**self.num_steps) / (1 - 0.9**self.num_steps)
        for index, (variable, gradient) in enumerate(zip(self.variables, gradients, strict=True)):
            self.means[index] = 0.9 * self.means[index] + 0.1 * gradient
            self.squares[index] = 0.999 * self.squares[index] + 0.001 * gradient**2
            step = self.rates[index] * size * self.means[index] / (np.sqrt(self.squares[index]) + 1e-7)
            variable.assign(variable.numpy() - step)

    def adapt(self, tasks, task: int = 0) -> list[np.ndarray]:
        """Take an Adam step on all mini-batches but the last; return the gradient there."""
        images, labels, uniform, limits = (array[task] for array in tasks)
        everything = images.reshape(-1, *images.shape[2:])
        for index in range(len(images) - 1):
            self.adam(self.gradient(images[index], labels[index], uniform[index], limits, everything))
        return self.gradient(images[-1], labels[-1], uniform[-1], limits, everything)


def assert_close(ours: list[np.ndarray], theirs: list[np.ndarray], names: list[str]) -> None:
    for name, one, other in zip(names, ours, theirs, strict=True):
        assert np.abs(one - other).max() <= TOLERANCE * max(np.abs(other).max(), 1e-12), name


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("mode", MODES)
def test_the_meta_gradient_equals_that_of_an_explicit_copy(
    mode: str, make_objective: Callable[..., StampObjective], make_tasks
) -> None:
    tasks = make_tasks(1, num_batches=4)
    objective, copied = make_objective(**MODES[mode]), make_objective(**MODES[mode])
    names = [variable.path for variable in objective.variables]
    gradients, statistics, _ = fast(objective, tasks)
    expected = ExplicitCopy(copied).adapt(tasks)
    assert sum(np.abs(gradient).max() > 0 for gradient in expected) > len(expected) / 2
    assert_close(gradients, expected, names)
    assert_close(statistics, [s.numpy() for s in copied.statistics], [s.path for s in copied.statistics])


@pytest.mark.usefixtures("float64")
def test_one_mini_batch_is_a_plain_gradient(
    make_objective: Callable[..., StampObjective], make_tasks
) -> None:
    tasks = make_tasks(1, num_batches=1)
    gradients, _, _ = fast(make_objective(), tasks)
    copied = make_objective()
    assert_close(gradients, ExplicitCopy(copied).adapt(tasks), [v.path for v in copied.variables])


def test_nothing_is_assigned(make_objective: Callable[..., StampObjective], make_tasks) -> None:
    objective = make_objective()
    before = [variable.numpy() for variable in (*objective.variables, *objective.statistics)]
    fast(objective, make_tasks(1))
    for old, variable in zip(before, (*objective.variables, *objective.statistics), strict=True):
        np.testing.assert_array_equal(variable, old)


def test_gradients_reach_the_encoder_and_the_generator(
    make_objective: Callable[..., StampObjective], make_tasks
) -> None:
    objective = make_objective()
    gradients, _, figures = fast(objective, make_tasks(1))
    for part in objective.parts.split(gradients):
        assert max(np.abs(gradient).max() for gradient in part) > 0
    assert 0 < float(figures["keep_ratio"]) < 1
    assert float(figures["prior"]) == 0


def test_a_prior_without_budgets_is_refused(make_objective: Callable[..., StampObjective]) -> None:
    with pytest.raises(
        ValueError, match=r"--sparsity kl needs a mask generator with a prior, but score has none"
    ):
        make_objective(generator="score", sparsity="kl")


def test_parts_split_and_spread_alike(make_objective: Callable[..., StampObjective]) -> None:
    objective = make_objective()
    split = objective.parts.split(objective.variables)
    layers = (objective.model, objective.mask_generator.layer, objective.set_encoder.layer)
    assert [[v.path for v in part] for part in split] == [
        [v.path for v in layer.trainable_variables] for layer in layers
    ]
    assert objective.parts.spread(1, 2, 3) == [1] * len(split[0]) + [2] * len(split[1]) + [3] * len(split[2])


def test_masked_weights_meet_the_budget(make_objective: Callable[..., StampObjective], make_tasks) -> None:
    """The figures' keep ratio is that of a mask whose cost fits."""
    objective, tasks = make_objective(), make_tasks(1)
    for flops in (0.3, 1.0):
        tasks.limits[0, 1] = flops
        _, _, figures = fast(objective, tasks)
        assert (float(figures["keep_ratio"]) == 1) == (flops == 1.0)


def test_an_encoder_that_samples_draws_anew_for_every_mini_batch(
    make_objective: Callable[..., StampObjective], make_tasks
) -> None:
    objective, tasks = make_objective(encoder="neural-statistician"), make_tasks(1)
    phi = [variable.value for variable in objective.variables]
    statistics = [variable.value for variable in objective.statistics]
    images = tasks.images[0].reshape(-1, 8, 8, 3)

    def scores(uniform: np.ndarray, *, training: bool = True) -> np.ndarray:
        return np.asarray(objective.generate(phi, statistics, images, uniform=uniform, training=training)[0])

    first, second = tasks.uniform[0][:2]
    assert not np.array_equal(scores(first), scores(second))
    np.testing.assert_array_equal(scores(first), scores(first))
    np.testing.assert_array_equal(scores(first, training=False), scores(second, training=False))


def test_keras_is_back_in_single_precision() -> None:
    assert keras.config.floatx() == "float32"
    assert keras.layers.Dense(1).variable_dtype == "float32"
