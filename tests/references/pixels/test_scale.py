"""The scale of pixels that a network is built for, however it is written."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from stamp_tf.errors import StampError
from stamp_tf.references.pixels.choice import choose_pixels
from stamp_tf.references.pixels.scale import FoundScale, expected_pixels, find_scale
from stamp_tf.references.pixels.stage import Line

SHAPE = (12, 12, 3)
MEAN, STD = np.array([0.485, 0.456, 0.406], "float32"), np.array([0.229, 0.224, 0.225], "float32")
applications = keras.applications


def network(
    scale: Callable[[Any], Any], *, shape: tuple[int, ...] = SHAPE, dtype: str | None = None
) -> keras.Model:
    image = keras.Input(shape, dtype=dtype)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(scale(image)))
    return keras.Model(image, layers.Dense(4)(x))


def adapted(high: float) -> Callable[[Any], Any]:
    def scale(image: Any) -> Any:
        layer = layers.Normalization()
        layer.adapt(np.random.default_rng(0).uniform(0, high, (20, *SHAPE)).astype("float32"))
        return layer(image)

    return scale


def batch_norm(mean: float, std: float) -> Callable[[Any], Any]:
    def scale(image: Any) -> Any:
        layer = layers.BatchNormalization()
        x = layer(image)
        layer.moving_mean.assign(np.full(3, mean))
        layer.moving_variance.assign(np.full(3, std**2))
        return x

    return scale


def augmented(image: Any) -> Any:
    scale = keras.Sequential(
        [
            *(layers.Resizing(10, 10), layers.RandomFlip(), layers.RandomCrop(8, 8)),
            *(layers.Rescaling(1 / 127.5, -1), layers.RandomContrast(0.2), layers.GaussianNoise(0.1)),
        ]
    )
    return scale(image)


@pytest.mark.parametrize(
    ("scale", "pixels", "formula"),
    [
        (lambda x: x / 255.0, "0:255", "x / 255"),
        (lambda x: layers.Rescaling(1 / 255)(x), "0:255", "x / 255"),
        (lambda x: layers.Rescaling([1 / 255] * 3)(x), "0:255", "x / 255"),
        (lambda x: ops.true_divide(ops.subtract(ops.cast(x, "float32"), 128), 256), "0:255", "x / 256 - 0.5"),
        (lambda x: layers.Subtract()([x, ops.full_like(x, 127.5)]) / 127.5, "0:255", "x / 127.5 - 1"),
        (lambda x: 1 - x / 255.0, "0:255", "-x / 255 + 1"),
        (lambda x: x - np.array([123.0, 117, 104], "float32"), "0:255", "(x - (123, 117, 104))"),
        (applications.mobilenet.preprocess_input, "0:255", "x / 127.5 - 1"),
        (applications.resnet50.preprocess_input, "0:255", "(x - (123.7, 116.8, 103.9))"),
        (
            applications.densenet.preprocess_input,
            "0:255",
            "(x - (123.7, 116.3, 103.5)) / (58.39, 57.12, 57.37)",
        ),
        (adapted(255), "0:255", None),
        (lambda x: layers.Normalization(mean=MEAN, variance=STD**2)(x / 255.0), "0:255", None),
        (augmented, "0:255", "x / 127.5 - 1"),
        (batch_norm(120, 60), "0:255", None),
        (lambda x: layers.ZeroPadding2D(1)(x / 255.0), "0:255", "x / 255"),
        (lambda x: ops.conv(x / 255.0, np.ones((3, 3, 3, 4), "float32")), "0:255", "x / 255"),
        (lambda x: layers.AveragePooling2D(2)(x) / 255.0, "0:255", "x / 255"),
        (lambda x: ops.concatenate(ops.split(x, 3, axis=-1)[::-1], -1) / 255.0, "0:255", "x / 255"),
        (lambda x: ops.image.rgb_to_grayscale(x / 255.0), "0:255", "x / 255"),
        (lambda x: layers.Activation("linear")(layers.Lambda(lambda y: y / 255)(x)), "0:255", "x / 255"),
        (lambda x: x * 2 - 1, "0:1", "x * 2 - 1"),
        (lambda x: x - 0.5, "0:1", "x - 0.5"),
        (lambda x: ops.clip(x, 0, 1) * 2 - 1, "0:1", "x * 2 - 1"),
        (lambda x: (x - MEAN) / STD, "0:1", "(x - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)"),
        (lambda x: applications.resnet50.preprocess_input(x * 255.0), "0:1", None),
        (adapted(1), "0:1", None),
        (batch_norm(0.45, 0.25), "0:1", None),
        (lambda x: (x + 1) / 2, "-1:1", "x / 2 + 0.5"),
        (lambda x: (x + 1) * 127.5, "-1:1", None),
    ],
)
def test_scaling_is_found(scale: Callable[[Any], Any], pixels: str, formula: str | None) -> None:
    found = find_scale(network(scale))
    assert (found.pixels, found.is_certain) == (pixels, True)
    assert formula in (None, found.formula)


def residual(image: Any) -> Any:
    return layers.Conv2D(3, 3, padding="same")(image) + layers.Rescaling(1 / 255)(image)


def behind_a_convolution(image: Any) -> Any:
    return layers.Rescaling(1 / 255)(layers.Conv2D(3, 3)(image))


@pytest.mark.parametrize(
    "scale",
    [
        lambda x: x,
        lambda x: layers.ReLU()(x),
        *(lambda x: layers.Rescaling(0.3)(x), lambda x: layers.BatchNormalization()(x)),
        *(batch_norm(0.05, 0.97), residual),
        behind_a_convolution,
        lambda x: (
            (x - ops.mean(x, axis=(1, 2, 3), keepdims=True)) / ops.std(x, axis=(1, 2, 3), keepdims=True)
        ),
        lambda x: x / 65535.0,
        lambda x: (x / 255.0) ** 2.2,
    ],
)
def test_what_says_nothing_of_the_input_is_no_scaling(scale: Callable[[Any], Any]) -> None:
    assert find_scale(network(scale)).pixels is None


@pytest.mark.parametrize(
    "scale",
    [
        lambda x: layers.Concatenate()([layers.Conv2D(3, 3)(x), layers.Conv2D(3, 3)(x / 255.0)]),
        lambda x: layers.DepthwiseConv2D(1, depthwise_initializer=keras.initializers.Constant(1 / 255))(x),
    ],
)
def test_a_doubt_is_a_doubt(scale: Callable[[Any], Any]) -> None:
    assert find_scale(network(scale)) == FoundScale(pixels="0:255", is_certain=False, formula="x / 255")


def test_two_scales_in_one_network_are_none() -> None:
    scale = lambda x: layers.Concatenate()(  # noqa: E731
        [layers.Conv2D(3, 3)(x * 2 - 1), layers.Conv2D(3, 3)(x / 255.0)]
    )
    assert find_scale(network(scale)) == FoundScale(
        pixels=None, is_certain=False, formula="x * 2 - 1 and x / 255"
    )


def test_whole_numbers_are_0_to_255() -> None:
    found = find_scale(network(lambda x: ops.cast(x, "float32"), dtype="uint8"))
    assert found == FoundScale(pixels="0:255", is_certain=True, formula="an input of uint8")


@pytest.mark.parametrize("flatten", [lambda x: layers.Flatten()(x), lambda x: layers.Reshape((64,))(x)])
def test_grey_images_of_a_dense_network_are_followed(flatten: Callable[[Any], Any]) -> None:
    image = keras.Input((8, 8, 1))
    model = keras.Model(image, layers.Dense(3)(flatten(image) / 255.0))
    assert find_scale(model) == FoundScale(pixels="0:255", is_certain=True, formula="x / 255")


def test_sixteen_levels_are_a_doubt() -> None:
    assert find_scale(network(lambda x: x / 16.0)) == FoundScale(
        pixels="0:255", is_certain=False, formula="x / 16"
    )


@keras.saving.register_keras_serializable("test_pixel_scale")
class Symbolic(layers.Layer):
    """Works while a network is built, and never after."""

    def call(self, inputs: Any) -> Any:
        if inputs.shape[0] is not None:
            raise RuntimeError("no batch is small enough")
        return inputs


def test_what_cannot_be_run_is_not_followed() -> None:
    assert find_scale(network(lambda x: Symbolic()(x) / 255.0)).pixels is None


def test_scaling_before_a_nested_model_and_within_it_is_one() -> None:
    inner = network(lambda x: x - 0.5)
    model = keras.Sequential([keras.Input(SHAPE), layers.Rescaling(1 / 255), inner])
    assert find_scale(model) == FoundScale(pixels="0:255", is_certain=True, formula="x / 255 - 0.5")


@pytest.mark.parametrize("make", [applications.MobileNetV3Small, applications.ConvNeXtTiny])
def test_networks_of_keras_say_it_themselves(make: Callable[..., keras.Model]) -> None:
    model = make(weights=None, input_shape=(32, 32, 3), include_top=False)
    assert find_scale(model).pixels == "0:255"


@pytest.mark.parametrize(
    ("mean", "std", "expected"),
    [
        (120, 60, ("0:255", True)),
        (0.45, 0.25, ("0:1", True)),
        (0.02, 1.0, (None, False)),
        (-0.1, 0.5, ("-1:1", False)),
        (0.9, 0.3, ("0:1", False)),
    ],
)
def test_a_mean_and_deviation_say_as_much_as_they_can(
    mean: float, std: float, expected: tuple[str | None, bool]
) -> None:
    assert expected_pixels(Line(1 / std, -mean / std)) == expected


@pytest.mark.parametrize(
    ("mean", "std", "pixels", "rivals"),
    [
        (0.45, 0.25, "0:1", ("-1:1", "imagenet")),
        (0.5, 0.4, "0:1", ("-1:1", "imagenet")),
        (0.6, 0.12, "0:1", ("-1:1",)),
        (0.3, 0.06, "0:1", ()),
        (120, 60, "0:255", ()),
        # So far from its mean no pixel in [0, 1] gets: bright ones in [-1, 1] do.
        (0.5, 0.8, None, ()),
    ],
)
def test_a_measured_mean_and_deviation_may_be_of_several_scales(
    mean: float, std: float, pixels: str | None, rivals: tuple[str, ...]
) -> None:
    found = find_scale(network(batch_norm(mean, std)))
    assert (found.pixels, found.rivals) == (pixels, rivals if pixels else found.rivals)


def test_a_bright_set_at_another_scale_is_not_refused() -> None:
    bright = find_scale(network(batch_norm(0.6, 0.4)))
    assert choose_pixels("-1:1", bright).origin == "option"
    assumed = choose_pixels(None, bright)
    assert (assumed.scale, assumed.origin) == ("0:1", "assumed")
    assert "which may suit -1:1 or imagenet as well" in str(assumed)
    with pytest.raises(StampError, match=r"--pixels must be the scale that the network is built for"):
        choose_pixels("0:255", bright)


def test_a_mean_and_deviation_that_somebody_wrote_down_are_not_in_doubt() -> None:
    written = find_scale(network(lambda x: layers.Normalization(mean=MEAN, variance=STD**2)(x)))
    assert written.is_certain
    with pytest.raises(StampError, match=r"but is -1:1 where it takes 0:1"):
        choose_pixels("-1:1", written)
