"""Somebody's own model as a reference: what is pruned where nothing was meta-trained."""

from __future__ import annotations

import logging
from typing import Any

import keras
import numpy as np

from stamp_tf.channels import inlined, slice_model, trace_channels
from stamp_tf.channels.derived_state import derive_state
from stamp_tf.channels.graph import leaf_layers
from stamp_tf.data import Normalization
from stamp_tf.errors import StampError
from stamp_tf.meta.backbone_config import BackboneConfig
from stamp_tf.meta.pixel_choice import choose_pixels, pixel_normalization, pixels_of_file
from stamp_tf.meta.pixel_scale import find_scale
from stamp_tf.meta.reference import Reference

logger = logging.getLogger(__name__)


def reference_of_model(
    model: keras.Model, *, pixels: str | None = None, known: Normalization | None = None
) -> Reference:
    """Make a reference of a trained model, for pruners that need no meta-training.

    A softmax at its end becomes logits, as everywhere in this library; every layer is trained when fine-tuned.

    Args:
        model: A functional or sequential model from images `[B, H, W, D]` to `[B, classes]`; it is not changed.
        pixels: What its images were scaled to: a name of `PIXELS`, or `standardized` for the mean and deviation of
            each data set. None means what `find_scale` reads off the network, and `standardized` where that is
            nothing. The log says which it is.
        known: What brings its images to what it was trained on, where that is known better than by a name.

    Returns:
        A reference with the model's weights, without scores.

    Raises:
        StampError: If the model has other inputs or outputs, takes depth first, is not functional, or is built for
            other pixels than those that are named.
    """
    channel_map = trace_channels(model)
    if (
        len(model.inputs) != 1
        or len(model.outputs) != 1
        or len(model.inputs[0].shape) != 4
        or len(model.outputs[0].shape) != 2
        or None in model.inputs[0].shape[1:]
    ):
        raise StampError(
            "--model must map images of a fixed size [B, H, W, D] to classes [B, classes], but maps "
            f"{[tuple(tensor.shape) for tensor in model.inputs]} to "
            f"{[tuple(tensor.shape) for tensor in model.outputs]}; prune it with stamp_tf.remove_channels."
        )
    _check_depth_last(model)
    # Slicing nothing off is a copy, so that the caller's layers get no further calls.
    logits, head = _with_logits(inlined(slice_model(model, channel_map, np.ones(channel_map.num_channels))))
    backbone = BackboneConfig(
        model.name,
        tuple(model.inputs[0].shape[1:]),
        model.outputs[0].shape[1],
        architecture=keras.saving.serialize_keras_object(logits),
        head=head,
    )
    built = backbone.build()
    for _, layer in leaf_layers(logits):
        built.get_layer(layer.name).set_weights(layer.get_weights())
    derive_state(built)
    if known is None:
        chosen = choose_pixels(pixels, find_scale(built))
        known = pixel_normalization(chosen.pixels, backbone.input_shape[2])
    else:
        chosen = pixels_of_file(known)
    logger.info("%s", chosen)
    return Reference(backbone, built, None, known, chosen.to_config())


def _check_depth_last(model: keras.Model) -> None:
    """Refuse a network whose images have their depth first: all of ours have it last."""
    first, _, last = model.inputs[0].shape[1:]
    layouts = {getattr(layer, "data_format", None) for _, layer in leaf_layers(model)}
    if "channels_first" in layouts and first < last:
        raise StampError(
            f"--model must take images of depth last [B, H, W, D], but {model.name} takes depth first, "
            f"{tuple(model.inputs[0].shape)}; build it with data_format='channels_last'."
        )


def _with_logits(model: keras.Model) -> tuple[keras.Model, str | None]:
    """Take a softmax off the end, and return the name of the dense layer that is the end then."""
    output: Any = model.outputs[0]
    while _is_softmax(output._keras_history.operation):
        output = output._keras_history.operation.input
    model = keras.Model(model.inputs[0], output, name=model.name)
    for each in model.layers:
        each.trainable = True
    layer = output._keras_history.operation
    activation = getattr(getattr(layer, "activation", None), "__name__", None)
    if activation == "softmax":
        layer.activation = keras.activations.linear
    is_head = type(layer) is keras.layers.Dense and activation in ("linear", "softmax")
    return model, layer.name if is_head else None


def _is_softmax(layer: Any) -> bool:
    if isinstance(layer, keras.layers.Activation):
        return getattr(layer.activation, "__name__", "") in ("softmax", "linear")
    return isinstance(layer, keras.layers.Softmax)
