"""Models within models, and layers that are called more than once."""

from collections.abc import Callable

import keras
from keras import layers, ops

from stamp_tf.channels import ChannelMap, slice_model, trace_channels

from .conftest import convolution, sizes

Tensor = keras.KerasTensor
Conv = Callable[..., keras.layers.Conv2D]
Classify = Callable[..., keras.Model]
RoadsMeet = Callable[..., ChannelMap]


@keras.saving.register_keras_serializable(package="test_nested_models")
def doubled(x: Tensor) -> Tensor:
    return ops.flip(x, axis=-1) * 2.0


def block(width: int, *, channels: int, name: str) -> keras.Model:
    """A residual block as a model of its own."""
    inside = keras.Input((8, 8, channels))
    x = convolution(width, f"{name}_inner")(inside)
    x = convolution(channels, f"{name}_outer")(layers.BatchNormalization(name=f"{name}_norm")(x))
    return keras.Model(inside, layers.Add(name=f"{name}_sum")([inside, x]), name=name)


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
