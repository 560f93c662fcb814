"""The README's Python lines, run as they stand but for the length of training."""

import dataclasses
import re
from pathlib import Path

import keras
import numpy as np
import pytest

import stamp_tf
from stamp_tf.data import load_dataset
from stamp_tf.errors import StampError
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.references.bundled import bundled_names
from stamp_tf.references.model_reference import reference_of_model

README = Path(__file__).parents[1] / "README.md"
# What the README's lines leave at its default or set to what a real run needs -> what a test has time for,
# block by block.
SHORTER = (
    {
        '"digits", max_flops=0.25': '"digits", max_flops=0.25, finetune=Short(epochs=1)',
        '"runs/digits")': '"runs/digits", speed=False)',
    },
    {},
    {
        'backbone_options={"width": 0.25}': 'backbone_options={"width": 0.05}, epochs=1, budget_epochs=1',
        "outer_steps=200": "outer_steps=1, tasks=1, ways=2, shots=10, inner_batches=1",
        '"cifar10", reference, max_flops=0.25': '"cifar10", reference, max_flops=0.25, finetune=Short(epochs=1)',
    },
)
DATASETS = """
import numpy as np
from stamp_tf.data import DataSet, ImageSet

def colours(num_classes):
    def load(argument, options):
        labels = np.tile(np.arange(num_classes, dtype=np.int32), 12)
        noise = np.random.default_rng(0).integers(0, 40, (len(labels), 32, 32, 3))
        images = (noise + (200 * labels / num_classes)[:, None, None, None]).astype(np.uint8)
        names = tuple(f"colour {label}" for label in range(num_classes))
        part = ImageSet(images, labels, num_classes, class_names=names)
        return DataSet(f"cifar{num_classes}", part, part)
    return load

cifar10, cifar100 = colours(5), colours(6)
"""


def shorter(block: int) -> str:
    """Return a block of the README's Python, made shorter."""
    code = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[block]
    for line, replacement in SHORTER[block].items():
        assert line in code, f"the README no longer has {line}"
        code = code.replace(line, replacement)
    return code


@pytest.fixture
def toy_sets(make_plugin, tmp_path, monkeypatch):
    """Put toy images in the place of CIFAR-10 and CIFAR-100, and a fresh folder below the feet."""
    lines = ["cifar10 = colours:cifar10", "cifar100 = colours:cifar100"]
    make_plugin("colours", {"stamp_tf.datasets": lines}, DATASETS)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def reference():
    """A reference of the size of digits with random weights; not to be changed."""
    image = x = keras.Input((8, 8, 1), name="image")
    for index, channels in enumerate((6, 8, 10), start=1):
        x = keras.layers.Conv2D(channels, 3, padding="same", activation="relu", name=f"conv{index}")(x)
    logits = keras.layers.Dense(10, name="logits")(keras.layers.GlobalAveragePooling2D(name="pool")(x))
    found = reference_of_model(keras.Model(image, logits, name="small"), pixels="standardized")
    return dataclasses.replace(found, scores=np.linspace(-1, 1, found.channel_map.num_channels))


@pytest.mark.slow
@pytest.mark.skipif("vgg19" not in bundled_names(), reason="the bundled reference is not there yet")
def test_readme_prunes_the_bundled_reference(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"Short": FinetuneConfig}
    exec(shorter(0), names)
    assert names["result"].flops_fraction <= 0.25
    assert Path("runs/digits/saved_model/saved_model.pb").exists()


@pytest.mark.slow
def test_readme_removes_channels_of_any_network():
    names = {"stamp_tf": stamp_tf}
    exec(shorter(1), names)
    assert names["small"].get_layer("conv1_conv").filters == 32


@pytest.mark.slow
def test_readme_makes_a_reference(toy_sets, eager_steps):
    names = {"stamp_tf": stamp_tf, "Short": FinetuneConfig}
    with eager_steps():
        exec(shorter(2), names)
    assert names["result"].flops_fraction <= 0.25
    assert Path("runs/meta/reference.npz").exists()


@pytest.fixture(scope="module")
def result(reference):
    """The reference, pruned; not to be changed."""
    return stamp_tf.prune("digits", reference, max_flops=0.5, finetune=FinetuneConfig(epochs=0), seed=3)


def test_a_run_from_python_is_a_run_of_the_command_line(result, tmp_path):
    run_dir = tmp_path / "run"
    report = stamp_tf.export_run(result, run_dir, speed=False)
    assert report.flops_fraction == result.flops_fraction
    assert stamp_tf.evaluate(run_dir) == result.test_accuracy
    assert stamp_tf.evaluate(run_dir, result.dataset) == result.test_accuracy
    inspection = stamp_tf.inspect(run_dir)
    assert inspection.is_pruned
    assert sum(len(group.kept) for group in inspection.groups) == result.mask.num_kept
    assert sum(row.params_after for row in inspection.layers) == report.params
    again = keras.saving.load_model(run_dir / "model.keras")
    np.testing.assert_array_equal(again.get_weights()[0], result.model.get_weights()[0])


def test_inspect_takes_models_and_references(reference):
    for network in (reference, reference.model):
        found = stamp_tf.inspect(network)
        assert not found.is_pruned
        assert found.name == "small"
        assert len(found.groups) == 3


def test_folder_of_something_else_is_left_alone(result, tmp_path):
    (tmp_path / "precious").write_text("x")
    with pytest.raises(StampError, match=r"must be new, empty or the folder of a run, but"):
        stamp_tf.export_run(result, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_images_of_another_size_are_refused(reference):
    with pytest.raises(StampError, match=r"--dataset must have the reference's images \(8, 8, 1\)"):
        stamp_tf.prune(
            load_dataset("digits", image_shape=(32, 32, 3), train_size=20), reference, max_flops=0.5
        )
