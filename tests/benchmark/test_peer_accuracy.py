"""The comparison of accuracies with torch-pruning: the network it is told, and both sides where it is there."""

import importlib.util
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops

from library.described import described
from library.results import read_results


def network() -> keras.Model:
    """Return a residual network whose shortcut has no parameters."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", name="stem")(image)))
    for number, stride in enumerate((1, 2)):
        y = layers.Conv2D(
            8 * stride, 3, strides=stride, padding="same", activation="relu", name=f"inner{number}"
        )(x)
        y = layers.Conv2D(8 * stride, 3, padding="same", use_bias=False, name=f"outer{number}")(y)
        y = layers.BatchNormalization()(y)
        if stride == 2:
            x = ops.pad(x[:, ::2, ::2, :], [[0, 0], [0, 0], [0, 0], [4, 4]])
        x = layers.Add()([x, y])
    return keras.Model(image, layers.Dense(4, name="logits")(layers.GlobalAveragePooling2D()(x)))


def test_every_layer_becomes_a_step_that_names_what_it_reads() -> None:
    model = network()
    steps, weights = described(model)
    names = [step["name"] for step in steps]
    assert len(set(names)) == len(names)
    for number, step in enumerate(steps):
        assert set(step["reads"]) <= {"input", *names[:number]}
    assert [step["do"] for step in steps if step["name"].startswith("inner0")] == ["convolution", "relu"]
    assert [step["do"] for step in steps][-2:] == ["GlobalAveragePooling2D", "Dense"]
    assert weights["outer1.weight"].shape == (16, 16, 3, 3)
    np.testing.assert_array_equal(weights["logits.weight"], np.asarray(model.get_layer("logits").kernel).T)
    assert sum(weight.size for weight in weights.values()) == model.count_params()


def test_a_layer_that_has_no_step_is_named() -> None:
    image = keras.Input((8, 8, 3))
    with pytest.raises(TypeError, match="LayerNormalization"):
        described(keras.Model(image, layers.LayerNormalization()(image)))


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("torch_pruning") is None, reason="torch-pruning is not installed"
)
def test_both_sides_cut_the_same(program, tmp_path) -> None:
    network().save(tmp_path / "own.keras")
    results = tmp_path / "peers_accuracy.jsonl"
    arguments = ["--torch-python", sys.executable, "--model", str(tmp_path / "own.keras"), "--pixels", "0:1"]
    data = ["--dataset", "digits", "--head", "ridge", "--images", "200", "--budgets", "0.5"]
    program("peers_accuracy").main([*arguments, *data, "--results", str(results)])
    (record,) = read_results(results)
    assert len(record["figures"]["torch-pruning"]) == 10
    assert "| own, digits, 200 | 0.5 |" in program("render").page(tmp_path)
