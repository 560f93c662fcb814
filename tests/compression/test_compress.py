"""Zeros, shared values and 8 bits, and the files that a run has of them."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import stamp_tf
from stamp_cli.main import stamp_tf as command_line
from stamp_tf.data import DataSet, Normalization, load_dataset


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load_dataset("digits", train_size=256)


@pytest.fixture
def network() -> keras.Model:
    """For digits, with an operation in its midst and a softmax at its end."""
    image = keras.Input((8, 8, 1), name="image")
    x = keras.layers.Conv2D(12, 3, padding="same", use_bias=False, name="first")(image)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = x + keras.layers.Conv2D(12, 3, padding="same", activation="relu", name="second")(x)
    x = keras.layers.Flatten()(x[:, ::2, ::2])
    return keras.Model(image, keras.layers.Dense(10, activation="softmax", name="head")(x), name="small")


def test_quantisation_is_simulated_from_the_ranges_that_there_are(
    network: keras.Model, digits: DataSet
) -> None:
    from stamp_tf.backbones.end import split_end
    from stamp_tf.compression.rebuild import rebuild
    from stamp_tf.compression.wrappers import wrap

    images = 100 * Normalization((0.3,), (0.4,))(digits.train.images[:32])
    rebuilt = rebuild(split_end(network)[0])
    expected = np.asarray(rebuilt(images, training=False))
    found = np.asarray(wrap(rebuilt, "qat", images=images, num_steps=1).model(images, training=True))
    # From the ranges that TensorFlow Model Optimization begins with, nearly all of it would be cut off.
    assert 0 < np.linalg.norm(found - expected) < 0.05 * np.linalg.norm(expected)


@pytest.mark.parametrize(
    ("kind", "holds"),
    [
        ("sparsity", lambda kernel: np.mean(kernel == 0) == pytest.approx(0.5, abs=0.01)),
        ("clustering", lambda kernel: len(np.unique(kernel)) <= 16),
        ("qat", lambda kernel: len(np.unique(kernel)) > 1000),
    ],
)
def test_kernels_become_what_was_asked_for(network: keras.Model, digits: DataSet, kind: str, holds) -> None:
    from stamp_tf.compression.compress import compress

    start = network.get_weights()
    normalization = Normalization((0.3,), (0.4,))
    found = compress(network, digits, kind, normalization=normalization, epochs=6, seed=0)
    assert all(holds(found.get_layer(name).kernel.numpy()) for name in ("second", "head"))
    np.testing.assert_array_equal(network.get_weights()[0], start[0])
    assert not np.array_equal(found.get_layer("first").kernel, network.get_layer("first").kernel)
    images = normalization(digits.test.images[:64])
    before, after = (np.asarray(model(images)) for model in (network, found))
    np.testing.assert_allclose(after.sum(-1), 1, rtol=1e-5)
    # It answers as it did.
    assert np.corrcoef(np.log(before).ravel(), np.log(after).ravel())[0, 1] > 0.9


def test_a_run_has_files_of_it_and_so_does_a_finished_one(
    network: keras.Model, digits: DataSet, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    options = {"max_flops": 0.5, "finetune": stamp_tf.FinetuneConfig(epochs=1), "method": "l1"}
    result = stamp_tf.prune("digits", network, pixels="0:1", **options)
    formats = ["litert-int8", "litert-int8+qat"]
    report = stamp_tf.export_run(result, run, exports=formats, compress_epochs=1, speed=False)
    files = {file.format: file for file in report.files}
    assert files["litert-int8+qat"].path == "model_int8_qat.tflite"
    assert files["litert-int8+qat"].accuracy is not None
    assert files["litert-int8"].gzip_bytes < files["litert-int8"].num_bytes
    assert json.loads((run / "exports.json").read_text())["exports"][1]["format"] == "litert-int8+qat"
    typed = ["export", str(run), "--format", "litert", "--compress", "sparsity", "--compress-epochs", "1"]
    done = CliRunner().invoke(command_line, typed)
    assert done.stdout.startswith(f"Wrote {run / 'model_sparsity.tflite'}  ("), done.stderr
    assert "zipped" in done.stdout
    assert "an image)" in done.stdout
