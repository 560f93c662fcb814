"""Somebody's own model as a reference: what is pruned where nothing was meta-trained."""

from __future__ import annotations

import logging

import keras

from stamp_tf.backbones.dense_head import with_dense_head
from stamp_tf.backbones.end import split_end
from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import TracedNetwork, inlined, slice_model, trace_channels
from stamp_tf.channels.derived_state import derive_state
from stamp_tf.channels.graph import leaf_layers, maker
from stamp_tf.data import Normalization
from stamp_tf.errors import StampError
from stamp_tf.finite import require_finite, weight_values
from stamp_tf.references.backbone_config import BackboneConfig
from stamp_tf.references.pixels.choice import PixelChoice, choose_pixels, pixel_normalization, pixels_of_file
from stamp_tf.references.pixels.scale import find_scale
from stamp_tf.references.reference import Reference

logger = logging.getLogger(__name__)


def reference_of_model(
    model: keras.Model, *, pixels: str | None = None, known: Normalization | PixelChoice | None = None
) -> Reference:
    """Make a reference of a trained model, for pruners that need no meta-training.

    A softmax or sigmoids at its end are taken off, and put back in what leaves; every layer is trained when
    fine-tuned.

    Args:
        model: A functional or sequential model from images `[B, H, W, D]` to `[B, classes]`, or to `[B, 1]` for two
            classes; it is not changed.
        pixels: What its images were scaled to: a name of `PIXELS`, or `standardized` for the mean and deviation of
            each data set. None means what `find_scale` reads off the network, and `standardized` where that is
            nothing. The log says which it is.
        known: What brings its images to what it was trained on, or the scale that they have, where that is certain.

    Returns:
        A reference with the model's weights, without scores.

    Raises:
        StampError: If the model has other inputs or outputs, takes depth first, ends in neither logits, a softmax nor
            sigmoids, is not functional, or is built for other pixels than those that are named.
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
            "`own:reference` must map images of a fixed size [B, H, W, D] to classes [B, classes], but maps "
            f"{[tuple(tensor.shape) for tensor in model.inputs]} to "
            f"{[tuple(tensor.shape) for tensor in model.outputs]}; prune it with stamp_tf.remove_channels."
        )
    _check_depth_last(model)
    require_finite(
        weight_values(model),
        subject="Weights of `own:reference`",
        remedy="take it from before its training diverged",
    )
    # Slicing nothing off is a copy, so that the caller's layers get no further calls.
    nothing_off = ChannelMask.all_of(channel_map.num_channels)
    copy = inlined(slice_model(model, channel_map, nothing_off, check=True))
    logits, end = split_end(copy)
    logits = _trainable(with_dense_head(logits))
    head = maker(logits.outputs[0])
    backbone = BackboneConfig(
        name=model.name,
        input_shape=tuple(model.inputs[0].shape[1:]),
        num_classes=end.num_classes(model.outputs[0].shape[1]),
        architecture=keras.saving.serialize_keras_object(logits),
        head=head.name if type(head) is keras.layers.Dense else None,
        end=end,
    )
    built = backbone.build()
    for _, layer in leaf_layers(logits):
        built.get_layer(layer.name).set_weights(layer.get_weights())
    derive_state(built)
    if isinstance(known, Normalization):
        chosen = pixels_of_file(known)
    else:
        chosen = known or choose_pixels(pixels, find_scale(built))
        known = pixel_normalization(chosen.scale, backbone.input_shape[2])
    logger.info("%s", chosen)
    return Reference(backbone=backbone, network=TracedNetwork.of(built), normalization=known, pixels=chosen)


def _check_depth_last(model: keras.Model) -> None:
    """Refuse a network whose images have their depth first: all of ours have it last."""
    first, _, last = model.inputs[0].shape[1:]
    layouts = {getattr(layer, "data_format", None) for _, layer in leaf_layers(model)}
    if "channels_first" in layouts and first < last:
        raise StampError(
            f"`own:reference` must take images of depth last [B, H, W, D], but {model.name} takes depth first, "
            f"{tuple(model.inputs[0].shape)}; build it with data_format='channels_last'."
        )


def _trainable(model: keras.Model) -> keras.Model:
    for each in model.layers:
        each.trainable = True
    return model
