"""Heads that are convolutions of one pixel become dense layers that do the same."""

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.backbones.dense_head import with_dense_head
from stamp_tf.backbones.end import split_end
from stamp_tf.references.model_reference import reference_of_model

IMAGES = np.random.default_rng(0).normal(size=(3, 8, 8, 3)).astype("float32")


def network(*end: keras.Layer) -> keras.Model:
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, activation="relu", name="stem")(image)
    for layer in end:
        x = layer(x)
    return keras.Model(image, x)


ENDS = {
    "behind pooling": lambda: [
        layers.GlobalAveragePooling2D(keepdims=True),
        layers.Conv2D(4, 1, name="logits"),
        layers.Flatten(),
    ],
    "before pooling": lambda: [layers.Conv2D(4, 1, name="logits"), layers.GlobalAveragePooling2D()],
    "reshaped": lambda: [
        layers.GlobalMaxPooling2D(keepdims=True),
        layers.Conv2D(4, 1, use_bias=False, name="logits"),
        layers.Reshape((4,)),
    ],
}


@pytest.mark.parametrize("end", ENDS)
def test_it_ends_in_a_dense_layer_and_computes_the_same(end: str) -> None:
    model = network(*ENDS[end]())
    model.get_layer("logits").set_weights(
        [np.random.default_rng(1).normal(size=each.shape) for each in model.get_layer("logits").get_weights()]
    )
    dense = with_dense_head(model)
    assert type(dense.layers[-1]) is layers.Dense
    np.testing.assert_allclose(dense(IMAGES), model(IMAGES), rtol=1e-5, atol=1e-5)


OTHERS = {
    "dense": lambda: [layers.Flatten(), layers.Dense(4)],
    "wider": lambda: [layers.Conv2D(4, 6, name="logits"), layers.Flatten()],
    "many pixels": lambda: [layers.Conv2D(4, 1, name="logits"), layers.Flatten()],
    "not linear": lambda: [layers.Conv2D(4, 1, activation="relu"), layers.GlobalAveragePooling2D()],
    "the largest": lambda: [layers.Conv2D(4, 1), layers.GlobalMaxPooling2D()],
}


@pytest.mark.parametrize("end", OTHERS)
def test_other_ends_are_left_alone(end: str) -> None:
    model = network(*OTHERS[end]())
    assert with_dense_head(model) is model


def test_a_reference_gets_other_classes() -> None:
    model = network(*ENDS["behind pooling"](), layers.Softmax())
    reference = reference_of_model(model, pixels="0:1")
    assert reference.backbone.build(num_classes=7).output_shape == (None, 7)
    assert reference.backbone.end.activation == "softmax"
    logits, _ = split_end(model)
    np.testing.assert_allclose(reference.model(IMAGES), logits(IMAGES), rtol=1e-5, atol=1e-5)
