"""What every set encoder must do, run over every registered name."""

import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import stamp_registry

GROUP = "stamp_tf.set_encoders"
EncoderMaker = Callable[..., keras.layers.Layer]


@pytest.fixture(params=stamp_registry.names(GROUP))
def make(request: pytest.FixtureRequest) -> EncoderMaker:
    return stamp_registry.load(GROUP, request.param)


def images(size: int, shape: tuple[int, int, int] = (8, 8, 3), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(size, *shape)).astype("float32")


def test_it_is_a_layer_that_needs_no_options(make: EncoderMaker) -> None:
    assert isinstance(make(), keras.layers.Layer)


@pytest.mark.parametrize("num_outputs", [1, 3])
@pytest.mark.parametrize("size", [1, 2, 640])
def test_a_set_becomes_r_pseudo_images(make: EncoderMaker, size: int, num_outputs: int) -> None:
    result = np.asarray(make(num_outputs=num_outputs)(images(size)))
    assert result.shape == (num_outputs, 8, 8, 3)
    assert result.dtype == np.float32
    assert np.isfinite(result).all()


@pytest.mark.parametrize("shape", [(32, 32, 3), (33, 47, 1), (5, 9, 4)])
def test_any_image_size_is_kept(make: EncoderMaker, shape: tuple[int, int, int]) -> None:
    encoder = make(num_outputs=2)
    assert tuple(encoder(images(3, shape)).shape) == (2, *shape)
    assert encoder.compute_output_shape((None, *shape)) == (2, *shape)


def test_the_order_of_the_set_does_not_matter(make: EncoderMaker) -> None:
    encoder, pictures = make(num_outputs=2), images(50)
    order = np.random.default_rng(1).permutation(50)
    np.testing.assert_allclose(encoder(pictures[order]), encoder(pictures), atol=1e-5)


def test_the_set_matters(make: EncoderMaker) -> None:
    encoder = make()
    difference = np.asarray(encoder(images(50))) - np.asarray(encoder(images(50, seed=1) ** 2))
    assert np.abs(difference).max() > 1e-2


def test_one_encoder_takes_sets_of_any_size(make: EncoderMaker) -> None:
    encoder = make()
    assert {tuple(encoder(images(size)).shape) for size in (7, 1, 20)} == {(1, 8, 8, 3)}


def test_pseudo_images_are_of_order_one_at_the_start(make: EncoderMaker) -> None:
    assert 0.3 < np.std(make()(images(100, (32, 32, 3)))) < 3


def test_default_weights_stay_below_two_and_a_half_megabytes(make: EncoderMaker) -> None:
    encoder = make()
    encoder.build((None, 32, 32, 3))
    assert 4 * encoder.count_params() < 2.5e6


def test_inference_repeats_itself(make: EncoderMaker) -> None:
    encoder, pictures = make(), images(20)
    np.testing.assert_array_equal(encoder(pictures), encoder(pictures))


def test_all_weights_exist_before_the_first_call(make: EncoderMaker) -> None:
    encoder = make()
    encoder.build((None, 8, 8, 3))
    before = [id(variable) for variable in encoder.variables]
    encoder(images(5), training=True)
    assert [id(variable) for variable in encoder.variables] == before


def test_configuration_is_json_and_rebuilds_the_encoder(make: EncoderMaker) -> None:
    encoder = make(num_outputs=2)
    config = json.loads(json.dumps(encoder.get_config()))
    rebuilt = type(encoder).from_config(config)
    assert rebuilt.get_config() == encoder.get_config()
    pictures = images(20)
    expected = encoder(pictures)
    rebuilt.build((None, 8, 8, 3))
    rebuilt.set_weights(encoder.get_weights())
    np.testing.assert_array_equal(rebuilt(pictures), expected)


def test_a_saved_model_loads_with_it(make: EncoderMaker, tmp_path: Path) -> None:
    pictures = images(20)
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, make(num_outputs=2)(inputs))
    expected = model(pictures)
    model.save(tmp_path / "encoder.keras")
    np.testing.assert_allclose(
        keras.saving.load_model(tmp_path / "encoder.keras")(pictures), expected, atol=1e-6
    )


def test_gradients_reach_every_weight(make: EncoderMaker) -> None:
    encoder, pictures = make(num_outputs=2), images(20)
    encoder.build((None, 8, 8, 3))
    with tf.GradientTape() as tape:
        outputs = encoder(pictures, training=True)
        loss = tf.reduce_sum(outputs**3) + sum(encoder.losses)
    weights = encoder.trainable_variables
    assert weights
    for weight, gradient in zip(weights, tape.gradient(loss, [w.value for w in weights]), strict=True):
        assert gradient is not None, weight.path
        assert np.abs(gradient).max() > 0, weight.path


@pytest.mark.parametrize("size", [1, 20])
def test_gradients_are_defined_for_one_output_and_any_set(make: EncoderMaker, size: int) -> None:
    encoder, pictures = make(), images(size)
    encoder.build((None, 8, 8, 3))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(encoder(pictures, training=True) ** 3)
    weights = encoder.trainable_variables
    for weight, gradient in zip(weights, tape.gradient(loss, [w.value for w in weights]), strict=True):
        assert gradient is not None, weight.path
        assert np.isfinite(gradient).all(), weight.path


def test_weights_are_values_inside_a_compiled_loop(make: EncoderMaker) -> None:
    """As the inner loop uses it: stateless, under a tape, in a while loop of the graph."""
    encoder = make()
    encoder.build((None, 8, 8, 3))
    state = [variable.numpy() for variable in encoder.variables]
    start = [tf.convert_to_tensor(variable.value) for variable in encoder.trainable_variables]
    other = [tf.convert_to_tensor(variable.value) for variable in encoder.non_trainable_variables]

    @tf.function
    def descend(pictures: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        def step(index: tf.Tensor, weights: list[tf.Tensor], other: list[tf.Tensor]) -> tuple:
            with tf.GradientTape() as tape:
                tape.watch(weights)
                outputs, other, losses = encoder.stateless_call(
                    weights, other, pictures, training=True, return_losses=True
                )
                loss = tf.reduce_mean(outputs**2) + sum(losses)
            gradients = tape.gradient(loss, weights)
            moved = [weight - 0.01 * gradient for weight, gradient in zip(weights, gradients, strict=True)]
            return index + 1, moved, other

        return tf.while_loop(lambda index, *_: index < 3, step, (0, start, other))[1:]

    moved, after = descend(tf.constant(images(20)))
    assert any(np.abs(new - old).max() > 0 for new, old in zip(moved, start, strict=True))
    assert all(np.isfinite(weight).all() for weight in moved)
    assert [value.dtype for value in after] == [value.dtype for value in other]
    for variable, value in zip(encoder.variables, state, strict=True):
        np.testing.assert_array_equal(variable, value)


@pytest.mark.parametrize("policy", ["float64", "mixed_bfloat16"])
def test_it_follows_the_dtype_policy(make: EncoderMaker, policy: str) -> None:
    encoder = make(dtype=policy)
    outputs = encoder(images(20), training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == encoder.compute_dtype
    assert np.isfinite(np.asarray(keras.ops.cast(outputs, "float32"))).all()


def test_images_without_colours_are_refused(make: EncoderMaker) -> None:
    with pytest.raises(ValueError, match="ndim"):
        make()(np.zeros((5, 8, 8), "float32"))
