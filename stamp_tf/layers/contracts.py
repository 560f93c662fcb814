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
from stamp_tf.options.fields import is_number
from stamp_tf.plugin_code import PluginCode, in_words

Tensor = Any


def plugin_of(layer: keras.Layer, *, group: str) -> PluginCode:
    """Return which plug-in a layer is.

    Args:
        layer: The layer; one that no registry made is called by its class.
        group: `set_encoders` or `mask_generators`.
    """
    return PluginCode(f"stamp_tf.{group}", getattr(layer, "registry_name", type(layer).__name__))


def check_layer(layer: Any, *, group: str, name: str) -> None:
    """Refuse what is no layer of its kind.

    Args:
        layer: What the constructor made.
        group: `set_encoders` or `mask_generators`.
        name: Its name in the registry.

    Raises:
        PluginError: If it is something else.
    """
    kind = MaskGenerator if group == "mask_generators" else keras.Layer
    if not isinstance(layer, kind):
        plugin = PluginCode(f"stamp_tf.{group}", name)
        raise plugin.breach(
            f"be a {kind.__module__.split('.src')[0]}.{kind.__name__}", f"is a {type(layer).__name__}"
        )


def check_built(layer: keras.Layer, *, group: str, name: str) -> None:
    """Refuse a layer that cannot be saved, or whose weights are not finite, before anything is trained.

    Args:
        layer: It has been built.
        group: `set_encoders` or `mask_generators`.
        name: Its name in the registry.

    Raises:
        PluginError: If it is such a layer.
    """
    plugin = PluginCode(f"stamp_tf.{group}", name)
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


def check_in_training(set_encoder: keras.Layer, images: Tensor) -> None:
    """Refuse a set encoder that breaks its contract in training alone.

    Args:
        set_encoder: The layer.
        images: Normalised, float32 `[B, H, W, D]`.

    Raises:
        PluginError: If it does.
    """
    with plugin_of(set_encoder, group="set_encoders").running():
        value = set_encoder(images, **training_argument(set_encoder, True))
    checked = checked_pseudo_images(set_encoder, value, image_shape=images.shape[1:])
    check_finite(set_encoder, checked, group="set_encoders", what="pseudo-images in training")


def num_outputs_of(set_encoder: keras.Layer, image_shape: Sequence[int]) -> int | None:
    """Return r, the number of pseudo-images, as the encoder itself says; None where it follows from the set.

    Args:
        set_encoder: The layer.
        image_shape: Height, width and depth of an image.

    Raises:
        PluginError: If it does not give pseudo-images of the images' shape.
    """
    plugin, shape = plugin_of(set_encoder, group="set_encoders"), (None, *image_shape)
    with plugin.running():
        found = set_encoder.compute_output_shape(shape)
    if not isinstance(found, tuple | list) or tuple(found[1:]) != tuple(image_shape) or found[0] == 0:
        raise plugin.breach(
            f"map {list(shape)} to [r, {_listed(image_shape)}] in compute_output_shape", f"gave {found}"
        )
    return found[0]


def checked_pseudo_images(set_encoder: keras.Layer, value: Any, *, image_shape: Sequence[int]) -> Tensor:
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
        plugin = plugin_of(set_encoder, group="set_encoders")
        raise plugin.breach(f"return 1 or more pseudo-images [r, {_listed(image_shape)}]", in_words(value))
    return value


def checked_masks(
    mask_generator: keras.Layer, value: Any, *, num_channels: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return scores `[C]`, a mask `[C]` and the prior's cost as they came.

    Args:
        mask_generator: Who made them.
        value: What it returned, perhaps within a compiled step.
        num_channels: C.

    Raises:
        PluginError: If they are not three, or have other shapes.
    """
    plugin = plugin_of(mask_generator, group="mask_generators")
    if not isinstance(value, tuple | list) or len(value) != 3:
        raise plugin.breach("return scores, a mask and the cost of its prior", in_words(value))
    for what, found, shape in zip(
        ("scores", "a mask", "a cost"), value, ((num_channels,), (num_channels,), ()), strict=True
    ):
        if tuple(getattr(found, "shape", (None,))) != shape:
            raise plugin.breach(f"return {what} of shape {list(shape)}", in_words(found))
    return value[0], value[1], value[2]


def check_finite(layer: keras.Layer, value: Any, *, group: str, what: str) -> None:
    """Refuse what a layer computed outside of a compiled step, where it is not finite.

    Args:
        layer: The layer; its weights are finite.
        value: What it returned.
        group: `set_encoders` or `mask_generators`.
        what: What it is called.

    Raises:
        PluginError: If a value is NaN or infinite.
    """
    values = keras.ops.convert_to_numpy(value)
    if bad := int(values.size - np.count_nonzero(np.isfinite(values))):
        plugin = plugin_of(layer, group=group)
        raise plugin.breach(f"give finite {what}", f"{bad} of {values.size} values are NaN or infinite")


def check_sample(mask_generator: keras.Layer, sample: Any, cost: Any) -> None:
    """Refuse a sampled mask that is not finite or out of [0, 1], and a prior's cost that is not finite.

    Args:
        mask_generator: Who made them; its weights are finite.
        sample: The mask, `[C]`.
        cost: The cost, a scalar.

    Raises:
        PluginError: If they are such.
    """
    for what, value in (("masks", sample), ("costs of its prior", cost)):
        check_finite(mask_generator, value, group="mask_generators", what=what)
    values = keras.ops.convert_to_numpy(sample)
    if len(outside := np.flatnonzero((values < 0) | (values > 1))):
        plugin = plugin_of(mask_generator, group="mask_generators")
        raise plugin.breach(
            "give masks of values from 0 to 1", f"gave {values[outside[0]]:g} for channel {outside[0]}"
        )


def _listed(shape: Sequence[int]) -> str:
    return ", ".join(map(str, shape))
