"""What every set encoder must do."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from stamp_tf.backend import compile_step, one_by_one, value_and_gradient
from stamp_tf.testing.require import (
    array,
    has_float64,
    require,
    require_close,
    require_equal,
    require_finite,
    require_gradients,
    try_all,
)

EncoderMaker = Callable[..., keras.Layer]
SHAPE = (8, 8, 3)
MOST_BYTES = 2.5e6


def check_set_encoder(build: EncoderMaker) -> None:
    """Hold a set encoder to its contract.

    Args:
        build: The class, or a function that takes `num_outputs` and the keywords of every Keras layer.

    Raises:
        AssertionError: If it breaks a rule; the message says which.
    """
    try_all(PROPERTIES, build)


def is_a_layer_that_needs_no_options(build: EncoderMaker) -> None:
    """A name alone is enough on the command line."""
    encoder = build()
    require(
        isinstance(encoder, keras.Layer),
        "A set encoder must be a keras.Layer",
        f"is a {type(encoder).__name__}",
    )


def turns_a_set_into_pseudo_images(build: EncoderMaker) -> None:
    """One image or hundreds: r pseudo-images come out."""
    for size in (1, 2, 640):
        for num_outputs in (1, 3):
            result = build(num_outputs=num_outputs)(_images(size))
            rule = f"A set encoder must turn {size} images into {num_outputs} pseudo-images"
            require_equal(tuple(result.shape), (num_outputs, *SHAPE), rule)
            require_equal(keras.backend.standardize_dtype(result.dtype), "float32", rule)
            require_finite(result, f"{rule} of finite values")


def keeps_any_image_size(build: EncoderMaker) -> None:
    """A backbone is probed with pseudo-images, so they have the size of its images."""
    for shape in ((32, 32, 3), (33, 47, 1), (5, 9, 4)):
        encoder = build(num_outputs=2)
        rule = f"A set encoder must give pseudo-images in the size of its images, {list(shape)}"
        require_equal(tuple(encoder(_images(3, shape)).shape), (2, *shape), rule)
        require_equal(tuple(encoder.compute_output_shape((None, *shape))), (2, *shape), rule)


def does_not_mind_the_order(build: EncoderMaker) -> None:
    """A set has none."""
    encoder, pictures = build(num_outputs=2), _images(50)
    order = np.random.default_rng(1).permutation(50)
    rule = "The order of the set must not matter"
    require_close(encoder(pictures[order]), encoder(pictures), rule, tolerance=1e-5)


def minds_the_set(build: EncoderMaker) -> None:
    """Other images, another answer."""
    encoder = build()
    difference = array(encoder(_images(50))) - array(encoder(_images(50, seed=1) ** 2))
    require(np.abs(difference).max() > 1e-2, "The set must matter", "two sets give the same pseudo-images")


def takes_sets_of_any_size(build: EncoderMaker) -> None:
    """The number of images is free from call to call."""
    encoder = build()
    shapes = {tuple(encoder(_images(size)).shape) for size in (7, 1, 20)}
    require_equal(shapes, {(1, *SHAPE)}, "One set encoder must take sets of any size")


def starts_from_pseudo_images_of_order_one(build: EncoderMaker) -> None:
    """Normalised images are of that order, and the backbone knows no others."""
    deviation = float(np.std(array(build()(_images(100, (32, 32, 3))))))
    rule = "At the start the deviation of pseudo-images must lie between 0.3 and 3"
    require(0.3 < deviation < 3, rule, f"is {deviation:.3g}")


def stays_small(build: EncoderMaker) -> None:
    """A reference is a file to be shipped."""
    encoder = build()
    encoder.build((None, 32, 32, 3))
    size = 4 * encoder.count_params()
    require(
        size < MOST_BYTES, "With default options the weights must stay below 2.5 MB", f"have {size} bytes"
    )


def repeats_itself_at_inference(build: EncoderMaker) -> None:
    """Nothing is drawn outside training."""
    encoder, pictures = build(), _images(20)
    require_close(encoder(pictures), encoder(pictures), "Inference must repeat itself")


def has_all_weights_before_the_first_call(build: EncoderMaker) -> None:
    """States are made from what `build` made."""
    encoder = build()
    encoder.build((None, *SHAPE))
    before = [id(variable) for variable in encoder.variables]
    encoder(_images(5), training=True)
    after = [id(variable) for variable in encoder.variables]
    require(after == before, "All weights must exist once it is built", "a call made others")


def is_rebuilt_from_its_configuration(build: EncoderMaker) -> None:
    """The options stand in a reference's file as JSON."""
    encoder = build(num_outputs=2)
    rule = "A set encoder must be rebuilt from its get_config, by way of JSON"
    rebuilt = type(encoder).from_config(json.loads(json.dumps(encoder.get_config())))
    require_equal(rebuilt.get_config(), encoder.get_config(), rule)
    pictures = _images(20)
    expected = encoder(pictures)
    rebuilt.build((None, *SHAPE))
    rebuilt.set_weights(encoder.get_weights())
    require_close(rebuilt(pictures), expected, rule)


def is_loaded_with_a_saved_model(build: EncoderMaker) -> None:
    """The class is registered with Keras."""
    pictures = _images(20)
    inputs = keras.Input(SHAPE)
    model = keras.Model(inputs, build(num_outputs=2)(inputs))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "encoder.keras")
        model.save(path)
        loaded = keras.saving.load_model(path)
    require_close(loaded(pictures), model(pictures), "A saved set encoder must give the same", tolerance=1e-6)


def passes_gradients_to_every_weight(build: EncoderMaker) -> None:
    """Each weight takes part, in several outputs."""
    encoder = build(num_outputs=2)
    encoder.build((None, *SHAPE))
    rule = "Gradients must reach every weight of a set encoder"
    require_gradients(encoder, lambda values: _loss(encoder, values, _images(20)), rule=rule)


def has_gradients_for_one_output_and_any_set(build: EncoderMaker) -> None:
    """A set of one image has no spread, and a root of it no slope."""
    for size in (1, 20):
        encoder = build()
        encoder.build((None, *SHAPE))
        loss = partial(_loss, encoder, pictures=_images(size))
        require_gradients(encoder, loss, rule=f"A set of {size} must have gradients", nonzero=False)


def takes_weights_as_values_in_a_compiled_loop(build: EncoderMaker) -> None:
    """As the inner loop uses it: stateless, differentiated, within a compiled loop."""
    encoder = build()
    encoder.build((None, *SHAPE))
    before = [array(variable.value) for variable in encoder.variables]
    start = [ops.convert_to_tensor(variable.value) for variable in encoder.trainable_variables]
    other = [ops.convert_to_tensor(variable.value) for variable in encoder.non_trainable_variables]

    def descend(pictures: Any, start: list[Any], other: list[Any]) -> tuple[list[Any], list[Any]]:
        def step(_: Any, state: tuple[list[Any], list[Any]]) -> tuple[list[Any], list[Any]]:
            weights, others = state

            def loss(values: list[Any]) -> tuple[Any, list[Any]]:
                outputs, after, losses = encoder.stateless_call(
                    values, others, pictures, training=True, return_losses=True
                )
                return ops.mean(outputs**2) + sum(losses), after

            (_, after), gradients = value_and_gradient(loss, weights)
            moved = [weight - 0.01 * slope for weight, slope in zip(weights, gradients, strict=True)]
            return moved, after

        first, stop, stride = (ops.convert_to_tensor(number, "int32") for number in (0, 3, 1))
        return one_by_one(step, (start, other), first=first, stop=stop, stride=stride)

    moved, after = compile_step(descend, [])(ops.convert_to_tensor(_images(20)), start, other)
    rule = "A set encoder must learn within a compiled loop"
    differences = [np.abs(array(new) - array(old)).max() for new, old in zip(moved, start, strict=True)]
    require(max(differences) > 0, rule, "no weight moved")
    for weight in moved:
        require_finite(weight, rule)
    require_equal([value.dtype for value in after], [value.dtype for value in other], rule)
    for variable, value in zip(encoder.variables, before, strict=True):
        require_close(variable.value, value, "A stateless call must leave the layer's own weights alone")


def follows_the_dtype_policy(build: EncoderMaker) -> None:
    """Inner layers are given the policy of the outer one."""
    for policy in ("float64", "mixed_bfloat16") if has_float64() else ("mixed_bfloat16",):
        encoder = build(dtype=policy)
        outputs = encoder(_images(20), training=True)
        rule = f"A set encoder must follow the policy {policy}"
        require_equal(keras.backend.standardize_dtype(outputs.dtype), encoder.compute_dtype, rule)
        require_finite(outputs, rule)


def refuses_images_without_colours(build: EncoderMaker) -> None:
    """A shape of three is a mistake that would otherwise end in nonsense."""
    try:
        build()(np.zeros((5, 8, 8), "float32"))
    except ValueError:
        return
    raise AssertionError("Images [B, H, W] without a depth must be refused by a ValueError, but were taken.")


def _images(size: int, shape: tuple[int, int, int] = SHAPE, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(size, *shape)).astype("float32")


def _loss(encoder: keras.Layer, values: list[Any], pictures: np.ndarray) -> Any:
    statistics = [variable.value for variable in encoder.non_trainable_variables]
    outputs, _, losses = encoder.stateless_call(
        values, statistics, pictures, training=True, return_losses=True
    )
    return ops.sum(outputs**3) + sum(losses)


PROPERTIES = (
    is_a_layer_that_needs_no_options,
    turns_a_set_into_pseudo_images,
    keeps_any_image_size,
    does_not_mind_the_order,
    minds_the_set,
    takes_sets_of_any_size,
    starts_from_pseudo_images_of_order_one,
    stays_small,
    repeats_itself_at_inference,
    has_all_weights_before_the_first_call,
    is_rebuilt_from_its_configuration,
    is_loaded_with_a_saved_model,
    passes_gradients_to_every_weight,
    has_gradients_for_one_output_and_any_set,
    takes_weights_as_values_in_a_compiled_loop,
    follows_the_dtype_policy,
    refuses_images_without_colours,
)
