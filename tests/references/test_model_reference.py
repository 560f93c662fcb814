"""Somebody's own model as a reference: the same function, whatever it is wrapped in."""

import json
from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.channels.graph import calls_of, flat_layers
from stamp_tf.errors import StampError
from stamp_tf.references.backbone_config import BackboneConfig
from stamp_tf.references.model_reference import reference_of_model
from stamp_tf.references.reference_file import load_reference, save_reference
from stamp_tf.references.transfer import transfer_weights

SHAPE = (12, 12, 3)


def body() -> keras.Model:
    image = keras.Input(SHAPE)
    x = layers.Conv2D(6, 3, activation="relu", name="conv1")(image)
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(8, 3, name="conv2")(x))
    return keras.Model(image, layers.GlobalAveragePooling2D(name="pool")(x), name="body")


def functional() -> keras.Model:
    inside = body()
    x = layers.Dense(4, activation="softmax", name="classes")(inside.output)
    return keras.Model(inside.input, x, name="mine")


def with_activation_layer() -> keras.Model:
    inside = body()
    x = layers.Softmax(name="shares")(layers.Dense(4, name="classes")(inside.output))
    return keras.Model(inside.input, x, name="mine")


def sequential() -> keras.Model:
    head = layers.Dense(4, activation="softmax", name="classes")
    return keras.Sequential([keras.Input(SHAPE), body(), layers.Dropout(0.1), head], name="mine")


def frozen() -> keras.Model:
    model = sequential()
    model.layers[0].trainable = False
    return model


def lively(model: keras.Model) -> keras.Model:
    rng = np.random.default_rng(3)
    for weight in model.weights:
        low = 0.5 if "variance" in weight.path else -0.3
        weight.assign(rng.uniform(low, 1, weight.shape) * 0.5)
    return model


@pytest.mark.parametrize("make", [functional, with_activation_layer, sequential, frozen])
def test_it_answers_with_the_models_own_logits(make: Callable[[], keras.Model]) -> None:
    model = lively(make())
    reference = reference_of_model(model)
    images = np.random.default_rng(0).normal(size=(5, *SHAPE)).astype("float32")
    logits = np.asarray(reference.model(images, training=False))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(shares, model(images, training=False), atol=1e-6)
    assert {group.name: group.size for group in reference.channel_map.groups} == {"conv1": 6, "conv2": 8}


def test_the_model_is_left_as_it_was() -> None:
    model = sequential()
    config, calls = model.get_config(), [len(calls_of(layer)) for layer in flat_layers(model)]
    model.layers[0].trainable = False
    reference_of_model(model)
    assert [len(calls_of(layer)) for layer in flat_layers(model)] == calls
    assert not model.layers[0].trainable
    model.layers[0].trainable = True
    assert model.get_config() == config


def test_it_is_built_again_for_other_classes_from_json() -> None:
    reference = reference_of_model(sequential())
    config = reference.backbone.with_num_classes(7).to_config()
    rebuilt = BackboneConfig.from_config(config).build()
    assert rebuilt.output_shape == (None, 7)
    assert [weight.path for weight in rebuilt.weights] == [weight.path for weight in reference.model.weights]


def test_everything_is_trained_after_pruning() -> None:
    assert all(layer.trainable for layer in reference_of_model(frozen()).model.layers)


def test_another_number_of_classes_needs_a_dense_end() -> None:
    image = keras.Input(SHAPE)
    x = layers.Conv2D(4, 3)(layers.Conv2D(6, 3)(image))
    x = layers.Flatten()(layers.GlobalAveragePooling2D(keepdims=True)(x))
    reference = reference_of_model(keras.Model(image, x, name="odd"))
    with pytest.raises(
        StampError, match=r"--model must end in a dense layer .* odd ends in something else with 4 where"
    ):
        reference.backbone.build(num_classes=3)


def scaled(*scale: keras.Layer) -> keras.Model:
    return keras.Sequential([keras.Input(SHAPE), *scale, body(), layers.Dense(4)])


@pytest.mark.parametrize(
    ("pixels", "scale", "expected", "line"),
    [
        (
            None,
            1.0,
            "standardized",
            "assumed, because the network does not scale its input; if it was trained on another scale, name it with",
        ),
        (None, 1 / 255, "0:255", "Pixels: 0:255, found in the network (x / 255)."),
        ("0:255", 1 / 255, "0:255", "Pixels: 0:255, as was asked."),
        ("-1:1", 1.0, "-1:1", "Pixels: -1:1, as was asked."),
        ("-1:1", 0.3, "-1:1", "Pixels: -1:1, as was asked."),
    ],
)
def test_pixels_are_what_the_model_was_trained_on_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture, pixels: str | None, scale: float, expected: str, line: str
) -> None:
    with caplog.at_level("INFO", "stamp_tf"):
        reference = reference_of_model(scaled(layers.Rescaling(scale)), pixels=pixels)
    assert reference.pixels.scale == expected
    assert line in caplog.text


@pytest.mark.parametrize("pixels", ["0:1", "-1:1", "imagenet", "standardized"])
def test_pixels_that_contradict_the_network_are_refused(pixels: str) -> None:
    message = (
        rf"--pixels must be .* but is {pixels} where it takes 0:255 \(x / 127.5 - 1\); leave --pixels out"
    )
    with pytest.raises(StampError, match=message):
        reference_of_model(scaled(layers.Rescaling(1 / 127.5, -1)), pixels=pixels)


def test_another_name_of_pixels_is_refused() -> None:
    with pytest.raises(
        StampError, match="--pixels must be 0:255, 0:1, -1:1, imagenet or standardized, but is '0-1'"
    ):
        reference_of_model(functional(), pixels="0-1")


def test_what_a_normalization_was_adapted_to_comes_along() -> None:
    images = np.random.default_rng(0).uniform(0, 255, (40, *SHAPE)).astype("float32")
    scale = layers.Normalization()
    scale.adapt(images)
    model = lively_but(scaled(scale), scale)
    reference = reference_of_model(model)
    assert reference.pixels.scale == "0:255"
    np.testing.assert_allclose(reference.model(images), model(images), rtol=1e-4, atol=1e-4)
    for classes in (4, 5):
        built = reference.backbone.build(num_classes=classes)
        transfer_weights(reference.model, built)
        np.testing.assert_allclose(features(built, images), features(reference.model, images), rtol=1e-4)


def features(model: keras.Model, images: np.ndarray) -> np.ndarray:
    return np.asarray(keras.Model(model.input, model.get_layer("pool").output)(images))


def lively_but(model: keras.Model, kept: keras.Layer) -> keras.Model:
    values = kept.get_weights()
    lively(model)
    kept.set_weights(values)
    kept.finalize_state()
    return model


def test_a_reference_read_from_a_file_scales_as_before(tmp_path) -> None:
    images = np.random.default_rng(0).uniform(0, 255, (40, *SHAPE)).astype("float32")
    scale = layers.Normalization()
    scale.adapt(images)
    reference = reference_of_model(lively_but(scaled(scale), scale))
    save_reference(reference, tmp_path / "reference.npz")
    again = load_reference(tmp_path / "reference.npz")
    np.testing.assert_allclose(again.model(images), reference.model(images), rtol=1e-5)


def test_depth_first_is_refused() -> None:
    image = keras.Input((3, 12, 12))
    x = layers.Conv2D(4, 3, data_format="channels_first")(image)
    x = layers.Dense(4)(layers.GlobalAveragePooling2D(data_format="channels_first")(x))
    with pytest.raises(
        StampError, match=r"--model must take images of depth last .* takes depth first, \(None, 3"
    ):
        reference_of_model(keras.Model(image, x, name="torchlike"))


def test_scaling_written_as_expressions_survives_as_json() -> None:
    image = keras.Input(SHAPE)
    x = keras.applications.resnet50.preprocess_input(image)
    x = layers.Conv2D(6, 3, activation="relu", name="conv1")(x)
    model = keras.Model(image, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))
    reference = reference_of_model(model)
    config = json.loads(json.dumps(reference.backbone.to_config()))
    again = BackboneConfig.from_config(config).build()
    transfer_weights(reference.model, again)
    images = np.random.default_rng(0).uniform(0, 255, (4, *SHAPE)).astype("float32")
    np.testing.assert_allclose(again(images), model(images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("pixels", "value"), [("0:255", 51.0), ("0:1", 0.2), ("-1:1", -0.6), ("imagenet", (0.2 - 0.485) / 0.229)]
)
def test_a_pixel_of_51_becomes(pixels: str, value: float) -> None:
    normalization = reference_of_model(functional(), pixels=pixels).normalization
    image = np.full((1, *SHAPE), 51, "uint8")
    assert normalization(image)[0, 0, 0, 0] == pytest.approx(value, abs=1e-5)


def test_pixels_of_imagenet_have_three_depths() -> None:
    model = keras.Sequential(
        [keras.Input((12, 12, 1)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(4)]
    )
    with pytest.raises(StampError, match="--pixels imagenet needs images of depth 3, but the model's have 1"):
        reference_of_model(model, pixels="imagenet")


@pytest.mark.parametrize("shape", [(None, None, 3), (12, 3)])
def test_other_inputs_are_refused(shape: tuple[int | None, ...]) -> None:
    image = keras.Input(shape)
    x = layers.Dense(4)(image)
    x = layers.GlobalAveragePooling2D()(x) if len(shape) == 3 else layers.GlobalAveragePooling1D()(x)
    with pytest.raises(StampError, match=r"--model must map images of a fixed size .*; prune it with"):
        reference_of_model(keras.Model(image, x))


@pytest.mark.parametrize(
    ("layer", "weight", "value", "message"),
    [
        (
            "conv",
            "kernel",
            np.nan,
            r"--model must be finite, but conv/kernel holds 1 of \d+ values that are NaN",
        ),
        ("norm", "moving_mean", np.inf, r"norm/moving_mean holds 1 of 4 values that are NaN or infinite"),
        ("norm", "moving_variance", -1.0, r"norm/moving_variance holds 1 of 4 variances below 0"),
    ],
)
def test_weights_that_are_not_finite_are_refused(layer: str, weight: str, value: float, message: str) -> None:
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Conv2D(4, 3, name="conv")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x)))
    variable = getattr(model.get_layer(layer), weight)
    values = np.array(variable)
    values.flat[0] = value
    variable.assign(values)
    with pytest.raises(StampError, match=message):
        reference_of_model(model)
