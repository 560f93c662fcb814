"""The losses of reference training, and the optimizer of its weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from stamp_tf.channels import ChannelCut, CostModel, mask_kernels, trace_channels
from stamp_tf.losses import classification_loss, distillation_loss
from stamp_tf.training.budget_loss import budget_loss, plain_loss
from stamp_tf.training.reference_steps import make_weight_optimizer


class Toy:
    """A small network with what its losses take."""

    def __init__(self) -> None:
        keras.utils.set_random_seed(0)
        inputs = keras.Input((8, 8, 3))
        x = keras.layers.Conv2D(6, 3, name="conv")(inputs)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(name="norm")(x))
        x = keras.layers.GlobalAveragePooling2D()(x)
        self.model = keras.Model(inputs, keras.layers.Dense(4, name="logits")(x))
        channel_map = trace_channels(self.model)
        self.cut = ChannelCut(channel_map, CostModel(self.model, channel_map))
        self.weights = [variable.value for variable in self.model.trainable_variables]
        self.statistics = [variable.value for variable in self.model.non_trainable_variables]
        rng = np.random.default_rng(0)
        self.images = rng.normal(size=(9, 8, 8, 3)).astype("float32")
        self.labels = rng.integers(0, 4, 9).astype("int32")
        self.scores = tf.constant(rng.normal(size=6).astype("float32"))

    def budget_loss(self, scores: tf.Tensor, max_flops: float) -> tuple:
        limits = np.array([np.inf, max_flops], "float32")
        middle = np.full(6, 0.5, "float32")  # No noise.
        return budget_loss(
            self.model,
            self.cut,
            weights=self.weights,
            scores=scores,
            statistics=self.statistics,
            images=self.images,
            labels=self.labels,
            limits=limits,
            uniform=middle,
        )


def test_the_loss_at_a_budget_is_full_plus_half_taught_plus_half_labelled() -> None:
    toy = Toy()
    loss, (statistics, figures) = toy.budget_loss(toy.scores, 0.5)
    full, (full_statistics, _) = plain_loss(
        toy.model, toy.weights, toy.statistics, images=toy.images, labels=toy.labels
    )
    logits, _ = toy.model.stateless_call(toy.weights, toy.statistics, toy.images, training=True)
    mask = toy.cut.straight_through(toy.scores, tf.constant([np.inf, 0.5]))
    paths = [variable.path for variable in toy.model.trainable_variables]
    masked_weights = mask_kernels(toy.cut.channel_map, paths, weights=toy.weights, mask=mask)
    masked, _ = toy.model.stateless_call(masked_weights, toy.statistics, toy.images, training=True)
    expected = full + 0.5 * distillation_loss(masked, logits) + 0.5 * classification_loss(masked, toy.labels)
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)
    assert float(figures["keep_ratio"]) == pytest.approx(float(tf.reduce_mean(mask)))
    # Only the full network moves the statistics.
    for ours, theirs in zip(statistics, full_statistics, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_scores_learn_from_the_masked_network() -> None:
    toy = Toy()
    with tf.GradientTape() as tape:
        tape.watch(toy.scores)
        loss, _ = toy.budget_loss(toy.scores, 0.5)
    gradient = tape.gradient(loss, toy.scores)
    assert np.abs(gradient).max() > 0
    # A common shift changes nothing, so the pushes add up to nothing.
    assert abs(float(tf.reduce_sum(gradient))) < 1e-6


def test_decay_spares_biases_and_normalisation() -> None:
    model = Toy().model
    optimizer = make_weight_optimizer(weight_decay=0.1)
    optimizer.learning_rate = 1.0
    optimizer.build(model.trainable_variables)
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    optimizer.apply(
        [tf.zeros(variable.shape) for variable in model.trainable_variables], model.trainable_variables
    )
    decayed = {v.path for v in model.trainable_variables if not np.allclose(v, 1)}
    assert decayed == {"conv/kernel", "logits/kernel"}
