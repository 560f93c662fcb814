"""What every channel rule must do."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from stamp_tf.channels import slice_model, trace_channels
from stamp_tf.testing.masked_and_sliced import enliven, require_masked_equals_sliced
from stamp_tf.testing.require import require, require_close, try_all

NetworkMaker = Callable[[], keras.Model]


def check_channel_rule(build: NetworkMaker) -> None:
    """Hold the rule of a layer to its contract.

    Args:
        build: Returns a small functional model that holds the layer between layers of Keras.

    Raises:
        AssertionError: If it breaks a rule; the message says which.
    """
    try_all(PROPERTIES, build)


def leaves_nothing_whole(build: NetworkMaker) -> None:
    """The rule says where every channel goes."""
    channel_map = trace_channels(build())
    rule = "Channels in front of a layer with a rule, and its own, must be removable"
    require(not channel_map.kept_whole, rule, f"some are kept whole: {channel_map.kept_whole}")
    require(channel_map.num_channels > 0, rule, "there are none")


def gives_the_same_masked_and_sliced(build: NetworkMaker) -> None:
    """A weight that the rule forgets, or ties to another channel, shows in the outputs."""
    model = build()
    require_masked_equals_sliced(model, _inputs(model), max_flops=(0.3, 0.6, 0.9))


def is_saved_and_loaded_when_sliced(build: NetworkMaker) -> None:
    """The smaller layer is rebuilt from its configuration."""
    model = enliven(build())
    channel_map = trace_channels(model)
    mask = np.ones(channel_map.num_channels, "float32")
    for group in channel_map.groups:
        if group.size > 1:
            mask[group.start] = 0
    smaller = slice_model(model, channel_map, mask)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "smaller.keras")
        smaller.save(path)
        loaded = keras.saving.load_model(path, safe_mode=True)
    inputs = _inputs(model)
    require_close(
        loaded(inputs), smaller(inputs), "A saved smaller network must give the same", tolerance=1e-6
    )


def _inputs(model: keras.Model) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(6, *model.input_shape[1:])).astype("float32")


PROPERTIES = (leaves_nothing_whole, gives_the_same_masked_and_sliced, is_saved_and_loaded_when_sliced)
