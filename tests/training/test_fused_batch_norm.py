"""Batch normalisation in one kernel is what Keras computes, and layers are what they were behind it."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from stamp_tf.backend import value_and_gradient
from stamp_tf.training.forward import forward
from stamp_tf.training.fused_batch_norm import fused

IMAGES = np.random.default_rng(0).standard_normal((6, 5, 4, 3)).astype("float32") * 3 + 1


def network(**options):
    image = keras.Input((5, 4, 3))
    norm = layers.BatchNormalization(
        momentum=0.7, gamma_initializer="random_normal", beta_initializer="random_normal", **options
    )
    x = norm(layers.Conv2D(8, 3, name="conv")(image))
    return keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(layers.ReLU()(x))))


def passed(model, run, images=IMAGES):
    """Return outputs, moved statistics and gradients of a pass in training mode."""
    weights = [weight.value for weight in model.trainable_variables]
    statistics = [other.value for other in model.non_trainable_variables]

    def loss(values):
        logits, moved = run(model, values, statistics, images=images)
        return ops.sum(ops.square(logits)), (logits, moved)

    (_, (logits, moved)), gradients = value_and_gradient(loss, weights)
    return [ops.convert_to_numpy(value) for value in (logits, *moved, *gradients)]


def as_keras_does(model, weights, statistics, images):
    return model.stateless_call(weights, statistics, images, training=True)


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}, {"axis": 3, "epsilon": 0.1}])
def test_it_is_what_keras_computes(options):
    model = network(**options)
    for own, keras_own in zip(passed(model, forward), passed(model, as_keras_does), strict=True):
        np.testing.assert_allclose(own, keras_own, rtol=2e-4, atol=2e-5)


def test_one_kernel_takes_part(monkeypatch):
    calls = []

    def counted(inputs, **options):
        calls.append(inputs.shape)
        return kernel(inputs, **options)

    from stamp_tf.training import fused_batch_norm as module

    kernel = module.fused_batch_norm
    monkeypatch.setattr(module, "fused_batch_norm", counted)
    passed(network(), forward)
    assert calls == [(6, 3, 2, 8)]


def test_a_single_value_has_no_variance():
    model = network()
    images = IMAGES[:1, :3, :3]
    twin = keras.Model(model.input, model.layers[2].output)
    outputs, moved = forward(
        twin,
        [weight.value for weight in twin.trainable_variables],
        [other.value for other in twin.non_trainable_variables],
        images=images,
    )
    np.testing.assert_allclose(moved[1], 0.7 * np.ones(8), rtol=1e-6)
    assert np.isfinite(ops.convert_to_numpy(outputs)).all()


@pytest.mark.parametrize(
    "options", [{"axis": 1}, {"trainable": False}, {"renorm": True}], ids=["axis", "frozen", "renorm"]
)
def test_what_no_kernel_does_is_left_to_keras(options):
    model = network(**options)
    for own, keras_own in zip(passed(model, forward), passed(model, as_keras_does), strict=True):
        np.testing.assert_array_equal(own, keras_own)


def test_double_precision_is_left_to_keras(float64):
    model = network()
    for own, keras_own in zip(passed(model, forward), passed(model, as_keras_does), strict=True):
        np.testing.assert_array_equal(own, keras_own)


class Derived(layers.BatchNormalization):
    """Computes something of its own."""

    def call(self, inputs, training=None, mask=None):
        return inputs + 1


def test_layers_are_what_they_were_behind_it():
    norms = [layers.BatchNormalization(), Derived()]
    kinds = [layers.BatchNormalization, Derived]
    with fused(norms):
        assert type(norms[0]) is not layers.BatchNormalization
        assert type(norms[1]) is Derived
    assert [type(norm) for norm in norms] == kinds
    with pytest.raises(KeyError), fused(norms):
        raise KeyError
    assert [type(norm) for norm in norms] == kinds


def test_bfloat16_differs_by_its_rounding():
    keras.utils.set_random_seed(0)
    model = network(dtype="mixed_bfloat16")
    own, keras_own = passed(model, forward), passed(model, as_keras_does)
    assert own[0].dtype == keras_own[0].dtype
    for one, other in zip(own, keras_own, strict=True):
        assert np.abs(one - other).max() <= 0.03 * np.abs(other).max()
