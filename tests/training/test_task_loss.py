"""The loss with a mask made for a task."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from stamp_tf.channels import ChannelCut, CostModel, mask_kernels, trace_channels
from stamp_tf.layers.class_separation import ClassSeparation
from stamp_tf.losses import classification_loss, distillation_loss
from stamp_tf.training.budget_loss import plain_loss
from stamp_tf.training.class_statistics import ClassStatistics
from stamp_tf.training.task_loss import TaskInputs, TaskLoss

NUM_CLASSES, NUM_CHANNELS = 5, 14
ALL = np.ones(NUM_CLASSES, "float32")
SOME = np.array([1, 0, 1, 0, 0], "float32")


class Toy:
    """A small network, its generator and statistics of five classes."""

    def __init__(self) -> None:
        keras.utils.set_random_seed(0)
        inputs = keras.Input((8, 8, 3))
        x = keras.layers.Conv2D(6, 3, name="conv1")(inputs)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(name="norm1")(x))
        x = keras.layers.Conv2D(8, 3, name="conv2")(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(name="norm2")(x))
        x = keras.layers.GlobalAveragePooling2D()(x)
        self.model = keras.Model(inputs, keras.layers.Dense(NUM_CLASSES, name="logits")(x))
        channel_map = trace_channels(self.model)
        self.cut = ChannelCut(channel_map, CostModel(self.model, channel_map))
        self.generator = ClassSeparation([6, 8])
        self.generator.build((None, NUM_CHANNELS))
        self.loss = TaskLoss(self.model, self.cut, self.generator)
        self.weights = [variable.value for variable in self.model.trainable_variables]
        self.statistics = [variable.value for variable in self.model.non_trainable_variables]
        rng = np.random.default_rng(0)
        self.images = rng.normal(size=(10, 8, 8, 3)).astype("float32")
        self.labels = np.arange(10, dtype="int32") % NUM_CLASSES
        self.task_images = rng.normal(size=(6, 8, 8, 3)).astype("float32")
        self.task_labels = np.array([0, 2, 0, 2, 0, 2], "int32")
        self.scores = rng.normal(size=NUM_CHANNELS).astype("float32")
        moments = ClassStatistics(NUM_CLASSES, NUM_CHANNELS)
        pooled = rng.random((50, NUM_CHANNELS)).astype("float32")
        moments.measure(
            pooled + 2 * rng.random((50, 1)) * (np.arange(50)[:, None] % 5 == 2), np.arange(50) % 5
        )
        self.sketch, self.classes = moments.sketch()
        self.generator.learn_reference(self.sketch, self.classes)

    def __call__(
        self, in_task: np.ndarray, *, gains: tf.Tensor | None = None, max_flops: float = 0.5
    ) -> tuple:
        task = TaskInputs(
            self.task_images,
            self.task_labels,
            in_task,
            np.array([np.inf, max_flops], "float32"),
            np.full(NUM_CHANNELS, 0.5, "float32"),  # no noise
        )
        gains = tf.constant([0.5, 2.0]) if gains is None else gains
        return self.loss(
            self.weights,
            tf.constant(self.scores),
            [gains],
            self.statistics,
            self.images,
            self.labels,
            task=task,
            sketch=self.sketch,
            sketch_classes=self.classes,
        )

    def offsets(self, in_task: np.ndarray) -> np.ndarray:
        self.generator.gains.assign([0.5, 2.0])
        uniform = np.full((2, NUM_CHANNELS), 0.5, "float32")
        return np.asarray(self.generator(self.sketch, uniform, classes=self.classes * in_task)[0])


def test_it_is_the_full_loss_and_half_of_both_for_the_network_masked_for_the_task() -> None:
    toy = Toy()
    loss, (statistics, _, figures) = toy(SOME)
    full, (full_statistics, _) = plain_loss(toy.model, toy.weights, toy.statistics, toy.images, toy.labels)
    mask = toy.cut.straight_through(
        tf.constant(toy.scores + toy.offsets(SOME)), tf.constant([np.inf, 0.5], tf.float32)
    )
    paths = [variable.path for variable in toy.model.trainable_variables]
    masked_weights = mask_kernels(toy.cut.channel_map, paths, toy.weights, mask)
    masked, _ = toy.model.stateless_call(masked_weights, toy.statistics, toy.task_images, training=True)
    teacher, _ = toy.model.stateless_call(toy.weights, toy.statistics, toy.task_images, training=False)
    # Among the task's two classes only, as if the head had no other.
    masked, teacher = (tf.gather(logits, [0, 2], axis=1) for logits in (masked, teacher))
    labelled = classification_loss(masked, toy.task_labels // 2)
    expected = full + 0.5 * distillation_loss(masked, teacher) + 0.5 * labelled
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    assert float(figures["keep_ratio"]) == pytest.approx(float(tf.reduce_mean(mask)))
    for found, wanted in zip(statistics, full_statistics, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_the_task_decides_about_the_mask() -> None:
    toy = Toy()
    assert np.abs(toy.offsets(SOME)).max() > 0.1


def test_a_task_of_all_classes_keeps_the_learnt_order() -> None:
    np.testing.assert_allclose(Toy().offsets(ALL), 0, atol=1e-3)


def test_gains_get_a_gradient_from_a_task_and_none_from_all_classes() -> None:
    toy = Toy()
    gradients = {}
    for name, classes in (("some", SOME), ("all", ALL)):
        gains = tf.constant([0.5, 2.0])
        with tf.GradientTape() as tape:
            tape.watch(gains)
            loss = toy(classes, gains=gains)[0]
        gradients[name] = np.abs(tape.gradient(loss, gains).numpy()).max()
    assert gradients["some"] > 1e-3
    assert gradients["all"] < 1e-2 * gradients["some"]


def test_it_tells_what_the_channels_did_on_the_batch_of_all_classes() -> None:
    toy = Toy()
    pooled = toy(SOME)[1][1]
    last = keras.Model(toy.model.input, toy.model.layers[-1].input)
    np.testing.assert_allclose(pooled[:, 6:], last(toy.images, training=True), rtol=1e-5, atol=1e-6)
