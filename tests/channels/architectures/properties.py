"""What is asked of every architecture; the files beside this one share them out, so that workers share the time."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from stamp_tf.channels import CostModel, slice_model, trace_channels
from stamp_tf.channels.share import prunable_share

# Tracing a SavedModel takes the longest. These hold every kind of layer of the others, but a cropping and a scale.
SERVED = (
    *("VGG16", "ResNet50V2", "MobileNetV3Small", "EfficientNetV2B0", "ConvNeXtTiny", "Xception"),
    *("hub ResNet", "hub CS3", "hub DenseNet"),
)

LOAD = """
import sys
from pathlib import Path
import keras, numpy as np, tensorflow as tf
for folder in map(Path, sys.argv[1:]):
    images = np.load(folder / "images.npy")
    model = keras.saving.load_model(folder / "smaller.keras", safe_mode=True)
    np.save(folder / "loaded.npy", model(images, training=False))
    if (folder / "saved_model").is_dir():
        served = tf.saved_model.load(str(folder / "saved_model"))
        np.save(folder / "served.npy", served.serve(images))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the networks are left for the last test of this file."""
    return tmp_path_factory.mktemp("networks")


def test_masked_and_sliced_networks_agree_in_float64(architecture, masked, draw_half) -> None:
    """To the last digits; and nearly all kernels can lose channels."""
    model, images = architecture.model, architecture.images
    channel_map = trace_channels(model)
    # ConvNeXt alone falls short: its layer normalisations run over all channels of a stage.
    least = 0.93 if architecture.name == "ConvNeXtTiny" else 0.95
    assert prunable_share(model, channel_map) >= least
    mask = draw_half(channel_map)
    expected = masked(model, channel_map, mask, images)
    smaller = slice_model(model, channel_map, mask)
    assert smaller.count_params() < 0.6 * model.count_params()
    sliced = np.asarray(smaller(images, training=False))
    assert sliced.dtype == "float64"
    np.testing.assert_allclose(sliced, expected, atol=1e-9 * expected.std(), rtol=0)


def test_multiply_adds_are_those_of_the_profiler(architecture, profiled_flops) -> None:
    cost = CostModel(architecture.stages, trace_channels(architecture.stages))
    assert cost.flops(np.ones(cost.num_channels)) == profiled_flops(architecture.stages)


def test_the_smaller_network_trains_and_saves(architecture, draw_half, folder: Path) -> None:
    channel_map, images = trace_channels(architecture.stages), architecture.images
    smaller = slice_model(architecture.stages, channel_map, draw_half(channel_map))
    before = [np.asarray(variable) for variable in smaller.trainable_variables]
    # Gradients of deep random networks reach 1e9: clipped, so that none of them diverges at the first step.
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    smaller.compile(keras.optimizers.SGD(1e-3, clipnorm=0.01), loss, run_eagerly=True)
    smaller.train_on_batch(images, np.array([1, 2]))
    after = [np.asarray(variable) for variable in smaller.trainable_variables]
    assert any((new != old).any() for new, old in zip(after, before, strict=True))

    place = folder / architecture.name
    place.mkdir()
    np.save(place / "images.npy", images)
    np.save(place / "expected.npy", smaller(images, training=False))
    smaller.save(place / "smaller.keras")
    if architecture.name in SERVED:
        smaller.export(place / "saved_model", verbose=False)


def test_all_load_and_serve_in_a_fresh_process(folder: Path) -> None:
    places = sorted(folder.iterdir())
    assert places
    subprocess.run(
        [sys.executable, "-c", LOAD, *map(str, places)],
        check=True,
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
    )
    for place in places:
        expected = np.load(place / "expected.npy")
        assert np.isfinite(expected).all(), place.name
        for road in ("loaded", "served") if place.name in SERVED else ("loaded",):
            answer = np.load(place / f"{road}.npy")
            np.testing.assert_allclose(
                answer, expected, atol=1e-9 * expected.std(), rtol=0, err_msg=f"{place.name}, {road}"
            )
