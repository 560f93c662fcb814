"""The inner loop in closed form: a ridge head on masked features."""

import keras
import numpy as np
import pytest
from keras import ops

from stamp_tf.channels import add_logistic_noise, mask_kernels
from stamp_tf.layers.class_separation import ClassSeparation
from stamp_tf.meta.closed_form import closed_form_gradient, ridge_regression
from stamp_tf.meta.objective import StampObjective
from stamp_tf.set_encoders.images import Images

pytestmark = pytest.mark.usefixtures("float64")


@pytest.fixture
def task(make_tasks):
    """One task: images, labels, uniform numbers, limits."""
    return [array[0] for array in make_tasks(1, num_batches=4, batch_size=9)]


@pytest.fixture
def labelled_objective(make_objective) -> StampObjective:
    """An objective whose masks follow from real images and their labels."""
    plain = make_objective()
    generator = ClassSeparation(plain.mask_generator.group_sizes, gain=0.7)
    generator.build((None, plain.cut.num_channels))
    generator.start_from(np.random.default_rng(0).normal(size=plain.cut.num_channels))
    encoder = Images()
    encoder.build((None, 8, 8, 3))
    return StampObjective(plain.model, generator, encoder, plain.cut)


def values(objective):
    phi = [ops.convert_to_tensor(variable.value) for variable in objective.variables]
    return phi, [ops.convert_to_tensor(variable.value) for variable in objective.statistics]


def ridge_by_hand(features, targets, ridge):
    mean, deviation = features.mean(0), np.sqrt(features.var(0) + 1e-4)
    x, y = (features - mean) / deviation, targets - targets.mean(0)
    solution = np.linalg.solve(x.T @ x / len(x) + ridge * np.eye(x.shape[1]), x.T @ y / len(x))
    return solution / deviation[:, None], targets.mean(0) - mean @ (solution / deviation[:, None])


def test_ridge_regression_is_the_textbooks():
    rng = np.random.default_rng(0)
    features, targets = rng.normal(2.0, 3.0, (30, 5)), np.eye(3)[rng.integers(0, 3, 30)]
    for ours, theirs in zip(
        ridge_regression(features, targets, ridge=0.3), ridge_by_hand(features, targets, 0.3), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_a_masked_feature_gets_no_weight():
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(30, 5)), np.eye(3)[rng.integers(0, 3, 30)]
    features[:, 2] = 0.0
    kernel = np.asarray(ridge_regression(features, targets)[0])
    np.testing.assert_array_equal(kernel[2], 0)
    np.testing.assert_allclose(
        np.delete(kernel, 2, axis=0), ridge_regression(np.delete(features, 2, axis=1), targets)[0], rtol=1e-9
    )


def test_the_loss_is_that_of_images_the_head_was_not_fitted_to(labelled_objective, task):
    """The whole way by hand, from scores to the loss of the last mini-batch."""
    objective, (images, labels, uniform, limits) = labelled_objective, task
    phi, statistics = values(objective)
    figures = closed_form_gradient(objective, phi, statistics, *task)[2]
    x, y = images.reshape(-1, 8, 8, 3), labels.reshape(-1)
    scores = objective.generate(phi, statistics, x[:27], uniform[0], training=True, labels=y[:27])[0]
    mask = objective.cut.straight_through(add_logistic_noise(scores, uniform[0, 0]), limits)
    masked = mask_kernels(objective.cut.channel_map, objective.paths, phi[: len(objective.paths)], mask)
    extractor = keras.Model(objective.model.input, objective.model.get_layer("pool").output)
    features = np.asarray(extractor.stateless_call(masked[:-2], statistics, x, training=True)[0])
    features = features * np.asarray(mask)[4:]
    kernel, bias = ridge_by_hand(features[:27], np.eye(3)[y[:27]], 0.1)
    logits = 8 * (features[27:] @ kernel + bias)
    expected = np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(9), y[27:]])
    np.testing.assert_allclose(figures["loss"], expected, rtol=1e-9)
    np.testing.assert_allclose(figures["accuracy"], np.mean(logits.argmax(1) == y[27:]))
    np.testing.assert_allclose(figures["keep_ratio"], np.mean(mask))


def test_the_gradient_goes_through_the_head(labelled_objective, task):
    """Against differences, along a kernel that every mask keeps reading."""
    objective = labelled_objective
    images, labels, uniform, _ = task
    # Masks follow from W as well, straight-through, which no difference shows.
    objective.mask_generator.gains.assign(np.zeros(2))
    everything = np.array([np.inf, 1.0])
    phi, statistics = values(objective)

    def loss_and_gradient(amount: float):
        moved = [phi[0] + amount * direction, *phi[1:]]
        gradients, _, figures = closed_form_gradient(
            objective, moved, statistics, images, labels, uniform, everything
        )
        return float(figures["loss"]), np.asarray(gradients[0])

    direction = np.random.default_rng(1).normal(size=phi[0].shape)
    slope = (loss_and_gradient(1e-6)[0] - loss_and_gradient(-1e-6)[0]) / 2e-6
    np.testing.assert_allclose((loss_and_gradient(0.0)[1] * direction).sum(), slope, rtol=1e-5)


def test_gradients_reach_what_makes_the_mask(labelled_objective, task):
    phi, statistics = values(labelled_objective)
    gradients = closed_form_gradient(labelled_objective, phi, statistics, *task)[0]
    _, generator, encoder = labelled_objective.parts.split(gradients)
    assert encoder == []
    for gradient in generator:
        assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("kind", ["labelled_objective", "make_objective"])
def test_fixed_weights_change_nothing_for_the_others(kind, request, task):
    made = request.getfixturevalue(kind)
    objective = made() if callable(made) and not isinstance(made, StampObjective) else made
    phi, statistics = values(objective)
    free = closed_form_gradient(objective, phi, statistics, *task)
    fixed = closed_form_gradient(objective, phi, statistics, *task, fixed_weights=True)
    num_weights = objective.parts.num_weights
    for gradient in fixed[0][:num_weights]:
        np.testing.assert_array_equal(gradient, np.zeros_like(gradient))
    for ours, theirs in zip(fixed[0][num_weights:], free[0][num_weights:], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-15)
    for ours, theirs in zip(fixed[1], statistics, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert any(not np.allclose(ours, theirs) for ours, theirs in zip(free[1], statistics, strict=True))


def test_features_that_are_not_finite_give_nan_and_no_error_of_the_backend() -> None:
    features = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    features[2, 1] = np.nan
    kernel, bias = ridge_regression(ops.convert_to_tensor(features), ops.ones((8, 2), "float32"))
    assert np.isnan(kernel).all()
    assert np.isnan(bias).all()
