"""Losses and figures of logits, against numpy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from stamp_tf.ends import LOGITS as LOGITS_END
from stamp_tf.ends import End
from stamp_tf.losses import (
    accuracy,
    class_probabilities,
    classification_loss,
    distillation_loss,
    predicted_classes,
    teacher_divergence,
)

RNG = np.random.default_rng(0)
LOGITS, TEACHER = RNG.normal(size=(7, 4)), 3 * RNG.normal(size=(7, 4))
LABELS = np.array([0, 3, 1, 1, 2, 0, 3], "int32")


def log_softmax(x: np.ndarray) -> np.ndarray:
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def test_classification() -> None:
    expected = -log_softmax(LOGITS)[np.arange(7), LABELS].mean()
    assert float(classification_loss(tf.constant(LOGITS), LABELS)) == pytest.approx(expected, rel=1e-12)


def test_classification_agrees_with_keras() -> None:
    theirs = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(LABELS, tf.constant(LOGITS))
    assert float(classification_loss(tf.constant(LOGITS), LABELS)) == pytest.approx(float(theirs), rel=1e-6)


def test_distillation() -> None:
    expected = -(np.exp(log_softmax(TEACHER)) * log_softmax(LOGITS)).sum(axis=1).mean()
    loss = distillation_loss(tf.constant(LOGITS), tf.constant(TEACHER))
    assert float(loss) == pytest.approx(expected, rel=1e-12)


def test_divergence_from_a_teacher() -> None:
    wanted, given = log_softmax(TEACHER / 3), log_softmax(LOGITS / 3)
    expected = 9 * (np.exp(wanted) * (wanted - given)).sum(axis=1).mean()
    loss = teacher_divergence(tf.constant(LOGITS), tf.constant(TEACHER), temperature=3)
    assert float(loss) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("end", [End("sigmoid"), End("sigmoid", is_binary=True)])
def test_divergence_where_every_logit_has_a_sigmoid(end: End) -> None:
    def both(logits: np.ndarray) -> np.ndarray:
        likely = 1 / (1 + np.exp(-logits / 3))
        return np.stack([likely, 1 - likely])

    size = 1 if end.is_binary else 4
    student, teacher = LOGITS[:, :size], TEACHER[:, :size]
    expected = 9 * (both(teacher) * np.log(both(teacher) / both(student))).sum(axis=0).mean()
    loss = teacher_divergence(tf.constant(student), tf.constant(teacher), temperature=3, end=end)
    assert float(loss) == pytest.approx(expected, rel=1e-9)


def test_the_size_of_gradients_towards_a_teacher_hardly_depends_on_the_temperature() -> None:
    student, teacher = tf.constant(LOGITS), tf.constant(TEACHER)

    def gradient(temperature: float) -> np.ndarray:
        with tf.GradientTape() as tape:
            tape.watch([student, teacher])
            loss = teacher_divergence(student, teacher, temperature=temperature)
        of_student, of_teacher = tape.gradient(loss, [student, teacher])
        assert of_teacher is None
        return of_student.numpy()

    # At high temperatures the gradient is that of squared differences of centred logits, see the source.
    centred = [logits - logits.mean(axis=1, keepdims=True) for logits in (LOGITS, TEACHER)]
    np.testing.assert_allclose(gradient(1e4), (centred[0] - centred[1]) / 4 / 7, rtol=1e-2, atol=1e-4)
    assert 0.5 < np.linalg.norm(gradient(2.0)) / np.linalg.norm(gradient(4.0)) < 2


def test_the_teacher_learns_nothing_and_the_student_what_is_left() -> None:
    student, teacher = tf.constant(LOGITS), tf.constant(TEACHER)
    with tf.GradientTape() as tape:
        tape.watch([student, teacher])
        loss = distillation_loss(student, teacher)
    of_student, of_teacher = tape.gradient(loss, [student, teacher])
    assert of_teacher is None
    difference = np.exp(log_softmax(LOGITS)) - np.exp(log_softmax(TEACHER))
    np.testing.assert_allclose(of_student, difference / 7, rtol=1e-9, atol=1e-12)


def test_large_logits_stay_finite() -> None:
    logits = tf.constant([[1e4, -1e4], [-1e4, 1e4]])
    assert float(classification_loss(logits, np.array([0, 0]))) == pytest.approx(1e4)
    assert np.isfinite(distillation_loss(logits, -logits))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_lifted(dtype: str) -> None:
    logits = tf.cast(LOGITS, dtype)
    for loss in (classification_loss(logits, LABELS), distillation_loss(logits, logits)):
        assert loss.dtype == tf.float32
    expected = -log_softmax(LOGITS)[np.arange(7), LABELS].mean()
    assert float(classification_loss(logits, LABELS)) == pytest.approx(expected, rel=0.02)


def test_accuracy() -> None:
    hits = LOGITS.argmax(axis=1) == LABELS
    assert float(accuracy(tf.constant(LOGITS), LABELS)) == pytest.approx(hits.mean())
    assert float(accuracy(tf.constant(LOGITS), LABELS.astype("int64"))) == pytest.approx(hits.mean())


PER_CLASS, BINARY = End("sigmoid"), End("sigmoid", is_binary=True)


def test_every_class_of_its_own_has_a_binary_loss() -> None:
    theirs = keras.losses.BinaryCrossentropy(from_logits=True)(np.eye(4)[LABELS], tf.constant(LOGITS))
    assert float(classification_loss(tf.constant(LOGITS), LABELS, PER_CLASS)) == pytest.approx(
        float(theirs), rel=1e-6
    )


def test_one_logit_tells_two_classes_apart() -> None:
    logits, labels = tf.constant(LOGITS[:, :1]), LABELS % 2
    theirs = keras.losses.BinaryCrossentropy(from_logits=True)(labels[:, None], logits)
    assert float(classification_loss(logits, labels, BINARY)) == pytest.approx(float(theirs), rel=1e-6)
    assert float(accuracy(logits, labels)) == pytest.approx(((LOGITS[:, 0] > 0) == labels).mean())


def test_binary_losses_of_large_logits_stay_finite() -> None:
    assert float(classification_loss(tf.constant([[1e4], [-1e4]]), np.array([0, 0]), BINARY)) == 5e3


@pytest.mark.parametrize("end", [LOGITS_END, End("softmax"), BINARY])
def test_probabilities_of_classes_that_exclude_each_other_add_up(end: End) -> None:
    logits = LOGITS[:, :1] if end.is_binary else LOGITS
    shares = np.asarray(class_probabilities(tf.constant(logits), end))
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(shares.argmax(axis=1), predicted_classes(tf.constant(logits)))


def test_probabilities_of_a_sigmoid_per_class() -> None:
    shares = class_probabilities(tf.constant(LOGITS), PER_CLASS)
    np.testing.assert_allclose(shares, 1 / (1 + np.exp(-LOGITS)), rtol=1e-12)
