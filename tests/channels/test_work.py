"""Multiply-adds of every kind of layer and operation, against TensorFlow's profiler or a count by hand."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from stamp_tf.channels import CostModel, trace_channels

RNG = np.random.default_rng(0)


def cost_of(shape: tuple[int | None, ...], body: Callable[[Any], Any], **options: Any) -> CostModel:
    inputs = keras.Input(shape, **options)
    model = keras.Model(inputs, body(inputs))
    return CostModel(model, trace_channels(model))


def kernel(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype("float32")


@pytest.mark.parametrize(
    "body",
    [
        lambda x: layers.Conv2D(4, 3, strides=2, padding="same")(x),
        lambda x: layers.Conv2D(4, 3, dilation_rate=2)(x),
        lambda x: layers.Conv2D(6, (3, 1), groups=3, strides=(2, 1))(x),
        lambda x: layers.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2)(x),
        lambda x: layers.SeparableConv2D(4, 3, strides=2)(x),
        lambda x: layers.SpectralNormalization(layers.Conv2D(4, 3))(x),
        lambda x: layers.Dense(5)(layers.Flatten()(x)),
        lambda x: layers.TimeDistributed(layers.Conv1D(4, 3, padding="same"))(x),
        lambda x: ops.conv(x, kernel(3, 3, 3, 4), strides=2, padding="same"),
        lambda x: ops.conv(x, kernel(3, 3, 3, 6), dilation_rate=2),
        lambda x: ops.depthwise_conv(x, kernel(3, 3, 3, 2), padding="same"),
        lambda x: ops.separable_conv(x, kernel(3, 3, 3, 2), kernel(1, 1, 6, 4)),
        lambda x: ops.matmul(x, kernel(3, 5)),
        lambda x: layers.Dense(7)(ops.reshape(x, (-1, 16, 3))),
        lambda x: x @ ops.transpose(x, (0, 1, 3, 2)),
        lambda x: ops.tensordot(x, kernel(8, 3, 4), axes=[[2, 3], [0, 1]]),
        lambda x: layers.Dot(axes=-1)([layers.Reshape((64, 3))(x), layers.Reshape((64, 3))(x)]),
        lambda x: layers.Dot(axes=(1, 2))([layers.Reshape((64, 3))(x), layers.Reshape((3, 64))(x)]),
        lambda x: layers.MultiHeadAttention(2, 5)(layers.Reshape((64, 3))(x), layers.Reshape((64, 3))(x)),
        lambda x: layers.MultiHeadAttention(2, 5, attention_axes=(1,))(x, x),
        lambda x: layers.GroupQueryAttention(5, 4, 2)(layers.Reshape((64, 3))(x), layers.Reshape((64, 3))(x)),
        lambda x: layers.EinsumDense("bhwc,cd->bhwd", (8, 8, 5))(x),
        lambda x: ops.einsum("bhwc,bhvc->bhwv", x, x),
        lambda x: layers.Attention()([layers.Reshape((64, 3))(x), layers.Reshape((32, 6))(x)[..., :3]]),
    ],
)
@pytest.mark.filterwarnings("ignore:NotImplemented should not be used")
def test_it_agrees_with_the_profiler(profiled_flops: Callable[..., int], body: Callable[[Any], Any]) -> None:
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, body(inputs))
    cost = CostModel(model, trace_channels(model))
    assert cost.full[1] == profiled_flops(model) > 0
    assert cost.uncounted == ()


@pytest.mark.parametrize(
    ("shape", "body", "expected"),
    [
        ((9, 3), lambda x: layers.Conv1D(4, 3, padding="causal")(x), 9 * 3 * 3 * 4),
        ((9, 3), lambda x: layers.DepthwiseConv1D(3, strides=2)(x), 4 * 3 * 3),
        ((9, 3), lambda x: layers.SeparableConv1D(4, 3)(x), 7 * (3 * 3 + 3 * 4)),
        ((9, 3), lambda x: layers.Conv1DTranspose(4, 3, strides=2)(x), 9 * 3 * 3 * 4),
        ((4, 6, 6, 2), lambda x: layers.Conv3D(3, 3)(x), 2 * 4 * 4 * 27 * 2 * 3),
        ((4, 6, 6, 2), lambda x: layers.Conv3DTranspose(3, 2, strides=2)(x), 4 * 6 * 6 * 8 * 2 * 3),
        ((6, 6, 2), lambda x: layers.Conv2DTranspose(3, 2, strides=2)(x), 6 * 6 * 4 * 2 * 3),
        ((6, 6, 2), lambda x: ops.conv_transpose(x, kernel(2, 2, 3, 2), strides=2), 6 * 6 * 4 * 2 * 3),
        ((9, 3), lambda x: layers.SimpleRNN(4)(x), 9 * (3 * 4 + 4 * 4)),
        ((9, 3), lambda x: layers.GRU(4)(x), 9 * 3 * (3 * 4 + 4 * 4)),
        ((9, 3), lambda x: layers.LSTM(4, return_sequences=True)(x), 9 * 4 * (3 * 4 + 4 * 4)),
        ((9, 3), lambda x: layers.Bidirectional(layers.LSTM(4))(x), 2 * 9 * 4 * (3 * 4 + 4 * 4)),
        (
            (9, 3),
            lambda x: layers.RNN([layers.LSTMCell(4), layers.GRUCell(2)])(x),
            9 * 4 * (3 * 4 + 4 * 4) + 9 * 3 * (4 * 2 + 2 * 2),
        ),
        (
            (5, 6, 6, 2),
            lambda x: layers.ConvLSTM2D(3, 3, padding="same")(x),
            5 * 36 * 4 * 9 * (2 * 3 + 3 * 3),
        ),
        (
            (5, 6, 6, 2),
            lambda x: layers.ConvLSTM2D(3, 3, return_sequences=True)(x),
            5 * 16 * 4 * 9 * (2 * 3 + 3 * 3),
        ),
        ((9, 6), lambda x: layers.MultiHeadAttention(2, 5)(x, x), 4 * 9 * 6 * 10 + 2 * 81 * 10),
        (
            (9, 6),
            lambda x: layers.MultiHeadAttention(2, 5, value_dim=3)(x, x[:, :4]),
            9 * 6 * 10 + 4 * 6 * 10 + 4 * 6 * 6 + 9 * 6 * 6 + 9 * 4 * 2 * (5 + 3),
        ),
        (
            (4, 9, 6),
            lambda x: layers.MultiHeadAttention(2, 5, attention_axes=(2,))(x, x),
            4 * (4 * 9 * 6 * 10 + 2 * 81 * 10),
        ),
        (
            (4, 9, 6),
            lambda x: layers.MultiHeadAttention(2, 5)(x, x),
            4 * 36 * 6 * 10 + 2 * 36**2 * 10,
        ),
        (
            (9, 6),
            lambda x: layers.GroupQueryAttention(5, 4, 2)(x, x),
            2 * 9 * 6 * 20 + 2 * 9 * 6 * 10 + 2 * 81 * 20,
        ),
        ((9, 6), lambda x: layers.AdditiveAttention()([x, x]), 81 * (6 + 6)),
        (
            (9, 2, 5),
            lambda x: ops.dot_product_attention(x, x, x),
            2 * 81 * 2 * 5,
        ),
        ((9, 6), lambda x: ops.einsum("bti,bsi->bts", x, x), 81 * 6),
        ((9, 6), lambda x: ops.einsum("...ti,...si->...ts", x, x), 81 * 6),
        ((9, 6), lambda x: ops.einsum("bti,ij", x, kernel(6, 4)), 9 * 6 * 4),
        ((9, 6), lambda x: layers.EinsumDense("abc,cd->ad", 4)(x), 6 * 4),
        ((9, 6), lambda x: layers.EinsumDense("...x,xy->...y", 4)(x), 9 * 6 * 4),
        ((6,), lambda x: ops.inner(x, kernel(6)), 6),
        ((6,), lambda x: ops.vdot(x, kernel(1, 6)), 6),
        ((6,), lambda x: ops.dot(x, kernel(6, 4)), 24),
        (
            (9,),
            lambda x: shared_table(x),
            9 * 4 * 11,
        ),
        ((6, 9, 3), lambda x: layers.TimeDistributed(inner_model())(x), 6 * (7 * 3 * 3 * 4 + 4 * 5)),
    ],
)
def test_it_agrees_with_a_count_by_hand(
    shape: tuple[int, ...], body: Callable[[Any], Any], expected: int
) -> None:
    cost = cost_of(shape, body)
    assert cost.full[1] == expected
    assert cost.uncounted == ()


def shared_table(x: Any) -> Any:
    table = layers.ReversibleEmbedding(11, 4)
    return table(table(x), reverse=True)


def inner_model() -> keras.Model:
    inputs = keras.Input((9, 3))
    x = layers.GlobalAveragePooling1D()(layers.Conv1D(4, 3)(inputs))
    return keras.Model(inputs, layers.Dense(5)(x))


def test_features_first_count_as_those_last() -> None:
    def body(x: Any, data_format: str) -> Any:
        x = layers.Conv2D(4, 3, strides=2, data_format=data_format)(x)
        x = layers.DepthwiseConv2D(3, padding="same", data_format=data_format)(x)
        x = layers.Conv2DTranspose(5, 2, strides=2, data_format=data_format)(x)
        x = layers.SeparableConv2D(6, 3, data_format=data_format)(x)
        return layers.Dense(7)(layers.GlobalAveragePooling2D(data_format=data_format)(x))

    last = cost_of((20, 24, 3), lambda x: body(x, "channels_last"))
    first = cost_of((3, 20, 24), lambda x: body(x, "channels_first"))
    assert list(first.full) == list(last.full)
    assert first.full_activation_bytes == last.full_activation_bytes
    one = np.ones
    rows = [
        [(row.kind, row.channels, row.flops) for row in cost.table(one(cost.num_channels))]
        for cost in (first, last)
    ]
    assert rows[0] == rows[1]


def test_a_frozen_layer_costs_what_it_costs_trained() -> None:
    base = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.BatchNormalization()])
    model = keras.Sequential([keras.Input((8, 8, 3)), base, layers.Flatten(), layers.Dense(5)])
    trained = CostModel(model, trace_channels(model))
    base.trainable = False
    frozen = CostModel(model, trace_channels(model))
    assert list(frozen.full) == list(trained.full) == [112 + 8 + 725, 36 * 108 + 720]


def test_a_model_built_with_open_sizes_counts_at_those_that_it_meets() -> None:
    def inner(size: int | None) -> keras.Model:
        inputs = keras.Input((size, size, 3))
        x = layers.ReLU()(layers.Conv2D(8, 3, strides=2, name="conv")(inputs))
        return keras.Model(inputs, x + 1.0, name="inner")

    costs, masks = [], []
    for size in (17, None):
        inputs = keras.Input((17, 17, 3))
        x = layers.GlobalAveragePooling2D()(inner(size)(inputs))
        model = keras.Model(inputs, layers.Dense(2)(x))
        channel_map = trace_channels(model)
        costs.append(CostModel(model, channel_map))
        masks.append(np.arange(channel_map.num_channels) < 3)
    fixed, opened = costs
    assert opened.is_sized
    for name in ("flops", "activation_bytes", "parameters", "weight_bytes"):
        assert getattr(opened, name)(masks[1]) == getattr(fixed, name)(masks[0])
    # Three of eight channels: three tensors of 8 x 8, the pooled ones, two logits.
    assert opened.activation_bytes(masks[1]) == 4 * (3 * 8 * 8 * 3 + 3 + 2)


def test_counting_adds_no_call_to_a_layer() -> None:
    inner = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(4, 3, name="conv")])
    inputs = keras.Input((9, 9, 3))
    model = keras.Model(inputs, inner(inputs))
    CostModel(model, trace_channels(model))
    assert len(inner.get_layer("conv")._inbound_nodes) == 1


def test_a_model_called_at_two_sizes_counts_each() -> None:
    inner = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(4, 3)])
    cost = cost_of((9, 9, 3), lambda x: [inner(x), inner(layers.MaxPooling2D(2)(x))])
    assert cost.full[1] == (49 + 4) * 108
    assert cost.full[0] == 112


def test_a_fixed_batch_is_shared_out() -> None:
    cost = cost_of((9, 9, 3), lambda x: layers.Conv2D(4, 3)(x) + 1.0, batch_size=8)
    assert cost.full[1] == 49 * 108
    assert cost.full_activation_bytes == 2 * 4 * 49 * 4


@keras.saving.register_keras_serializable("test_work")
class Odd(layers.Dense):
    """Computes more than its base."""

    def call(self, inputs: Any) -> Any:
        return super().call(inputs) @ ops.transpose(self.kernel)


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (lambda x: Odd(4, name="odd")(x), ("odd",)),
        (lambda x: layers.Lambda(lambda y: y * 2, name="code")(x), ("code",)),
        (lambda x: layers.Resizing(4, 4, name="smaller")(x), ("smaller",)),
        (lambda x: layers.UpSampling2D(2, interpolation="bilinear", name="larger")(x), ("larger",)),
        (lambda x: layers.UpSampling2D(2, name="larger")(x), ()),
        (lambda x: layers.Dense(4, activation=lambda y: y @ y, name="square")(x), ("square",)),
        (lambda x: layers.Dense(4, activation=layers.LeakyReLU(), name="leaky")(x), ()),
        (lambda x: layers.TimeDistributed(Odd(4), name="steps")(x), ("steps",)),
        (lambda x: layers.PReLU()(layers.ReLU()(x) * 2 - ops.mean(x, axis=1, keepdims=True)), ()),
    ],
)
def test_what_is_not_counted_is_named(body: Callable[[Any], Any], names: tuple[str, ...]) -> None:
    assert cost_of((8, 8, 3), body).uncounted == names


def test_functions_that_are_not_counted_are_named() -> None:
    cost = cost_of((8, 8), lambda x: ops.inv(ops.fft((x, x))[0]))
    assert [name.rpartition("_")[0] or name for name in cost.uncounted] in (["fft", "inv"], ["fft", "inv_1"])


def test_a_quantised_layer_is_named() -> None:
    layer = layers.Dense(4, name="dense")
    inputs = keras.Input((8,))
    model = keras.Model(inputs, layer(inputs))
    layer.enable_lora(2)
    assert CostModel(model, trace_channels(model)).uncounted == ("dense",)
