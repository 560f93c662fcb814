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


@pytest.mark.parametrize("groups", [1, 2])
def test_multiply_adds_agree_with_the_profiler_of_tensorflow(
    classify, conv, draw_mask: Draw, profiled_flops: Callable[..., int], groups: int
) -> None:
    def body(x: keras.KerasTensor) -> keras.KerasTensor:
        x = layers.ReLU(name="relu1")(conv(8, "conv1", strides=2)(x))
        x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise")(x)
        x = conv(12, "conv2", groups=groups)(x)
        x = layers.SeparableConv2D(10, 2, name="separable")(x)
        return layers.Dense(6, name="dense")(layers.Flatten(name="flat")(x))

    model = classify(body)
    channel_map = trace_channels(model)
    cost = CostModel(model, channel_map)
    assert cost.full[1] == profiled_flops(model)
    mask = draw_mask(channel_map, seed=4)
    assert cost.flops(mask) == profiled_flops(slice_model(model, channel_map, mask))


def test_a_dense_layer_of_an_equation_counts_by_hand() -> None:
    inputs = keras.Input((7, 4))
    x = layers.EinsumDense("abc,cde->abde", (7, 2, 5), name="heads")(inputs)
    x = layers.EinsumDense("abde,dec->abc", (7, 4), name="back")(x)
    model = keras.Model(inputs, layers.Dense(3, name="logits")(x))
    cost = CostModel(model, trace_channels(model))
    flops = {row.name: row.flops for row in cost.table(np.ones(cost.num_channels))}
    assert flops == {"heads": 7 * 4 * 2 * 5, "back": 7 * 2 * 5 * 4, "logits": 7 * 4 * 3}


def test_activations_are_all_tensors_that_the_sliced_network_writes(
    network: keras.Model, channel_map: ChannelMap, draw_mask: Draw
) -> None:
    cost = CostModel(network, channel_map)
    for seed in range(3):
        mask = draw_mask(channel_map, seed=seed)
        smaller = slice_model(network, channel_map, mask)
        written = [layer.output.shape[1:] for layer in smaller.layers[1:]]
        assert cost.activation_bytes(mask) == 4 * sum(int(np.prod(shape)) for shape in written)


def test_operations_without_a_layer_and_calls_write_activations(classify, conv) -> None:
    shared = conv(4, "shared")
    model = classify(lambda x: shared(conv(4, "first")(x)) + shared(conv(4, "second")(x)))
    cost = CostModel(model, trace_channels(model))
    ones = np.ones(cost.num_channels)
    # Keras numbers the sum by how many there were before.
    rows = {
        row.name.partition("add_")[0] or "add": row.activation_bytes
        for row in cost.table(ones, weightless=True)
    }
    one = 4 * 8 * 8 * 4
    assert rows == {"first": one, "second": one, "shared": 2 * one, "add": one, "pool": 16, "logits": 12}
    assert cost.activation_bytes(ones) == sum(rows.values())
    assert [row.name for row in cost.table(ones)] == ["first", "second", "shared", "logits"]


def test_names_that_keras_gives_anew_do_not_matter(classify, conv) -> None:
    def body(x: keras.KerasTensor) -> keras.KerasTensor:
        x = layers.ReLU()(conv(4, "first")(x))
        return keras.ops.relu(x + conv(4, "second")(x))

    first, again = classify(body), classify(body)
    channel_map = trace_channels(first)
    mask = np.array([1, 0, 0, 1])
    assert [layer.name for layer in first.layers] != [layer.name for layer in again.layers]
    counts = [CostModel(model, channel_map).activation_bytes(mask) for model in (first, again)]
    assert counts[0] == counts[1] < CostModel(again, channel_map).full_activation_bytes


def test_weights_fill_as_many_bytes_as_those_of_the_sliced_network(
    network: keras.Model, channel_map: ChannelMap, draw_mask: Draw
) -> None:
    mask, cost = draw_mask(channel_map, seed=5), CostModel(network, channel_map)
    smaller = slice_model(network, channel_map, mask)
    assert cost.weight_bytes(mask) == sum(np.asarray(weight).nbytes for weight in smaller.weights)
    assert cost.weight_bytes(mask) == sum(row.weight_bytes for row in cost.table(mask))


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


@pytest.mark.parametrize("kind", [keras.Model, keras.Sequential])
def test_layers_inside_a_model_have_rows_of_their_own(classify, conv, kind: type) -> None:
    inside = keras.Input((8, 8, 4), name="inside")
    inner = [conv(5, "inner1"), conv(4, "inner2")]
    if kind is keras.Model:
        block = keras.Model(inside, inner[1](inner[0](inside)), name="block")
    else:
        block = keras.Sequential([inside, *inner], name="block")
    model = classify(lambda x: block(block(conv(4, "conv")(x))))
    cost = CostModel(model, trace_channels(model))
    rows = {row.name: row for row in cost.table(np.ones(cost.num_channels))}
    assert list(rows) == ["conv", "block/inner1", "block/inner2", "logits"]
    assert [rows[f"block/inner{i}"].flops for i in (1, 2)] == [2 * 64 * 9 * 4 * 5] * 2
    assert [rows[f"block/inner{i}"].channels for i in (1, 2)] == [5, 4]
    assert [rows[f"block/inner{i}"].activation_bytes for i in (1, 2)] == [4 * 2 * 64 * 5, 4 * 2 * 64 * 4]
    assert rows["block/inner1"].parameters == 9 * 4 * 5 + 5
    assert cost.full[0] == model.count_params()


def test_a_model_inside_is_counted_on_the_sizes_it_is_called_on(classify, conv) -> None:
    """As a convolutional base without a head is, built for images of any size."""
    inside = keras.Input((None, None, 3))
    base = keras.Model(inside, conv(4, "inner", strides=2)(inside), name="base")
    model = classify(lambda x: base(x))
    cost = CostModel(model, trace_channels(model))
    row = next(row for row in cost.table(np.ones(cost.num_channels)) if row.name == "base/inner")
    assert (row.flops, row.activation_bytes) == (16 * 9 * 3 * 4, 4 * 16 * 4)
    assert cost.is_sized


def test_a_network_for_images_of_any_size_says_so(conv) -> None:
    image = keras.Input((None, None, 3))
    model = keras.Model(image, conv(4, "conv2")(conv(4, "conv1")(image)))
    assert not CostModel(model, trace_channels(model)).is_sized


@keras.saving.register_keras_serializable("test_cost")
class Doubled(layers.Layer):
    """A layer that nobody knows."""

    def call(self, inputs):
        return 2 * inputs


def test_layers_whose_work_is_not_counted_are_named(conv) -> None:
    words = keras.Input((6,), dtype="int32")
    x = layers.Embedding(10, 4, name="embedding")(words)
    x = Doubled(name="odd")(layers.Conv1D(5, 3, name="conv")(x))
    x = layers.GlobalAveragePooling1D()(x)
    model = keras.Model(words, layers.Dense(2, name="logits")(x))
    assert CostModel(model, trace_channels(model)).uncounted == ("odd",)


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
