"""Two hundred random graphs: sliced networks against an interpreter that reads removed channels as zeros."""

from pathlib import Path

import keras
import numpy as np
import pytest

from stamp_tf.channels import ChannelMap, slice_model, trace_channels

from .graph_interpreter import interpret
from .random_graphs import GraphMaker

CHUNK = 10
NUM_GRAPHS = 200


pytestmark = pytest.mark.usefixtures("float64")  # rounding must not hide anything


def draw_mask(channel_map: ChannelMap, rng: np.random.Generator) -> np.ndarray:
    """Keep a random part of every group, at least one channel each."""
    mask = np.zeros(channel_map.num_channels)
    for group in channel_map.groups:
        mask[group.start + rng.permutation(group.size)[: rng.integers(1, group.size + 1)]] = 1
    return mask


def differences(seed: int, folder: Path | None = None) -> tuple[float, int, int]:
    """Return the greatest difference of a graph's outputs, its removable channels, and how many were removed."""
    rng = np.random.default_rng(seed)
    model = GraphMaker(seed).model()
    channel_map = trace_channels(model)
    mask = draw_mask(channel_map, rng)
    data = [rng.normal(size=(2, *tensor.shape[1:])) for tensor in model.inputs]
    smaller = slice_model(model, channel_map, mask)
    expected = interpret(model, channel_map, mask, data)
    found = [np.asarray(one) for one in keras.tree.flatten(smaller(data, training=False))]
    if folder is not None:
        smaller.save(folder / "smaller.keras")
        loaded = keras.saving.load_model(folder / "smaller.keras")
        for one, other in zip(keras.tree.flatten(loaded(data, training=False)), found, strict=True):
            np.testing.assert_array_equal(one, other)
    worst = max(
        float(np.abs(one - other).max() / (1 + np.abs(other).max()))
        for one, other in zip(found, expected, strict=True)
    )
    return worst, channel_map.num_channels, int((mask == 0).sum())


@pytest.mark.parametrize("first", range(0, NUM_GRAPHS, CHUNK))
def test_sliced_graphs_compute_what_the_full_ones_do_without_the_channels(first: int, tmp_path: Path) -> None:
    channels = removed = 0
    for seed in range(first, first + CHUNK):
        worst, num_channels, num_removed = differences(seed, tmp_path if seed % 10 == 0 else None)
        assert worst < 1e-9, f"graph {seed}"
        channels, removed = channels + num_channels, removed + num_removed
    # A test of networks that lose nothing would show nothing.
    assert channels > 10 * CHUNK
    assert removed > 0.2 * channels
