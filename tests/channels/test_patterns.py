"""Patterns of real networks, made by hand: masked kernels and the sliced network have to agree on each."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers, ops

from stamp_tf.channels import ChannelMap, mask_kernels, slice_model, trace_channels

Tensor = keras.KerasTensor
Conv = Callable[..., keras.layers.Conv2D]
Classify = Callable[..., keras.Model]
RoadsMeet = Callable[..., ChannelMap]


def sizes(channel_map: ChannelMap) -> dict[str, int]:
    return {group.name: group.size for group in channel_map.groups}


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


def block(width: int, *, channels: int, name: str) -> keras.Model:
    """A residual block as a model of its own."""
    inside = keras.Input((8, 8, channels))
    x = convolution(width, f"{name}_inner")(inside)
    x = convolution(channels, f"{name}_outer")(layers.BatchNormalization(name=f"{name}_norm")(x))
    return keras.Model(inside, layers.Add(name=f"{name}_sum")([inside, x]), name=name)


def convolution(filters: int, name: str) -> keras.layers.Conv2D:
    return keras.layers.Conv2D(filters, 3, padding="same", name=name)


def test_models_within_models(classify: Classify, roads_meet: RoadsMeet) -> None:
    def body(x: Tensor) -> Tensor:
        x = convolution(5, "stem")(x)
        x = block(4, channels=5, name="one")(x)
        wrapped = keras.Sequential(
            [convolution(6, "first"), layers.ReLU(), convolution(3, "second")], name="two"
        )
        return wrapped(x)

    channel_map = roads_meet(classify(body))
    assert sizes(channel_map) == {"stem": 5, "one/one_inner": 4, "two/first": 6, "two/second": 3}
    assert channel_map.groups[0].producers == ("stem", "one/one_outer")


def test_a_model_within_a_model_stays_one(classify: Classify) -> None:
    model = classify(lambda x: block(4, channels=5, name="one")(convolution(5, "stem")(x)))
    channel_map = trace_channels(model)
    kept = {"stem": [0, 3], "one/one_inner": [1]}
    smaller = slice_model(model, channel_map, channel_map.mask_of(kept))
    inside = smaller.get_layer("one")
    assert isinstance(inside, keras.Model)
    assert (inside.input_shape, inside.get_layer("one_inner").filters) == ((None, 8, 8, 2), 1)


def test_a_model_called_twice(classify: Classify, roads_meet: RoadsMeet) -> None:
    def body(x: Tensor) -> Tensor:
        shared = block(4, channels=5, name="shared")
        return shared(layers.ReLU()(shared(convolution(5, "stem")(x))))

    assert sizes(roads_meet(classify(body))) == {"stem": 5, "shared/shared_inner": 4}


def test_a_model_of_open_sizes(classify: Classify, roads_meet: RoadsMeet) -> None:
    def body(x: Tensor) -> Tensor:
        inside = keras.Input((None, None, 5))
        y = convolution(6, "deep2")(layers.MaxPooling2D()(convolution(4, "deep1")(inside)))
        return keras.Model(inside, y, name="base")(convolution(5, "stem")(x))

    channel_map = roads_meet(classify(body))
    assert sizes(channel_map) == {"stem": 5, "base/deep1": 4, "base/deep2": 6}
    assert not channel_map.kept_whole


def test_a_model_called_by_the_names_of_its_inputs_is_kept_whole(classify: Classify) -> None:
    """Keras hands the tensors over by name, so their order in the call says nothing."""
    inputs = [keras.Input((8, 8, 4), name=name) for name in ("z", "a")]
    joined = layers.Concatenate()([convolution(3, "of_z")(inputs[0]), convolution(2, "of_a")(inputs[1])])
    inside = keras.Model(inputs, joined, name="inside")
    model = classify(lambda x: inside({"z": convolution(4, "one")(x), "a": convolution(4, "two")(x)}))
    channel_map = trace_channels(model)
    assert not channel_map.groups
    (kept,) = channel_map.kept_whole
    assert (kept.layer, kept.reason) == (
        "inside",
        "it is called on inputs in another structure than it was built for",
    )


def test_a_layer_that_one_of_its_calls_cannot_lose_channels_in(
    classify: Classify, roads_meet: RoadsMeet
) -> None:
    """The second call writes what no rule follows, so the weights have to stay for the first one, too."""

    def body(x: Tensor) -> Tensor:
        shared = layers.Dense(4, name="shared")
        first = shared(convolution(5, "before")(x))
        second = shared(layers.Lambda(doubled)(convolution(5, "other")(x)))
        return convolution(3, "after")(layers.Concatenate()([first, layers.Lambda(doubled)(second)]))

    assert sizes(roads_meet(classify(body))) == {"after": 3}


def test_a_normalization_that_one_call_keeps_whole(classify: Classify, roads_meet: RoadsMeet) -> None:
    """Called on features and, the second time, on a transposed tensor of the same size."""

    def body(x: Tensor) -> Tensor:
        norm = layers.BatchNormalization(name="norm")
        first = norm(convolution(8, "first")(x))
        second = norm(layers.Permute((3, 1, 2))(convolution(8, "second")(x)))
        return layers.Concatenate()([convolution(3, "a")(first), convolution(2, "b")(second)])

    assert sizes(roads_meet(classify(body))) == {"a": 3, "b": 2}


def test_a_model_of_models_of_models(classify: Classify, roads_meet: RoadsMeet) -> None:
    def body(x: Tensor) -> Tensor:
        inside = keras.Input((8, 8, 5))
        outer = keras.Model(inside, block(4, channels=5, name="deep")(inside), name="outer")
        return outer(convolution(5, "stem")(x))

    assert sizes(roads_meet(classify(body))) == {"stem": 5, "outer/deep/deep_inner": 4}


def test_a_sequential_model(roads_meet: RoadsMeet) -> None:
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            *(convolution(5, "conv"), layers.BatchNormalization(), layers.ReLU(), layers.Flatten()),
            *(layers.Dense(6, activation="relu", name="hidden"), layers.Dense(3)),
        ]
    )
    channel_map = roads_meet(model)
    assert sizes(channel_map) == {"conv": 5, "hidden": 6}
    smaller = slice_model(model, channel_map, channel_map.mask_of({"conv": [0], "hidden": [1, 2]}))
    assert isinstance(smaller, keras.Sequential)
    assert smaller.name == model.name


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
        [variable.value for variable in model.trainable_variables],
        ops.convert_to_tensor(mask),
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
