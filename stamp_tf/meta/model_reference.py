"""Somebody's own model as a reference: what is pruned where nothing was meta-trained."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from stamp_tf.channels import inlined, slice_model, trace_channels
from stamp_tf.channels.graph import leaf_layers
from stamp_tf.data import Normalization
from stamp_tf.errors import StampError
from stamp_tf.meta.backbone_config import BackboneConfig
from stamp_tf.meta.reference import Reference

PIXELS: dict[str, tuple[Any, Any]] = {
    "0:255": (0.0, 1 / 255),
    "0:1": (0.0, 1.0),
    "-1:1": (0.5, 0.5),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Mean and deviation, of pixels in [0, 1], that bring pixels to what a model was trained on."""

_OWN_PREPROCESSING = (keras.layers.Rescaling, keras.layers.Normalization)


def reference_of_model(model: keras.Model, *, pixels: str | None = None) -> Reference:
    """Make a reference of a trained model, for pruners that need no meta-training.

    A softmax at its end becomes logits, as everywhere in this library; every layer is trained when fine-tuned.

    Args:
        model: A functional or sequential model from images `[B, H, W, D]` to `[B, classes]`; it is not changed.
        pixels: What its images were scaled to: a name of `PIXELS`, or `standardized` for the mean and deviation of
            each data set. None means `0:255` for a model that scales them itself, else `standardized`.

    Returns:
        A reference with the model's weights, without scores.

    Raises:
        StampError: If the model has other inputs or outputs, or is not functional.
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
    scales = any(isinstance(layer, _OWN_PREPROCESSING) for layer in built.layers)
    pixels = pixels or ("0:255" if scales else "standardized")
    return Reference(
        backbone, built, None, _normalization(pixels, depth=backbone.input_shape[2]), {"pixels": pixels}
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


def _normalization(pixels: str, *, depth: int) -> Normalization:
    mean, std = PIXELS.get(pixels, (0.0, 1.0))
    try:
        return Normalization(tuple(np.broadcast_to(mean, depth)), tuple(np.broadcast_to(std, depth)))
    except ValueError:
        raise StampError(
            f"--pixels imagenet needs images of depth 3, but the model's have {depth}; use another."
        ) from None
