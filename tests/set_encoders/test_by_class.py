"""A labelled set is encoded class by class."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from stamp_tf.set_encoders.by_class import encode_by_class
from stamp_tf.set_encoders.images import Images
from stamp_tf.set_encoders.set_transformer import SetTransformer

IMAGES = np.random.default_rng(0).normal(size=(12, 8, 8, 3)).astype("float32")
LABELS = np.array([2, 0, 1, 1, 0, 2, 0, 2, 1, 1, 2, 0])


def means(images):
    return ops.mean(images, axis=0, keepdims=True), [ops.sum(images)]


def test_each_class_is_encoded_alone():
    encoded, classes, losses = encode_by_class(means, IMAGES, LABELS, num_classes=3)
    np.testing.assert_allclose(encoded, [IMAGES[label == LABELS].mean(0) for label in range(3)], rtol=1e-5)
    np.testing.assert_array_equal(classes, np.eye(3))
    assert len(losses) == 3


def test_every_vector_of_a_class_is_marked_as_its_own():
    encoder = SetTransformer(num_outputs=2, width=8, num_heads=2)
    encoded, classes, _ = encode_by_class(lambda x: (encoder(x), []), IMAGES, LABELS, num_classes=3)
    assert encoded.shape == (6, 8, 8, 3)
    np.testing.assert_array_equal(classes, np.repeat(np.eye(3), 2, axis=0))
    np.testing.assert_allclose(encoded[2:4], encoder(IMAGES[LABELS == 1]), atol=1e-6)


def test_images_that_stand_for_themselves_keep_their_order():
    encoder = Images()
    encoded, classes, _ = encode_by_class(
        lambda x: (encoder(x), []), IMAGES, LABELS, num_classes=3, keeps_images=encoder.keeps_images
    )
    np.testing.assert_array_equal(encoded, IMAGES)
    np.testing.assert_array_equal(classes, np.eye(3)[LABELS])


def test_images_are_a_layer_that_can_be_rebuilt_and_learns_nothing():
    encoder = Images()
    assert encoder.compute_output_shape((None, 8, 8, 3)) == (None, 8, 8, 3)
    rebuilt = Images.from_config(json.loads(json.dumps(encoder.get_config())))
    np.testing.assert_array_equal(rebuilt(IMAGES), IMAGES)
    assert not encoder.weights
    assert isinstance(
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(encoder)), Images
    )


def test_images_without_colours_are_refused():
    with pytest.raises(ValueError, match="ndim"):
        Images()(np.zeros((5, 8, 8), "float32"))
