"""Counts of parameters and multiply-adds, against those of the network that is really built."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from stamp_tf.channels import ChannelMap, CostModel, slice_model, trace_channels

Draw = Callable[..., np.ndarray]


def test_counts_by_hand(classify, conv) -> None:
    def body(x: keras.KerasTensor) -> keras.KerasTensor:
        x = layers.BatchNormalization(name="norm")(conv(4, "conv")(x))  # 8 x 8 positions
        x = layers.Conv2D(5, 3, strides=2, use_bias=False, name="strided")(x)  # 3 x 3 positions
        x = layers.DepthwiseConv2D(2, depth_multiplier=2, name="depthwise")(x)  # 2 x 2 positions
        return layers.Conv2DTranspose(6, 2, strides=2, name="transposed")(x)  # applied at 2 x 2 positions

    model = classify(body)
    cost = CostModel(model, trace_channels(model))
    rows = {row.name: (row.kind, row.channels, row.parameters, row.flops) for row in cost.table(np.ones(15))}
    assert rows == {
        "conv": ("Conv2D", 4, 9 * 3 * 4 + 4, 64 * 9 * 3 * 4),
        "norm": ("BatchNormalization", 4, 8, 0),
        "strided": ("Conv2D", 5, 9 * 4 * 5, 9 * 9 * 4 * 5),
        "depthwise": ("DepthwiseConv2D", 10, 4 * 10 + 10, 4 * 4 * 10),
        "transposed": ("Conv2DTranspose", 6, 4 * 6 * 10 + 6, 4 * 4 * 6 * 10),
        "logits": ("Dense", 3, 6 * 3 + 3, 6 * 3),
    }
    assert cost.parameters(np.ones(15)) == model.count_params() - 8
    assert cost.flops(np.ones(15)) == sum(row[3] for row in rows.values())


@pytest.mark.parametrize("seed", range(3))
def test_the_table_of_a_mask_is_that_of_the_sliced_network(
    network: keras.Model, channel_map: ChannelMap, draw_mask: Draw, seed: int
) -> None:
    mask, cost = draw_mask(channel_map, seed=seed), CostModel(network, channel_map)
    smaller = slice_model(network, channel_map, mask)
    smaller_map = trace_channels(smaller)
    of_smaller = CostModel(smaller, smaller_map)
    ones = np.ones(smaller_map.num_channels)
    assert cost.table(mask) == of_smaller.table(ones)
    assert cost.flops(mask) == of_smaller.flops(ones)
    assert cost.parameters(mask) == sum(int(np.prod(weight.shape)) for weight in smaller.trainable_weights)


def test_multiply_adds_agree_with_the_compiled_graph(
    network: keras.Model, channel_map: ChannelMap, draw_mask: Draw
) -> None:
    """Counted from the operations that TensorFlow runs for one image."""
    mask, cost = draw_mask(channel_map, seed=4), CostModel(network, channel_map)
    smaller = slice_model(network, channel_map, mask)
    graph = tf.function(lambda x: smaller(x)).get_concrete_function(tf.TensorSpec((1, 8, 8, 3))).graph
    counted = 0
    for operation in graph.get_operations():
        if operation.type in ("Conv2D", "DepthwiseConv2dNative", "MatMul"):
            kernel = operation.inputs[1].shape
            positions = np.prod(operation.outputs[0].shape[1:-1], dtype=int)
            counted += int(positions * np.prod(kernel))
    assert cost.flops(mask) == counted


def test_a_layer_called_twice_counts_its_weights_once_and_its_work_twice(classify, conv) -> None:
    def body(x: keras.KerasTensor, *, calls: int) -> keras.KerasTensor:
        shared, x = conv(4, "shared"), conv(4, "first")(x)
        for _ in range(calls):
            x = layers.ReLU()(shared(x))
        return x

    once, twice = (classify(lambda x, n=n: body(x, calls=n)) for n in (1, 2))
    costs = [CostModel(model, trace_channels(model)) for model in (once, twice)]
    assert costs[0].full[0] == costs[1].full[0]
    assert costs[1].full[1] - costs[0].full[1] == 64 * 9 * 4 * 4


def test_calls_from_other_graphs_do_not_count(network: keras.Model, channel_map: ChannelMap) -> None:
    before = CostModel(network, channel_map).full
    layer = network.get_layer("conv1")
    keras.Model(other := keras.Input((16, 16, 3)), layer(other))
    network(keras.Input((8, 8, 3)))
    np.testing.assert_array_equal(CostModel(network, channel_map).full, before)


def test_work_inside_a_nested_model_counts(classify, conv) -> None:
    inside = keras.Input((8, 8, 4))
    block = keras.Model(inside, conv(4, "inner2")(conv(5, "inner1")(inside)), name="block")
    model = classify(lambda x: block(block(conv(4, "conv")(x))))
    cost = CostModel(model, trace_channels(model))
    row = next(row for row in cost.table(np.ones(cost.num_channels)) if row.name == "block")
    assert row.flops == 2 * 64 * 9 * (4 * 5 + 5 * 4)
    assert row.parameters == block.count_params()
    assert row.channels == 4


def test_fractions_are_the_same_numbers_differentiably(
    network: keras.Model, channel_map: ChannelMap, draw_mask: Draw
) -> None:
    cost = CostModel(network, channel_map)
    for seed in range(5):
        mask = draw_mask(channel_map, seed=seed)
        exact = cost.exact_fractions(mask)
        assert exact.tolist() == [cost.parameters(mask) / cost.full[0], cost.flops(mask) / cost.full[1]]
        np.testing.assert_allclose(cost.fractions(tf.constant(mask)), exact, rtol=1e-6)


def test_prices_are_the_gradient_of_fractions(network: keras.Model, channel_map: ChannelMap) -> None:
    cost = CostModel(network, channel_map)
    mask = tf.constant(np.random.default_rng(0).uniform(size=channel_map.num_channels))
    with tf.GradientTape() as tape:
        tape.watch(mask)
        fractions = cost.fractions(mask)
    np.testing.assert_allclose(cost.prices(mask), tape.jacobian(fractions, mask), rtol=1e-12)
    assert fractions.dtype == tf.float64


def test_one_more_channel_never_costs_less(network: keras.Model, channel_map: ChannelMap) -> None:
    cost = CostModel(network, channel_map)
    prices = np.asarray(cost.prices(tf.constant(np.random.default_rng(0).uniform(size=cost.num_channels))))
    assert (prices > 0).all()


def test_layers_with_several_outputs_are_counted(conv) -> None:
    inputs = keras.Input((6, 4))
    x = layers.Conv1D(5, 3, name="conv")(inputs)
    x, _, _ = layers.LSTM(3, return_state=True, name="lstm")(x)
    model = keras.Model(inputs, layers.Dense(2, name="logits")(x))
    cost = CostModel(model, trace_channels(model))
    assert cost.full[0] == model.count_params()
