"""The head in closed form: a network's last layer."""

import keras
import numpy as np
import pytest

from stamp_tf.data import ImageSet, Normalization
from stamp_tf.ends import End
from stamp_tf.errors import StampError
from stamp_tf.training.fit_head import fit_head, usual_head

NORMALIZATION = Normalization((0.5,) * 3, (0.2,) * 3)


@pytest.mark.parametrize("method", [None, "logistic", "ridge"])
def test_it_overwrites_only_the_last_layer(method: str | None) -> None:
    inputs = keras.Input((32, 32, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2)(pooled))
    kernel = np.array(model.layers[1].kernel)
    rng = np.random.default_rng(0)
    labels = np.arange(20, dtype="int32") % 2
    images = (rng.integers(0, 100, (20, 32, 32, 3)) + 100 * labels[:, None, None, None]).astype("uint8")
    some = ImageSet(images, labels, 2, class_names=("a", "b"))
    fit_head(model, some, normalization=NORMALIZATION, method=method)
    np.testing.assert_array_equal(kernel, np.array(model.layers[1].kernel))
    logits = model.predict_on_batch(NORMALIZATION(images))
    assert (np.argmax(logits, 1) == labels).all()


@pytest.mark.parametrize("method", ["logistic", "ridge"])
@pytest.mark.parametrize("end", [End("softmax"), End("sigmoid", is_binary=True)], ids=["softmax", "binary"])
def test_a_layer_without_a_bias_tells_classes_apart_as_one_with_it_does(end: End, method: str) -> None:
    inputs = keras.Input((1, 1, 3))
    head = keras.layers.Dense(end.num_logits(2), use_bias=False)
    model = keras.Model(inputs, head(keras.layers.Flatten()(inputs)))
    rng = np.random.default_rng(0)
    labels = np.arange(60, dtype="int32") % 2
    # Both classes lie on one side of the origin.
    images = (
        rng.normal(0, 4, (60, 1, 1, 3)) + [200, 120, 150] + [30, 0, 0] * labels[:, None, None, None]
    ).astype("uint8")
    some = ImageSet(images, labels, 2, class_names=("a", "b"))
    normalization = Normalization((0.0,) * 3, (1.0,) * 3)
    fit_head(model, some, normalization=normalization, end=end, method=method)
    logits = model.predict_on_batch(normalization(images))
    found = logits[:, 0] > 0 if end.is_binary else np.argmax(logits, 1)
    assert (found == labels).mean() > 0.95


def test_a_network_without_a_dense_end_is_refused() -> None:
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, keras.layers.Softmax()(keras.layers.GlobalAveragePooling2D()(inputs)))
    images = ImageSet(np.zeros((4, 8, 8, 3), "uint8"), np.zeros(4, "int32"), 3, class_names=("a", "b", "c"))
    with pytest.raises(StampError, match="A head is fitted where a network ends in a dense layer"):
        fit_head(model, images, normalization=NORMALIZATION)


def test_features_that_are_not_finite_are_refused() -> None:
    inputs = keras.Input((4, 4, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(np.inf)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2, name="logits")(x), name="toy")
    images = ImageSet(
        np.full((6, 4, 4, 3), 9, "uint8"), np.arange(6, dtype="int32") % 2, 2, class_names=("a", "b")
    )
    with pytest.raises(StampError, match="toy gives NaN or infinity for 6 of 6 training images"):
        fit_head(model, images, normalization=NORMALIZATION)


def test_classes_that_do_not_exclude_each_other_are_told_apart_one_by_one() -> None:
    assert usual_head(End("sigmoid")) == "ridge"
    assert usual_head(End("sigmoid", is_binary=True)) == "logistic"
    assert usual_head(End("softmax")) == usual_head(End()) == "logistic"
