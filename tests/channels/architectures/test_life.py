"""The smaller network of every architecture trains, saves, loads in a fresh process, and serves."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from stamp_tf.channels import slice_model, trace_channels
from stamp_tf.channels.share import prunable_share

LOAD = """
import sys
from pathlib import Path
import keras, numpy as np, tensorflow as tf
for folder in map(Path, sys.argv[1:]):
    images = np.load(folder / "images.npy")
    model = keras.saving.load_model(folder / "smaller.keras", safe_mode=True)
    served = tf.saved_model.load(str(folder / "saved_model"))
    np.save(folder / "loaded.npy", model(images, training=False))
    np.save(folder / "served.npy", served.serve(images))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the networks are left for the last test of this file."""
    return tmp_path_factory.mktemp("networks")


def test_the_smaller_network_agrees_trains_and_saves(
    name: str, build, half, images, masked_logits, folder: Path
) -> None:
    model = build(name)
    channel_map = trace_channels(model)
    # ConvNeXt alone falls short: its layer normalisations run over all channels of a stage.
    assert prunable_share(model, channel_map) >= (0.93 if name == "ConvNeXtTiny" else 0.95)
    mask, batch = half(channel_map), images(model)
    masked = masked_logits(model, channel_map, mask, batch)
    smaller = slice_model(model, channel_map, mask)
    np.testing.assert_allclose(smaller(batch, training=False), masked, atol=1e-4 * masked.std(), rtol=0)

    before = [np.asarray(variable) for variable in smaller.trainable_variables]
    smaller.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    smaller.train_on_batch(batch, np.array([1, 2]))
    assert sum(
        (np.asarray(v) != old).any() for v, old in zip(smaller.trainable_variables, before, strict=True)
    )

    place = folder / name
    place.mkdir()
    np.save(place / "images.npy", batch)
    np.save(place / "expected.npy", smaller(batch, training=False))
    smaller.save(place / "smaller.keras")
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
        for road in ("loaded", "served"):
            answer = np.load(place / f"{road}.npy")
            np.testing.assert_allclose(
                answer, expected, atol=1e-4 * expected.std(), rtol=0, err_msg=f"{place.name}, {road}"
            )
