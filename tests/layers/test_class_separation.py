"""How well channels tell classes apart, and the scores that follow."""

import numpy as np
import pytest

from stamp_tf.layers.class_separation import ClassSeparation, class_separation

RNG = np.random.default_rng(0)
LABELS = np.arange(60) % 3
CLASSES = np.eye(3, dtype="float32")[LABELS]


def by_hand(pooled: np.ndarray, labels: np.ndarray) -> np.ndarray:
    means = np.stack([pooled[labels == label].mean(0) for label in np.unique(labels)])
    whole = np.mean([(pooled[labels == label] ** 2).mean(0) for label in np.unique(labels)], axis=0)
    whole -= means.mean(0) ** 2
    return np.log(means.var(0) / (whole + 1e-8) + 1e-3)


def test_it_is_the_share_of_the_variance_between_classes():
    pooled = RNG.normal(LABELS[:, None] * [0.0, 0.5, 2.0], 1.0).astype("float32")
    separation = np.asarray(class_separation(pooled, CLASSES))
    np.testing.assert_allclose(separation, by_hand(pooled, LABELS), rtol=1e-4)
    assert separation[0] < separation[1] < separation[2]


def test_classes_count_the_same_whatever_their_number_of_images():
    labels = np.array([0] * 50 + [1] * 10)
    pooled = RNG.normal(labels[:, None] * [1.0, 2.0], 1.0).astype("float32")
    separation = class_separation(pooled, np.eye(2, dtype="float32")[labels])
    np.testing.assert_allclose(separation, by_hand(pooled, labels), rtol=1e-4)


def test_absent_classes_do_not_count():
    pooled = RNG.normal(LABELS[:, None] * [1.0, 2.0], 1.0).astype("float32")
    wider = np.concatenate([CLASSES, np.zeros((60, 2), "float32")], axis=1)
    np.testing.assert_allclose(class_separation(pooled, wider), class_separation(pooled, CLASSES), rtol=1e-5)


def test_a_dead_channel_separates_nothing():
    pooled = np.zeros((60, 1), "float32")
    np.testing.assert_allclose(class_separation(pooled, CLASSES), np.log(1e-3), rtol=1e-4)


def test_it_does_not_depend_on_a_channels_scale():
    pooled = RNG.normal(LABELS[:, None] * [1.0, 2.0], 1.0).astype("float32")
    np.testing.assert_allclose(
        class_separation(100 * pooled, CLASSES), class_separation(pooled, CLASSES), rtol=1e-3
    )


@pytest.fixture
def generator() -> ClassSeparation:
    generator = ClassSeparation([2, 3], gain=0.5)
    generator.build((None, 5))
    generator.start_from(np.array([3.0, 1.0, 2.0, 0.0, 1.0]))
    return generator


def test_a_set_like_the_reference_gets_the_learnt_order(generator):
    pooled = RNG.normal(size=(60, 5)).astype("float32")
    generator.learn_reference(pooled, CLASSES)
    scores = generator(pooled, np.full((2, 5), 0.5, "float32"), CLASSES)[0]
    np.testing.assert_allclose(scores, [3.0, 1.0, 2.0, 0.0, 1.0], atol=1e-5)


def test_channels_that_tell_the_targets_classes_apart_rise_within_their_layer(generator):
    generator.learn_reference(RNG.normal(size=(60, 5)).astype("float32"), CLASSES)
    pooled = RNG.normal(LABELS[:, None] * [0, 3.0, 0, 3.0, 0], 1.0).astype("float32")
    scores = np.asarray(generator(pooled, np.full((2, 5), 0.5, "float32"), CLASSES)[0])
    change = scores - [3.0, 1.0, 2.0, 0.0, 1.0]
    assert change[1] > 0.4 > -0.4 > change[0]
    assert change[3] > 0.4
    assert change[3] == max(change[2:])
    np.testing.assert_allclose([change[:2].sum(), change[2:].sum()], 0, atol=1e-5)


def test_gains_are_one_a_layer(generator):
    pooled = RNG.normal(LABELS[:, None] * [0, 3.0, 0, 3.0, 0], 1.0).astype("float32")
    generator.gains.assign([0.0, 1.0])
    scores = np.asarray(generator(pooled, np.full((2, 5), 0.5, "float32"), CLASSES)[0])
    np.testing.assert_allclose(scores[:2], [3.0, 1.0], atol=1e-6)
    assert np.abs(scores[2:] - [2.0, 0.0, 1.0]).max() > 0.5
