"""Fitted heads: what both ways of fitting one have in common, and what each promises."""

from collections.abc import Callable

import numpy as np
import pytest

from stamp_tf.training.discriminants import best_shrinkage, discriminants
from stamp_tf.training.logistic_head import logistic_head
from stamp_tf.training.ridge_head import ridge_head
from stamp_tf.training.standard_rows import StandardRows

each_head = pytest.mark.parametrize("head", [logistic_head, ridge_head])
Head = Callable[..., tuple[np.ndarray, np.ndarray]]
SHRINKAGES = (0.99, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01)


def clusters(num_images: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return features `[n, 6]` around three centres, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num_images) % 3
    centres = np.random.default_rng(9).normal(size=(3, 6)) * 2
    return centres[labels] + rng.normal(size=(num_images, 6)), labels


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


@each_head
def test_it_tells_classes_apart(head: Head) -> None:
    features, labels = clusters(60)
    kernel, bias = head(features, labels, num_classes=3)
    unseen, truth = clusters(300, seed=1)
    assert (np.argmax(features @ kernel + bias, 1) == labels).mean() > 0.9
    assert (np.argmax(unseen @ kernel + bias, 1) == truth).mean() > 0.9


@each_head
def test_noise_is_believed_little(head: Head) -> None:
    features = np.random.default_rng(0).normal(size=(40, 30))
    labels = np.random.default_rng(1).integers(0, 2, 40)
    noise_kernel, _ = head(features, labels, num_classes=2)
    signal = features + 20 * labels[:, None]
    signal_kernel, _ = head(signal, labels, num_classes=2)
    spread = np.std(features @ noise_kernel) / np.std(signal @ signal_kernel)
    assert spread < 0.2


@each_head
def test_its_probabilities_are_calibrated(head: Head) -> None:
    features, labels = clusters(300)
    features += np.random.default_rng(5).normal(size=features.shape) * 2
    kernel, bias = head(features, labels, num_classes=3)
    logits = features @ kernel + bias
    confidence = np.exp(log_softmax(logits)).max(1).mean()
    assert abs(confidence - (np.argmax(logits, 1) == labels).mean()) < 0.1


@each_head
def test_dead_features_do_no_harm(head: Head) -> None:
    features, labels = clusters(60)
    features[:, 2] = 0.0
    kernel, bias = head(features, labels, num_classes=3)
    assert np.isfinite(kernel).all()
    assert np.isfinite(bias).all()


@each_head
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e30])
def test_features_that_say_nothing_give_a_finite_head(head: Head, scale: float) -> None:
    """Constant features, such as those of a dead network, and features near the ends of float32."""
    labels = np.arange(12) % 3
    features = np.full((12, 4), scale, "float32")
    features[:, 0] *= labels
    kernel, bias = head(features, labels, num_classes=3)
    assert np.isfinite(kernel).all()
    assert np.isfinite(features @ kernel + bias).all()


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


def defined(x: np.ndarray, labels: np.ndarray, *, shrinkage: float, rows: int) -> Callable[..., np.ndarray]:
    """Return a function of logits by the definition of discriminants; sums of squares are shared out among `rows`."""
    means = np.stack([x[labels == label].mean(0) for label in range(3)])
    rest = x - means[labels]
    precision = np.linalg.inv((1 - shrinkage) * rest.T @ rest / rows + shrinkage * np.eye(x.shape[1]))
    return lambda image: np.array([-(image - mean) @ precision @ (image - mean) / 2 for mean in means])


@pytest.mark.parametrize("num_features", [5, 60])
def test_the_shrinkage_is_that_of_least_loss_when_each_image_is_left_out_in_turn(num_features: int) -> None:
    rng = np.random.default_rng(3)
    num_images = 31
    labels = np.arange(num_images) % 3
    features = rng.normal(size=(num_images, num_features)) * np.linspace(1, 3, num_features)
    features += 0.9 * rng.normal(size=(3, num_features))[labels]
    x = StandardRows(features).values
    prior = np.log(np.bincount(labels) / num_images)
    smooth = np.full((num_images, 3), 1 / (num_images + 1) / 3)
    smooth[np.arange(num_images), labels] += 1 - 1 / (num_images + 1)
    losses = {}
    for shrinkage in SHRINKAGES:
        logits = []
        for i in range(num_images):
            others = np.delete(np.arange(num_images), i)
            logits.append(
                defined(x[others], labels[others], shrinkage=shrinkage, rows=num_images)(x[i]) + prior
            )
        for scale in 2.0 ** np.arange(-8, 1.5, 0.5):
            losses[shrinkage, scale] = -(smooth * log_softmax(scale * np.array(logits))).sum(1).mean()
    shrinkage, scale = best_shrinkage(x, labels, num_classes=3)
    assert (shrinkage, scale) == min(losses, key=losses.__getitem__)
    kernel, bias = discriminants(x, labels, num_classes=3, shrinkage=shrinkage, scale=scale)
    logits = [defined(x, labels, shrinkage=shrinkage, rows=num_images)(row) + prior for row in x]
    np.testing.assert_allclose(
        log_softmax(x @ kernel + bias), log_softmax(scale * np.array(logits)), atol=1e-9
    )


def gaussians(num_images: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features of classes that overlap and are no normal distributions, for which discriminants are not best."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, num_images)
    features = np.random.default_rng(7).normal(size=(3, 8))[labels] + rng.normal(size=(num_images, 8))
    return np.exp(features), labels


def test_its_loss_on_new_images_is_below_that_of_discriminants_and_of_ridge_regression() -> None:
    features, labels = gaussians(600, seed=0)
    unseen, truth = gaussians(4000, seed=1)
    rows = StandardRows(features)
    shrinkage, scale = best_shrinkage(rows.values, labels, num_classes=3)
    start = discriminants(rows.values, labels, num_classes=3, shrinkage=shrinkage, scale=scale)
    losses = []
    for kernel, bias in (
        logistic_head(features, labels, num_classes=3),
        rows.on_features(*start),
        ridge_head(features, labels, num_classes=3),
    ):
        losses.append(-log_softmax(unseen @ kernel + bias)[np.arange(4000), truth].mean())
    assert losses[0] < 0.95 * losses[1] < losses[2]


def test_with_many_images_it_is_the_logistic_regression() -> None:
    """Where the pull is weak, the gradient of the cross-entropy all but vanishes."""
    features, labels = gaussians(4000, seed=0)
    kernel, bias = logistic_head(features, labels, num_classes=3)
    error = np.exp(log_softmax(features @ kernel + bias)) - np.eye(3)[labels]
    x = (features - features.mean(0)) / features.std(0)
    start = x.T @ (1 / 3 - np.eye(3)[labels]) / len(x)
    assert np.abs(x.T @ error / len(x)).max() < 0.02 * np.abs(start).max()
    assert np.abs(error.mean(0)).max() < 1e-3


def test_one_logit_is_the_difference_of_two() -> None:
    features, labels = clusters(40)
    labels = labels % 2
    kernel, bias = logistic_head(features, labels, num_classes=2)
    one_kernel, one_bias = logistic_head(features, labels, num_classes=2, is_binary=True)
    assert one_kernel.shape == (6, 1)
    difference = (features @ kernel + bias) @ [-1, 1]
    np.testing.assert_allclose((features @ one_kernel + one_bias)[:, 0], difference, rtol=1e-4, atol=1e-4)


def test_it_beats_ridge_regression_where_classes_lie_between_others() -> None:
    """A regression on indicators masks them."""
    rng = np.random.default_rng(0)
    labels = np.arange(900) % 9
    features = np.stack([labels + 0.2 * rng.normal(size=900), rng.normal(size=900)], axis=1)
    right = {}
    for head in (logistic_head, ridge_head):
        kernel, bias = head(features[:450], labels[:450], num_classes=9)
        right[head] = (np.argmax(features[450:] @ kernel + bias, 1) == labels[450:]).mean()
    assert right[logistic_head] > 0.95
    assert right[ridge_head] < 0.7


@pytest.mark.parametrize("images", [1, 2])
def test_one_or_two_images_a_class_are_enough(images: int) -> None:
    features, labels = clusters(3 * images)
    kernel, bias = logistic_head(features, labels, num_classes=3)
    unseen, truth = clusters(300, seed=1)
    assert (np.argmax(unseen @ kernel + bias, 1) == truth).mean() > 0.6


def test_a_class_without_images_is_never_chosen() -> None:
    features, labels = clusters(60)
    kernel, bias = logistic_head(features, labels, num_classes=5)
    assert np.isfinite(kernel).all()
    assert set(np.argmax(features @ kernel + bias, 1)) == {0, 1, 2}
