"""Slice a model's kernels to its kept channels: a new, plain Keras model."""

from typing import Any

import keras
import numpy as np

from stamp_tf.channels.groups import ChannelMap, WeightAxis
from stamp_tf.errors import StampError


def slice_model(model: keras.Model, channel_map: ChannelMap, mask: np.ndarray) -> keras.Model:
    """Build the smaller network that a mask leaves.

    Surviving input slices of a kernel are multiplied by their mask, so that soft values are folded into the
    weights; a 0/1 mask leaves them as they are.

    Args:
        model: The traced functional model; it is not changed.
        channel_map: Its channels.
        mask: Keep value per channel, `[num_channels]`; a channel goes where it is 0.

    Returns:
        A functional model of the same layers with fewer channels, and no layer of this library in it.

    Raises:
        StampError: If the mask has another length, or empties a group.
    """
    mask = np.asarray(mask, "float32")
    if mask.shape != (channel_map.num_channels,):
        raise StampError(
            f"A mask must have one value per channel ({channel_map.num_channels}), but has shape {mask.shape}."
        )
    for group in channel_map.groups:
        if not mask[group.slice].any():
            raise StampError(
                f"A mask must keep at least one channel of every layer, but empties {group.name}."
            )
    axes: dict[str, list[WeightAxis]] = {}
    for axis in channel_map.weight_axes:
        axes.setdefault(axis.path, []).append(axis)

    def shrink(layer: keras.Layer) -> keras.Layer:
        return type(layer).from_config(_smaller_config(layer, axes, mask))

    smaller = keras.models.clone_model(model, clone_function=shrink)
    for old_layer, new_layer in zip(model.layers, smaller.layers, strict=True):
        for old, new in zip(old_layer.weights, new_layer.weights, strict=True):
            new.assign(_sliced(keras.ops.convert_to_numpy(old), axes.get(old.path, []), mask))
    return smaller


def _smaller_config(
    layer: keras.Layer, axes: dict[str, list[WeightAxis]], mask: np.ndarray
) -> dict[str, Any]:
    """Return the layer's configuration with the number of channels that are left."""
    config = layer.get_config()
    # A graph may also hold operations without a layer, from `x + y`; those have no weights.
    for weight in getattr(layer, "weights", ()):
        for axis in axes.get(weight.path, []):
            # The bias cannot tell the width alone: a layer may have none.
            if axis.role == "producer" and len(weight.shape) > 1:
                config["filters" if "filters" in config else "units"] = len(axis.kept_slices(mask))
    if isinstance(layer, keras.layers.Reshape) and len(layer.input.shape) == 2:
        # The tracer admits only a row of channels given leading axes of size 1.
        leading = layer.output.shape[1:-1]
        if all(size == 1 for size in leading):
            config["target_shape"] = (*leading, -1)
    return config


def _sliced(value: np.ndarray, axes: list[WeightAxis], mask: np.ndarray) -> np.ndarray:
    """Take the kept slices along every axis, scaled by the mask where a kernel reads them."""
    with_kept = np.append(mask, np.float32(1.0))
    for axis in axes:
        kept = axis.kept_slices(mask)
        value = np.take(value, kept, axis.axis)
        if axis.role == "consumer":
            shape = [1] * value.ndim
            shape[axis.axis] = -1
            value = value * with_kept[axis.channels[kept]].reshape(shape)
    return value
