"""Remove channels from any functional model by group names: the tool for people who know what to remove."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from stamp_registry import did_you_mean
from stamp_tf.arguments import check_arguments
from stamp_tf.channel_mask import ChannelMask, as_mask, as_values
from stamp_tf.channels.compilation import compile_like
from stamp_tf.channels.groups import ChannelMap
from stamp_tf.channels.slice import slice_model
from stamp_tf.channels.trace import trace_channels
from stamp_tf.errors import StampError
from stamp_tf.finite import require_finite


def remove_channels(
    model: keras.Model,
    masks: Mapping[str, Any] | ArrayLike | ChannelMask,
    *,
    channel_map: ChannelMap | None = None,
) -> keras.Model:
    """Build a smaller model without some channels: a plain Keras model of the same inputs and outputs.

    What loses nothing computes as before, own layers and a Lambda too. On a few random inputs the result is compared
    with the full model whose kernels read zeros in place of what is removed.

    Args:
        model: A functional or sequential model; it is not changed.
        masks: Keep value per channel of some groups, `{group name: [C]}`, groups left out keep all; or of all
            groups in a row, `[num_channels]`. A channel goes where it is 0; values between 0 and 1 are folded into
            the kernels that read the channel.
        channel_map: What `trace_channels(model)` returned, to save the time to trace again.

    Returns:
        The smaller model, with the surviving weights, compiled as the old one was: with the same losses, with
        metrics and an optimizer of the same configuration that start anew. Where these cannot be made, it is left
        uncompiled, and the log says why.

    Raises:
        StampError: If a group is unknown, a mask has another length, values out of [0, 1] or empties its group,
            or nothing goes; if a weight is NaN or infinite; or if
            the smaller model computes something else, which a layer that hides its state may bring about.

    Example:
        >>> groups = stamp_tf.trace_channels(model)
        >>> small = stamp_tf.remove_channels(model, {"conv1": [1, 0, 1, 1]})
    """
    if channel_map is None:
        channel_map = trace_channels(model)
    check_arguments(model=(model, keras.Model), channel_map=(channel_map, ChannelMap))
    row = _row(channel_map, masks) if isinstance(masks, Mapping) else masks
    mask = as_mask(row, channel_map.num_channels, groups=channel_map.groups)
    if mask.keeps_all:
        what = "name no group" if isinstance(masks, Mapping) and not masks else "hold no 0"
        raise StampError(
            f"Masks must remove at least one channel, but {what}; set some values to 0, or use the model as it is."
        )
    require_finite(
        {variable.path: keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables},
        subject="Weights of the model",
        remedy="take it from before its training diverged",
    )
    smaller = slice_model(model, channel_map, mask, check=True)
    compile_like(model, smaller)
    return smaller


def _row(channel_map: ChannelMap, masks: Mapping[str, Any]) -> np.ndarray:
    """Return one keep value per channel of all groups."""
    groups = {group.name: group for group in channel_map.groups}
    row = np.ones(channel_map.num_channels)
    for name, values in masks.items():
        if name not in groups:
            raise StampError(
                f"Masks must name channel groups, but there is no group {name!r}.{did_you_mean(str(name), groups)}"
            )
        row[groups[name].slice] = as_values(values, groups[name].size, subject=f"The mask of {name}")
    return row
