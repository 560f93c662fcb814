"""The sliced network: smaller, plain, loadable, and never emptied."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

from stamp_tf.channels import ChannelMap, slice_model, trace_channels
from stamp_tf.errors import StampError

Draw = Callable[..., np.ndarray]


def images(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(5, 8, 8, 3)).astype("float32")


def test_a_full_mask_gives_the_same_network(network: keras.Model, channel_map: ChannelMap) -> None:
    same = slice_model(network, channel_map, np.ones(channel_map.num_channels))
    assert same.get_config() == network.get_config()
    for old, new in zip(network.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)


def test_the_original_is_untouched(network: keras.Model, channel_map: ChannelMap, draw_mask: Draw) -> None:
    config, weights = network.get_config(), network.get_weights()
    num_calls = [len(operation._inbound_nodes) for operation in network.operations]
    smaller = slice_model(network, channel_map, draw_mask(channel_map, seed=0, soft=True))
    smaller.trainable_variables[0].assign(ops.zeros_like(smaller.trainable_variables[0]))
    assert network.get_config() == config
    assert [len(operation._inbound_nodes) for operation in network.operations] == num_calls
    for old, new in zip(weights, network.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)


def test_layers_have_the_kept_widths(network: keras.Model, channel_map: ChannelMap) -> None:
    mask = channel_map.mask_of({"conv1": [0, 5], "conv2": [3], "conv3": [1, 2, 6]})
    smaller = slice_model(network, channel_map, mask)
    widths = {name: smaller.get_layer(name).filters for name in ("conv1", "conv2", "conv3", "conv4")}
    assert widths == {"conv1": 2, "conv2": 1, "conv3": 3, "conv4": 3}
    np.testing.assert_array_equal(
        smaller.get_layer("conv2").kernel, network.get_layer("conv2").kernel.numpy()[..., [0, 5], :][..., [3]]
    )


def test_one_channel_a_layer_is_enough(network: keras.Model, channel_map: ChannelMap, masked) -> None:
    mask = channel_map.mask_of({name: [2] for name in channel_map.kept(np.ones(channel_map.num_channels))})
    smaller = slice_model(network, channel_map, mask)
    np.testing.assert_allclose(smaller(images()), masked(network, channel_map, mask, images()), atol=1e-5)


def test_a_sliced_network_is_sliced_again(network: keras.Model, channel_map: ChannelMap) -> None:
    once = slice_model(
        network, channel_map, channel_map.mask_of({"conv1": [1, 2, 4], "conv2": [0, 1], "conv3": [5]})
    )
    again_map = trace_channels(once)
    assert again_map.group_sizes == (3, 2, 1)
    twice = slice_model(once, again_map, again_map.mask_of({"conv1": [0, 2], "conv2": [1], "conv3": [0]}))
    at_once = slice_model(
        network, channel_map, channel_map.mask_of({"conv1": [1, 4], "conv2": [1], "conv3": [5]})
    )
    for ours, theirs in zip(twice.get_weights(), at_once.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_it_has_no_layer_of_ours_and_loads_in_safe_mode(
    network: keras.Model, channel_map: ChannelMap, draw_mask: Draw, tmp_path: Path
) -> None:
    smaller = slice_model(network, channel_map, draw_mask(channel_map, seed=1, soft=True))
    assert all(type(layer).__module__.startswith("keras.") for layer in smaller._flatten_layers())
    assert type(smaller) is type(network)
    smaller.save(tmp_path / "smaller.keras")
    loaded = keras.saving.load_model(tmp_path / "smaller.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(images()), smaller(images()))


def test_graph_operations_survive_slicing_and_saving(classify, conv, tmp_path: Path) -> None:
    model = classify(lambda x: ops.relu(conv(4, "a")(x) + 2.0 * conv(4, "b")(x)))
    channel_map = trace_channels(model)
    smaller = slice_model(model, channel_map, np.array([0, 1, 1, 0]))
    smaller.save(tmp_path / "smaller.keras")
    loaded = keras.saving.load_model(tmp_path / "smaller.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(images()), smaller(images()))


def test_it_trains(network: keras.Model, channel_map: ChannelMap, draw_mask: Draw) -> None:
    smaller = slice_model(network, channel_map, draw_mask(channel_map, seed=1))
    smaller.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [
        smaller.get_layer(name).kernel.numpy() for name in ("conv1", "conv2", "conv3", "conv4", "logits")
    ]
    smaller.train_on_batch(images(), np.zeros(5, "int32"))
    after = [
        smaller.get_layer(name).kernel.numpy() for name in ("conv1", "conv2", "conv3", "conv4", "logits")
    ]
    assert all((old != new).any() for old, new in zip(before, after, strict=True))


def test_names_and_the_dtype_policy_stay(classify, conv, draw_mask: Draw) -> None:
    model = classify(
        lambda x: layers.BatchNormalization(name="norm")(conv(4, "a", dtype="mixed_bfloat16")(x))
    )
    smaller = slice_model(model, trace_channels(model), np.array([0, 1, 1, 0]))
    assert [layer.name for layer in smaller.layers] == [layer.name for layer in model.layers]
    assert smaller.name == model.name
    assert smaller.get_layer("a").dtype_policy.name == "mixed_bfloat16"


def test_an_emptied_layer_is_refused(network: keras.Model, channel_map: ChannelMap) -> None:
    mask = np.ones(channel_map.num_channels)
    mask[channel_map.groups[1].slice] = 0
    with pytest.raises(StampError, match="must keep at least one channel of every layer, but empties conv2"):
        slice_model(network, channel_map, mask)


def test_a_mask_of_another_length_is_refused(network: keras.Model, channel_map: ChannelMap) -> None:
    with pytest.raises(StampError, match=r"one value per channel \(23\), but has shape \(22,\)"):
        slice_model(network, channel_map, np.ones(22))
