"""Patterns of real networks, made by hand: masked kernels and the sliced network have to agree on each."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers, ops

from stamp_tf.channels import ChannelMap, mask_kernels, slice_model, trace_channels

from .conftest import convolution, sizes

Tensor = keras.KerasTensor
Conv = Callable[..., keras.layers.Conv2D]
Classify = Callable[..., keras.Model]
RoadsMeet = Callable[..., ChannelMap]


def test_a_group_of_a_grouped_convolution_goes_as_one(
    conv: Conv, classify: Classify, roads_meet: RoadsMeet
) -> None:
    def body(x: Tensor) -> Tensor:
        x = layers.Conv2D(8, 3, groups=4, name="grouped")(conv(12, "before")(x))
        return conv(5, "after")(layers.BatchNormalization()(x))

    channel_map = roads_meet(classify(body))
    # Four groups of three channels that go in and two that come out.
    assert sizes(channel_map) == {"before": 4, "after": 5}
    assert not channel_map.kept_whole


def test_a_sliced_grouped_convolution_has_fewer_groups(conv: Conv, classify: Classify) -> None:
    model = classify(lambda x: layers.Conv2D(8, 3, groups=4, name="grouped")(conv(12, "before")(x)))
    channel_map = trace_channels(model)
    smaller = slice_model(model, channel_map, channel_map.mask_of({"before": [0, 2, 3]}))
    layer = smaller.get_layer("grouped")
    assert (layer.groups, layer.filters, tuple(layer.kernel.shape)) == (3, 6, (3, 3, 3, 6))


def test_a_grouped_convolution_of_the_image_is_kept(
    conv: Conv, classify: Classify, roads_meet: RoadsMeet
) -> None:
    channel_map = roads_meet(classify(lambda x: conv(4, "after")(layers.Conv2D(6, 3, groups=3)(x))))
    assert sizes(channel_map) == {"after": 4}


@pytest.mark.parametrize("groups", [3, 6, -1])
def test_a_group_of_a_normalization_goes_as_one(
    groups: int, conv: Conv, classify: Classify, roads_meet: RoadsMeet
) -> None:
    channel_map = roads_meet(
        classify(lambda x: conv(4, "after")(layers.GroupNormalization(groups)(conv(6, "conv")(x))))
    )
    assert sizes(channel_map) == {"conv": 6 if groups == -1 else groups, "after": 4}


def test_concatenation_of_three(conv: Conv, classify: Classify, roads_meet: RoadsMeet) -> None:
    def body(x: Tensor) -> Tensor:
        x = layers.Concatenate()([conv(4, "a")(x), conv(3, "b")(x), conv(2, "c")(x)])
        return conv(5, "after")(layers.BatchNormalization()(x))

    assert sizes(roads_meet(classify(body))) == {"a": 4, "b": 3, "c": 2, "after": 5}


def test_a_dense_block(conv: Conv, classify: Classify, roads_meet: RoadsMeet) -> None:
    def body(x: Tensor) -> Tensor:
        x = conv(6, "stem")(x)
        for number in range(3):
            new = conv(4, f"grow{number}")(layers.ReLU()(layers.BatchNormalization()(x)))
            x = layers.Concatenate()([x, new])
        return x

    assert sizes(roads_meet(classify(body))) == {"stem": 6, "grow0": 4, "grow1": 4, "grow2": 4}


def test_an_addition_chain_through_projections(conv: Conv, classify: Classify, roads_meet: RoadsMeet) -> None:
    def body(x: Tensor) -> Tensor:
        for stage, width in enumerate((4, 6)):
            x = conv(width, f"project{stage}")(x)
            for block in range(2):
                x = layers.Add()([x, conv(width, f"stage{stage}block{block}")(layers.ReLU()(x))])
        return x

    channel_map = roads_meet(classify(body))
    assert [group.producers for group in channel_map.groups] == [
        (f"project{stage}", f"stage{stage}block0", f"stage{stage}block1") for stage in range(2)
    ]


@pytest.mark.parametrize(
    ("sections", "groups"),
    [
        # Equal parts have to stay equal, so that both halves lose the same channels.
        (2, {"conv": 4}),
        # Others are groups of their own, because none may vanish.
        ([2, 5], {"conv part 1": 2, "conv part 2": 3, "conv part 3": 3}),
    ],
)
def test_split_and_joined_again(
    sections: int | list[int],
    groups: dict[str, int],
    conv: Conv,
    classify: Classify,
    roads_meet: RoadsMeet,
) -> None:
    def body(x: Tensor) -> Tensor:
        first, *others = ops.split(conv(8, "conv")(x), sections, axis=-1)
        return layers.Concatenate()([conv(3, "branch")(first), *others])

    assert sizes(roads_meet(classify(body))) == groups | {"branch": 3}


SHAPES = {
    "reshape that folds positions": (lambda x: layers.Reshape((64, 5))(x), 5),
    "reshape that folds a row into features": (lambda x: layers.Reshape((8, 40))(x), 5),
    "reshape with an open first size": (lambda x: layers.Reshape((-1, 5))(x), 5),
    "reshape of a row": (
        lambda x: layers.Reshape((1, 1, 5))(layers.GlobalAveragePooling2D()(x)),
        5,
    ),
    "permutation of positions": (lambda x: layers.Permute((2, 1, 3))(x), 5),
    "op: transpose": (lambda x: ops.transpose(x, (0, 2, 1, 3)), 5),
    "op: reshape": (lambda x: ops.reshape(x, (-1, 64, 5)), 5),
    "op: pad": (lambda x: ops.pad(x, ((0, 0), (1, 1), (2, 0), (0, 0))), 5),
    "op: mean over positions": (lambda x: ops.mean(x, axis=(1, 2), keepdims=True), 5),
    "op: max over rows": (lambda x: ops.max(x, axis=1), 5),
    "rescaling": (lambda x: layers.Rescaling(1 / 255, offset=0.5)(x), 5),
    "resizing": (lambda x: layers.Resizing(4, 4)(x), 5),
    "repeated vector": (lambda x: layers.RepeatVector(3)(layers.GlobalAveragePooling2D()(x)), 5),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_shapes_change_and_channels_stay(
    kind: str, conv: Conv, classify: Classify, roads_meet: RoadsMeet
) -> None:
    change, size = SHAPES[kind]
    channel_map = roads_meet(
        classify(lambda x: layers.Flatten()(layers.Dense(4, name="after")(change(conv(5, "conv")(x)))))
    )
    assert sizes(channel_map) == {"conv": size, "after": 4}
    assert not channel_map.kept_whole


def test_convolutions_of_volumes_and_sequences(roads_meet: RoadsMeet) -> None:
    volume = keras.Input((4, 4, 4, 2))
    x = layers.Conv3D(5, 2, activation="relu", name="conv3d")(volume)
    x = layers.Conv3DTranspose(6, 2, name="up3d")(layers.MaxPooling3D(2)(x))
    x = layers.Reshape((8, 6))(x)
    x = layers.Conv1D(7, 3, name="conv1d")(x)
    x = layers.Conv1DTranspose(4, 2, name="up1d")(layers.SeparableConv1D(3, 2, name="separable")(x))
    channel_map = roads_meet(keras.Model(volume, layers.Dense(2)(layers.GlobalMaxPooling1D()(x))))
    assert sizes(channel_map) == {"conv3d": 5, "up3d": 6, "conv1d": 7, "separable": 3, "up1d": 4}


def test_several_inputs_and_outputs() -> None:
    image, row = keras.Input((8, 8, 3), name="image"), keras.Input((4,), name="row")
    x = layers.GlobalAveragePooling2D()(convolution(5, "conv")(image))
    x = layers.Add()([x, layers.Dense(5, name="embed")(row)])
    hidden = layers.Dense(6, activation="relu", name="hidden")(x)
    outputs = {"label": layers.Dense(3, name="label")(hidden), "box": layers.Dense(4, name="box")(x)}
    model = keras.Model({"image": image, "row": row}, outputs)
    channel_map = trace_channels(model)
    assert sizes(channel_map) == {"conv": 5, "hidden": 6}
    mask = channel_map.mask_of({"conv": [1, 2, 4], "hidden": [0, 5]})
    smaller = slice_model(model, channel_map, mask)
    rng = np.random.default_rng(0)
    batch = {"image": rng.normal(size=(2, 8, 8, 3)), "row": rng.normal(size=(2, 4))}
    weights = mask_kernels(
        channel_map,
        [variable.path for variable in model.trainable_variables],
        weights=[variable.value for variable in model.trainable_variables],
        mask=ops.convert_to_tensor(mask),
    )
    masked, _ = model.stateless_call(
        weights, [variable.value for variable in model.non_trainable_variables], batch
    )
    sliced = smaller(batch)
    assert set(sliced) == {"label", "box"}
    for name in outputs:
        np.testing.assert_allclose(sliced[name], masked[name], atol=1e-5)


def test_statistics_of_a_normalization_layer_are_carried_over(classify: Classify) -> None:
    normalization = layers.Normalization(name="normalize")
    normalization.adapt(np.random.default_rng(0).normal(3, 2, (64, 8, 8, 3)))
    model = classify(lambda x: convolution(5, "conv")(normalization(x)))
    channel_map = trace_channels(model)
    assert not channel_map.kept_whole
    smaller = slice_model(model, channel_map, np.ones(5))
    images = np.random.default_rng(1).normal(3, 2, (2, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(smaller(images), model(images), atol=1e-6)


def attention(x: Tensor) -> Tensor:
    rows = layers.Reshape((64, 5))(x)
    mixed = layers.MultiHeadAttention(2, 3, name="odd")(rows, rows)
    return layers.Reshape((8, 8, 5))(mixed)


@keras.saving.register_keras_serializable(package="test_patterns")
def doubled(x: Tensor) -> Tensor:
    return ops.flip(x, axis=-1) * 2.0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (attention, "no rule for MultiHeadAttention"),
        (lambda x: layers.Lambda(doubled, name="odd")(x), "no rule for Lambda"),
        (
            lambda x: layers.SpectralNormalization(layers.Conv2D(5, 1), name="odd")(x),
            "no rule for SpectralNormalization",
        ),
        (lambda x: layers.UnitNormalization(name="odd")(x), "no rule for UnitNormalization"),
    ],
    ids=["attention", "lambda", "wrapper", "unit normalization"],
)
def test_what_is_not_known_is_kept_whole_and_the_rest_is_pruned(
    change: Callable[[Tensor], Tensor], reason: str, classify: Classify, roads_meet: RoadsMeet
) -> None:
    channel_map = roads_meet(
        classify(
            lambda x: convolution(4, "after")(change(convolution(5, "before")(convolution(6, "free")(x))))
        )
    )
    assert sizes(channel_map) == {"free": 6, "after": 4}
    (kept,) = channel_map.kept_whole
    assert (kept.layer, kept.producers, kept.reason) == ("odd", ("before",), reason)
