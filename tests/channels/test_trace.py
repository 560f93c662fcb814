"""One rule of the tracer after another, each checked by the two roads: masked and sliced."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers, ops

from stamp_tf.channels import ChannelMap, trace_channels
from stamp_tf.errors import StampError

from .conftest import sizes

Tensor = keras.KerasTensor
Conv = Callable[..., layers.Conv2D]
Classify = Callable[..., keras.Model]
RoadsMeet = Callable[..., ChannelMap]


# Layers that pass their channels on as they come.
PASSING = {
    "relu": lambda: layers.ReLU(),
    "leaky relu": lambda: layers.LeakyReLU(),
    "elu": lambda: layers.ELU(),
    "activation": lambda: layers.Activation("gelu"),
    "sigmoid": lambda: layers.Activation("sigmoid"),
    "prelu": lambda: layers.PReLU(),
    "prelu, one slope per channel": lambda: layers.PReLU(shared_axes=[1, 2]),
    "prelu, one slope": lambda: layers.PReLU(shared_axes=[1, 2, 3]),
    "batch normalization": lambda: layers.BatchNormalization(),
    "batch normalization without scale": lambda: layers.BatchNormalization(scale=False, center=False),
    "max pooling": lambda: layers.MaxPooling2D(2),
    "average pooling": lambda: layers.AveragePooling2D(3, strides=2, padding="same"),
    "global max pooling": lambda: layers.GlobalMaxPooling2D(),
    "global pooling that keeps positions": lambda: layers.GlobalAveragePooling2D(keepdims=True),
    "padding": lambda: layers.ZeroPadding2D(1),
    "cropping": lambda: layers.Cropping2D(1),
    "upsampling": lambda: layers.UpSampling2D(2),
    "identity": lambda: layers.Identity(),
    "depthwise": lambda: layers.DepthwiseConv2D(3, padding="same"),
    "depthwise, strided, without bias": lambda: layers.DepthwiseConv2D(3, strides=2, use_bias=False),
    "depthwise, two of each": lambda: layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu"),
    "flatten": lambda: layers.Flatten(),
    "op: relu": lambda: ops.relu,
    "op: sigmoid": lambda: ops.sigmoid,
    "op: plus a number": lambda: lambda x: x + 0.5,
    "op: a number minus it": lambda: lambda x: 1.0 - x,
    "op: times itself": lambda: lambda x: x * x,
}


@pytest.mark.parametrize("kind", PASSING)
def test_channels_pass(kind: str, conv: Conv, classify: Classify, roads_meet: RoadsMeet) -> None:
    channel_map = roads_meet(classify(lambda x: PASSING[kind]()(conv(5, "conv")(x))))
    assert sizes(channel_map) == {"conv": 5}
    assert not channel_map.kept_whole


@pytest.mark.parametrize(
    "layer", [layers.Dropout, layers.SpatialDropout2D, layers.GaussianNoise, layers.GaussianDropout]
)
def test_channels_pass_random_layers(layer: type[keras.Layer], conv: Conv, classify: Classify) -> None:
    # In training these draw different numbers for different shapes, so that the roads cannot meet there.
    channel_map = trace_channels(classify(lambda x: layer(0.5)(conv(5, "conv")(x))))
    assert sizes(channel_map) == {"conv": 5}
    assert not channel_map.kept_whole


PRODUCING = {
    "convolution": lambda: layers.Conv2D(4, 3, strides=2, activation="relu", name="second"),
    "convolution without bias": lambda: layers.Conv2D(4, 1, use_bias=False, name="second"),
    "dilated convolution": lambda: layers.Conv2D(4, 3, dilation_rate=2, name="second"),
    "dense over positions": lambda: layers.Dense(4, name="second"),
    "transposed": lambda: layers.Conv2DTranspose(4, 3, strides=2, padding="same", name="second"),
    "transposed without bias": lambda: layers.Conv2DTranspose(4, 2, use_bias=False, name="second"),
    "separable": lambda: layers.SeparableConv2D(4, 3, padding="same", name="second"),
    "separable, two of each": lambda: layers.SeparableConv2D(
        4, 3, depth_multiplier=2, use_bias=False, activation="relu", name="second"
    ),
}


@pytest.mark.parametrize("kind", PRODUCING)
def test_layers_consume_and_produce(kind: str, conv: Conv, classify: Classify, roads_meet: RoadsMeet) -> None:
    channel_map = roads_meet(classify(lambda x: PRODUCING[kind]()(conv(5, "first")(x))))
    assert sizes(channel_map) == {"first": 5, "second": 4}
    assert not channel_map.kept_whole


def test_convolution_in_one_dimension(roads_meet: RoadsMeet) -> None:
    inputs = keras.Input((12, 2))
    x = layers.MaxPooling1D(2)(layers.Conv1D(5, 3, name="first")(inputs))
    x = layers.DepthwiseConv1D(3)(x)
    x = layers.GlobalMaxPooling1D()(layers.Conv1DTranspose(4, 3, name="second")(x))
    assert sizes(roads_meet(keras.Model(inputs, layers.Dense(3)(x)))) == {"first": 5, "second": 4}


def test_dense_layers_in_a_row(roads_meet: RoadsMeet) -> None:
    inputs = keras.Input((6,))
    x = layers.Dense(8, activation="tanh", name="hidden1")(inputs)
    x = layers.Dense(7, use_bias=False, name="hidden2")(x)
    model = keras.Model(inputs, layers.Dense(2)(layers.BatchNormalization()(x)))
    assert sizes(roads_meet(model)) == {"hidden1": 8, "hidden2": 7}


def test_flatten_repeats_channels_at_every_position(
    conv: Conv, classify: Classify, roads_meet: RoadsMeet
) -> None:
    model = classify(lambda x: layers.Dense(6, name="hidden")(layers.Flatten()(conv(4, "conv")(x))))
    channel_map = roads_meet(model)
    assert sizes(channel_map) == {"conv": 4, "hidden": 6}
    reads = next(axis for axis in channel_map.weight_axes if axis.path == "hidden/kernel" and axis.axis == 0)
    np.testing.assert_array_equal(reads.channels, np.tile(np.arange(4), 64))


@pytest.mark.parametrize(
    "merge", [layers.Add, layers.Subtract, layers.Maximum, layers.Average, layers.Multiply]
)
def test_merging_ties_channels(
    merge: type[keras.Layer], conv: Conv, classify: Classify, roads_meet: RoadsMeet
) -> None:
    channel_map = roads_meet(classify(lambda x: merge()([conv(4, "a")(x), conv(4, "b")(x)])))
    assert sizes(channel_map) == {"a": 4}
    assert channel_map.groups[0].producers == ("a", "b")


@pytest.mark.parametrize(
    "merge",
    [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, ops.maximum, lambda a, b: a / (2.0 + b * b)],
    ids=["add", "subtract", "multiply", "maximum", "divide"],
)
def test_operators_tie_channels(
    merge: Callable[[Tensor, Tensor], Tensor], conv: Conv, classify: Classify, roads_meet: RoadsMeet
) -> None:
    channel_map = roads_meet(classify(lambda x: merge(conv(4, "a")(x), conv(4, "b")(x))))
    assert [(set(group.producers), group.size) for group in channel_map.groups] == [({"a", "b"}, 4)]


def test_an_identity_shortcut_ties_a_chain_of_blocks(
    conv: Conv, classify: Classify, roads_meet: RoadsMeet
) -> None:
    def body(x: Tensor) -> Tensor:
        x = conv(4, "stem")(x)
        for block in range(2):
            branch = layers.ReLU()(conv(6, f"inner{block}")(x))
            x = layers.Add()([x, conv(4, f"outer{block}")(branch)])
        return x

    channel_map = roads_meet(classify(body))
    assert sizes(channel_map) == {"stem": 4, "inner0": 6, "inner1": 6}
    assert channel_map.groups[0].producers == ("stem", "outer0", "outer1")


def test_concatenation_offsets_channels(conv: Conv, classify: Classify, roads_meet: RoadsMeet) -> None:
    def body(x: Tensor) -> Tensor:
        joined = layers.Concatenate()([conv(4, "a")(x), conv(2, "b")(x)])
        return conv(3, "c")(layers.BatchNormalization()(joined))

    channel_map = roads_meet(classify(body))
    assert sizes(channel_map) == {"a": 4, "b": 2, "c": 3}


def test_concatenation_with_the_image_keeps_the_image(
    conv: Conv, classify: Classify, roads_meet: RoadsMeet
) -> None:
    channel_map = roads_meet(classify(lambda x: conv(3, "b")(layers.Concatenate()([x, conv(4, "a")(x)]))))
    assert sizes(channel_map) == {"a": 4, "b": 3}
    reads = next(
        axis for axis in channel_map.weight_axes if axis.path == "b/kernel" and axis.role == "consumer"
    )
    assert reads.channels.tolist() == [-1, -1, -1, 0, 1, 2, 3]


def test_concatenation_of_a_tensor_with_itself(conv: Conv, classify: Classify, roads_meet: RoadsMeet) -> None:
    def body(x: Tensor) -> Tensor:
        x = conv(4, "a")(x)
        return layers.BatchNormalization()(layers.Concatenate()([x, layers.ReLU()(x)]))

    assert sizes(roads_meet(classify(body))) == {"a": 4}


def test_concatenation_along_positions_ties(conv: Conv, classify: Classify, roads_meet: RoadsMeet) -> None:
    channel_map = roads_meet(
        classify(lambda x: layers.Concatenate(axis=1)([conv(4, "a")(x), conv(4, "b")(x)]))
    )
    assert sizes(channel_map) == {"a": 4}


def test_a_sum_with_a_concatenation_ties_part_by_part(
    conv: Conv, classify: Classify, roads_meet: RoadsMeet
) -> None:
    def body(x: Tensor) -> Tensor:
        joined = layers.Concatenate()([conv(4, "a")(x), conv(2, "b")(x)])
        return layers.Add()([joined, conv(6, "c")(x)])

    channel_map = roads_meet(classify(body))
    assert {group.producers: group.size for group in channel_map.groups} == {("a", "c"): 4, ("b", "c"): 2}
    assert len({group.name for group in channel_map.groups}) == 2


@pytest.mark.parametrize("with_reshape", [True, False])
def test_squeeze_and_excitation(
    with_reshape: bool, conv: Conv, classify: Classify, roads_meet: RoadsMeet
) -> None:
    def body(x: Tensor) -> Tensor:
        x = conv(8, "conv")(x)
        squeezed = layers.GlobalAveragePooling2D(keepdims=not with_reshape)(x)
        if with_reshape:
            squeezed = layers.Reshape((1, 1, 8))(squeezed)
        gate = layers.Dense(4, activation="relu", name="squeeze")(squeezed)
        gate = layers.Dense(8, activation="sigmoid", name="excite")(gate)
        return layers.Multiply()([x, gate])

    channel_map = roads_meet(classify(body))
    assert sizes(channel_map) == {"conv": 8, "squeeze": 4}
    assert not channel_map.kept_whole


def test_squeeze_and_excitation_on_vectors(conv: Conv, classify: Classify, roads_meet: RoadsMeet) -> None:
    def body(x: Tensor) -> Tensor:
        x = conv(8, "conv")(x)
        gate = layers.Dense(8, activation="sigmoid", name="excite")(layers.GlobalAveragePooling2D()(x))
        return layers.Multiply()([x, layers.Reshape((-1, 1, 8))(gate)])

    assert sizes(roads_meet(classify(body))) == {"conv": 8}


def test_a_layer_called_twice_ties_what_it_reads(
    conv: Conv, classify: Classify, roads_meet: RoadsMeet
) -> None:
    def body(x: Tensor) -> Tensor:
        shared, norm = conv(3, "shared"), layers.BatchNormalization(name="norm")
        first = norm(shared(conv(4, "a")(x)))
        second = norm(shared(conv(4, "b")(x)))
        return layers.Concatenate()([first, layers.ReLU()(second)])

    channel_map = roads_meet(classify(body))
    assert {frozenset(group.producers): group.size for group in channel_map.groups} == {
        frozenset({"a", "b"}): 4,
        frozenset({"shared"}): 3,
    }


def test_a_layer_that_reads_its_own_output(conv: Conv, classify: Classify, roads_meet: RoadsMeet) -> None:
    def body(x: Tensor) -> Tensor:
        shared = conv(4, "shared")
        return shared(layers.ReLU()(shared(conv(4, "a")(x))))

    channel_map = roads_meet(classify(body))
    assert sizes(channel_map) == {"a": 4}
    assert channel_map.groups[0].producers == ("a", "shared")


def test_frozen_layers_lose_channels_like_others(conv: Conv, classify: Classify) -> None:
    def body(x: Tensor) -> Tensor:
        frozen = conv(4, "frozen", trainable=False)(conv(5, "a")(x))
        return conv(6, "b")(layers.BatchNormalization(trainable=False)(frozen))

    assert sizes(trace_channels(classify(body))) == {"a": 5, "frozen": 4, "b": 6}


def test_probes_show_channels_where_kernels_read_them(conv: Conv, classify: Classify) -> None:
    def body(x: Tensor) -> Tensor:
        x = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(conv(4, "a")(x)))
        return layers.ReLU(name="last")(conv(2, "b")(x))

    channel_map = trace_channels(classify(body))
    assert [(probe.layer, probe.node, probe.feature) for probe in channel_map.probes] == [
        *(("relu", 0, feature) for feature in range(4)),
        *(("pool", 0, feature) for feature in range(2)),
    ]


def test_each_of_a_sums_channels_has_a_probe(network: keras.Model, channel_map: ChannelMap) -> None:
    assert len(channel_map.probes) == channel_map.num_channels
    assert {probe.layer for probe in channel_map.probes} == {"depthwise", "half", "relu2", "pool"} - {"half"}


def test_kept_indices_and_masks_are_two_ways_to_say_one_thing(channel_map: ChannelMap, draw_mask) -> None:
    mask = draw_mask(channel_map, seed=0)
    np.testing.assert_array_equal(channel_map.mask_of(channel_map.kept(mask)), mask)
    assert set(channel_map.kept(mask)) == {"conv1", "conv2", "conv3"}


def test_group_of_numbers_channels_by_group(channel_map: ChannelMap) -> None:
    assert channel_map.group_sizes == (6, 10, 7)
    assert channel_map.group_of.tolist() == [0] * 6 + [1] * 10 + [2] * 7


def test_a_model_that_is_not_functional_is_refused() -> None:
    class Own(keras.Model):
        def call(self, x: Tensor) -> Tensor:
            return x

    with pytest.raises(StampError, match=r"must be a functional Keras model, but got Own; build it with"):
        trace_channels(Own())


def test_tracing_changes_nothing(network: keras.Model) -> None:
    before = network.get_weights()
    trace_channels(network)
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
