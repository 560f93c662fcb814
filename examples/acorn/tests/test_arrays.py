"""What was written can be read with NumPy alone."""

import json

import keras
import numpy as np

from acorn.arrays import export_arrays
from stamp_tf.data import Normalization
from stamp_tf.testing import check_exporter


def test_it_is_an_exporter():
    check_exporter(export_arrays, suffix=".npz")


def test_weights_come_back(tmp_path):
    inputs = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2, name="logits")(pooled))
    normalization = Normalization((0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    path = export_arrays(
        model, tmp_path / "model.npz", class_names=("cat", "dog"), normalization=normalization
    )
    with np.load(path) as arrays:
        np.testing.assert_array_equal(arrays["logits/kernel"], model.layers[-1].kernel)
        assert json.loads(str(arrays["card"]))["class_names"] == ["cat", "dog"]
