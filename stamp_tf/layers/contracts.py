"""What set encoders and mask generators give back, checked where they are called."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from stamp_tf.finite import not_finite
from stamp_tf.layers.mask_generator import MaskGenerator
from stamp_tf.layers.registered import RegisteredLayer
from stamp_tf.options.fields import is_number
from stamp_tf.plugin_code import PluginCode, in_words
from stamp_tf.tensor import Tensor


def check_layer(layer: Any, plugin: PluginCode, *, base: type) -> None:
    """Refuse what is no layer of its kind.

    Args:
        layer: What the constructor made.
        plugin: Whose constructor.
        base: What it must be derived from.

    Raises:
        PluginError: If it is something else.
    """
    if not isinstance(layer, base):
        name = f"{base.__module__.split('.src')[0]}.{base.__name__}"
        raise plugin.breach(f"be a {name}", f"is a {type(layer).__name__}")


def check_built(made: RegisteredLayer) -> None:
    """Refuse a layer that cannot be saved, or whose weights are not finite, before anything is trained.

    Args:
        made: It has been built.

    Raises:
        PluginError: If it is such a layer.
    """
    plugin, layer = made.plugin, made.layer
    with plugin.running():
        config: Any = layer.get_config()
    if not isinstance(config, Mapping):
        raise plugin.breach("return its options from get_config", in_words(config))
    try:
        json.dumps(dict(config))
    except (TypeError, ValueError) as error:
        raise plugin.breach(
            "return JSON content from get_config", f"gave something else ({error})"
        ) from error
    if isinstance(layer, MaskGenerator):
        _check_attributes(layer, plugin)
    weights = {variable.path: keras.ops.convert_to_numpy(variable) for variable in layer.variables}
    if words := not_finite(weights):
        raise plugin.breach("start with finite weights", words)


def _check_attributes(generator: MaskGenerator, plugin: PluginCode) -> None:
    """Refuse what a mask generator says of itself where it cannot be so."""
    with plugin.running():
        threshold: Any = generator.threshold
        has_prior: Any = generator.has_prior
        # At the end of a training it would be too late.
        generator.shift_scores(0.0)
    if not is_number(threshold) or not 0 <= threshold <= 1:
        raise plugin.breach("have a threshold from 0 to 1", f"has {threshold!r}")
    if not isinstance(has_prior, bool):
        raise plugin.breach("say in has_prior True or False", f"has {has_prior!r}")


def training_argument(set_encoder: keras.Layer, training: bool) -> dict[str, bool]:
    """Return `training` for a set encoder that asks for it; others do the same at all times."""
    return {"training": training} if "training" in inspect.signature(set_encoder.call).parameters else {}


def check_in_training(set_encoder: RegisteredLayer, images: Tensor) -> None:
    """Refuse a set encoder that breaks its contract in training alone.

    Args:
        set_encoder: The layer.
        images: Normalised, float32 `[B, H, W, D]`.

    Raises:
        PluginError: If it does.
    """
    with set_encoder.plugin.running():
        value = set_encoder.layer(images, **training_argument(set_encoder.layer, True))
    checked = checked_pseudo_images(set_encoder, value, image_shape=images.shape[1:])
    check_finite(set_encoder, checked, what="pseudo-images in training")


def num_outputs_of(set_encoder: RegisteredLayer, image_shape: Sequence[int]) -> int | None:
    """Return r, the number of pseudo-images, as the encoder itself says; None where it follows from the set.

    Args:
        set_encoder: The layer.
        image_shape: Height, width and depth of an image.

    Raises:
        PluginError: If it does not give pseudo-images of the images' shape.
    """
    plugin, shape = set_encoder.plugin, (None, *image_shape)
    with plugin.running():
        found = set_encoder.layer.compute_output_shape(shape)
    if not isinstance(found, tuple | list) or tuple(found[1:]) != tuple(image_shape) or found[0] == 0:
        raise plugin.breach(
            f"map {list(shape)} to [r, {_listed(image_shape)}] in compute_output_shape", f"gave {found}"
        )
    return found[0]


def checked_pseudo_images(set_encoder: RegisteredLayer, value: Any, *, image_shape: Sequence[int]) -> Tensor:
    """Return pseudo-images `[r, H, W, D]` as they came.

    Args:
        set_encoder: Who made them.
        value: What it returned, perhaps within a compiled step.
        image_shape: Height, width and depth of an image.

    Raises:
        PluginError: If they have another shape.
    """
    shape = tuple(getattr(value, "shape", ()))
    if shape[1:] != tuple(image_shape) or shape[0] == 0:
        rule = f"return 1 or more pseudo-images [r, {_listed(image_shape)}]"
        raise set_encoder.plugin.breach(rule, in_words(value))
    return value


def checked_masks(
    mask_generator: RegisteredLayer, value: Any, *, num_channels: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return scores `[C]`, a mask `[C]` and the prior's cost as they came.

    Args:
        mask_generator: Who made them.
        value: What it returned, perhaps within a compiled step.
        num_channels: C.

    Raises:
        PluginError: If they are not three, or have other shapes.
    """
    plugin = mask_generator.plugin
    if not isinstance(value, tuple | list) or len(value) != 3:
        raise plugin.breach("return scores, a mask and the cost of its prior", in_words(value))
    for what, found, shape in zip(
        ("scores", "a mask", "a cost"), value, ((num_channels,), (num_channels,), ()), strict=True
    ):
        if tuple(getattr(found, "shape", (None,))) != shape:
            raise plugin.breach(f"return {what} of shape {list(shape)}", in_words(found))
    return value[0], value[1], value[2]


def check_finite(made: RegisteredLayer, value: Any, *, what: str) -> None:
    """Refuse what a layer computed outside of a compiled step, where it is not finite.

    Args:
        made: The layer; its weights are finite.
        value: What it returned.
        what: What it is called.

    Raises:
        PluginError: If a value is NaN or infinite.
    """
    values = keras.ops.convert_to_numpy(value)
    if bad := int(values.size - np.count_nonzero(np.isfinite(values))):
        received = f"{bad} of {values.size} values are NaN or infinite"
        raise made.plugin.breach(f"give finite {what}", received)


def check_sample(mask_generator: RegisteredLayer, sample: Any, cost: Any) -> None:
    """Refuse a sampled mask that is not finite or out of [0, 1], and a prior's cost that is not finite.

    Args:
        mask_generator: Who made them; its weights are finite.
        sample: The mask, `[C]`.
        cost: The cost, a scalar.

    Raises:
        PluginError: If they are such.
    """
    for what, value in (("masks", sample), ("costs of its prior", cost)):
        check_finite(mask_generator, value, what=what)
    values = keras.ops.convert_to_numpy(sample)
    if len(outside := np.flatnonzero((values < 0) | (values > 1))):
        received = f"gave {values[outside[0]]:g} for channel {outside[0]}"
        raise mask_generator.plugin.breach("give masks of values from 0 to 1", received)


def _listed(shape: Sequence[int]) -> str:
    return ", ".join(map(str, shape))
