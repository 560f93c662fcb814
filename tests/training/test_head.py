"""The head in closed form."""

import keras
import numpy as np
import pytest

from stamp_tf.data import ImageSet, Normalization
from stamp_tf.errors import StampError
from stamp_tf.training.ridge_head import fit_head, ridge_head


def clusters(num_images: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return features `[n, 6]` around three centres, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num_images) % 3
    centres = np.random.default_rng(9).normal(size=(3, 6)) * 2
    return centres[labels] + rng.normal(size=(num_images, 6)), labels


def test_it_solves_the_ridge_regression() -> None:
    features, labels = clusters(60)
    kernel, bias = ridge_head(features, labels, num_classes=3)
    logits = features @ kernel + bias
    unseen, truth = clusters(300, seed=1)
    assert (np.argmax(logits, 1) == labels).mean() > 0.9
    assert (np.argmax(unseen @ kernel + bias, 1) == truth).mean() > 0.9


def test_leave_one_out_chooses_much_ridge_for_noise() -> None:
    features = np.random.default_rng(0).normal(size=(40, 30))
    labels = np.random.default_rng(1).integers(0, 2, 40)
    noise_kernel, _ = ridge_head(features, labels, num_classes=2)
    signal = features + 20 * labels[:, None]
    signal_kernel, _ = ridge_head(signal, labels, num_classes=2)
    spread = np.std(features @ noise_kernel) / np.std(signal @ signal_kernel)
    assert spread < 0.2


@pytest.mark.parametrize("num_features", [5, 40])
def test_the_ridge_is_that_of_least_error_when_each_image_is_left_out_in_turn(num_features: int) -> None:
    rng = np.random.default_rng(3)
    labels = np.arange(14) % 2
    features = rng.normal(size=(14, num_features)) + 0.8 * labels[:, None]
    x = (features - features.mean(0)) / features.std(0)
    targets = np.eye(2)[labels]

    def fitted(rows: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray]:
        mean = x[rows].mean(0)
        gram = (x[rows] - mean).T @ (x[rows] - mean) + 14 * ridge * np.eye(num_features)
        kernel = np.linalg.solve(gram, (x[rows] - mean).T @ targets[rows])
        return kernel, targets[rows].mean(0) - mean @ kernel

    errors = {}
    for ridge in 10.0 ** np.arange(-4, 3.5, 0.5):
        left_out = [fitted(np.delete(np.arange(14), i), ridge) for i in range(14)]
        errors[ridge] = sum(np.square(x[i] @ k + b - targets[i]).sum() for i, (k, b) in enumerate(left_out))
    expected, _ = fitted(np.arange(14), min(errors, key=errors.__getitem__))
    found = ridge_head(features, labels, num_classes=2)[0] * features.std(0)[:, None]
    np.testing.assert_allclose(found / np.abs(found).max(), expected / np.abs(expected).max(), atol=1e-5)


def test_its_probabilities_are_calibrated() -> None:
    features, labels = clusters(300)
    kernel, bias = ridge_head(features, labels, num_classes=3)
    logits = features @ kernel + bias
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    confidence = probabilities.max(1).mean()
    assert abs(confidence - (np.argmax(logits, 1) == labels).mean()) < 0.1


def test_dead_features_do_no_harm() -> None:
    features, labels = clusters(60)
    features[:, 2] = 0.0
    kernel, bias = ridge_head(features, labels, num_classes=3)
    assert np.isfinite(kernel).all()
    assert np.isfinite(bias).all()


def test_it_overwrites_only_the_last_layer() -> None:
    inputs = keras.Input((32, 32, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2)(pooled))
    kernel = np.array(model.layers[1].kernel)
    rng = np.random.default_rng(0)
    labels = np.arange(20, dtype="int32") % 2
    images = (rng.integers(0, 100, (20, 32, 32, 3)) + 100 * labels[:, None, None, None]).astype("uint8")
    fit_head(
        model,
        ImageSet(images, labels, 2, class_names=("a", "b")),
        normalization=Normalization((0.5,) * 3, (0.2,) * 3),
    )
    np.testing.assert_array_equal(kernel, np.array(model.layers[1].kernel))
    logits = model.predict_on_batch(Normalization((0.5,) * 3, (0.2,) * 3)(images))
    assert (np.argmax(logits, 1) == labels).all()


def test_a_network_without_a_dense_end_is_refused() -> None:
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, keras.layers.Softmax()(keras.layers.GlobalAveragePooling2D()(inputs)))
    images = ImageSet(np.zeros((4, 8, 8, 3), "uint8"), np.zeros(4, "int32"), 3, class_names=("a", "b", "c"))
    with pytest.raises(StampError, match="--head ridge needs a network that ends in a dense layer"):
        fit_head(model, images, normalization=Normalization((0.5,) * 3, (0.2,) * 3))


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e30])
def test_features_that_say_nothing_give_a_finite_head(scale: float) -> None:
    """Constant features, such as those of a dead network, and features near the ends of float32."""
    labels = np.arange(12) % 3
    features = np.full((12, 4), scale, "float32")
    features[:, 0] *= labels
    kernel, bias = ridge_head(features, labels, num_classes=3)
    assert np.isfinite(kernel).all()
    assert np.isfinite(features @ kernel + bias).all()


def test_features_that_are_not_finite_are_refused() -> None:
    inputs = keras.Input((4, 4, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(np.inf)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2, name="logits")(x), name="toy")
    images = ImageSet(
        np.full((6, 4, 4, 3), 9, "uint8"), np.arange(6, dtype="int32") % 2, 2, class_names=("a", "b")
    )
    with pytest.raises(StampError, match="toy gives NaN or infinity for 6 of 6 training images"):
        fit_head(model, images, normalization=Normalization((0.5,) * 3, (0.25,) * 3))
