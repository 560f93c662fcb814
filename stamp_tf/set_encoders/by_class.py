"""Encode a labelled set class by class."""

from collections.abc import Callable
from typing import Any

from keras import ops

Tensor = Any


def keeps_images(set_encoder: Any) -> bool:
    """Return whether a set encoder gives back the images that it got; a third party's need not say."""
    return getattr(set_encoder, "keeps_images", False)


def encode_by_class(
    encode: Callable[[Tensor], tuple[Tensor, list[Tensor]]],
    images: Tensor,
    labels: Tensor,
    *,
    num_classes: int,
    keeps_images: bool = False,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Return the representation of each class, and which class every vector of it is of.

    Args:
        encode: A set encoder: images `[b, H, W, D]` -> (pseudo-images `[r, H, W, D]`, losses).
        images: The set, `[B, H, W, D]`, every class as often as any other.
        labels: int `[B]`, values in [0, num_classes).
        num_classes: G.
        keeps_images: Whether the encoder gives back what it got: then one call does for all classes.

    Returns:
        Pseudo-images `[G * r, H, W, D]`, classes 0/1 `[G * r, G]`, and the encoder's losses.
    """
    if keeps_images:
        pseudo_images, losses = encode(images)
        return pseudo_images, ops.one_hot(labels, num_classes, dtype=images.dtype), losses
    order = ops.argsort(labels)
    per_class = images.shape[0] // num_classes
    parts, losses = [], []
    for label in range(num_classes):
        members = ops.take(images, order[label * per_class : (label + 1) * per_class], axis=0)
        part, part_losses = encode(members)
        parts.append(part)
        losses += part_losses
    num_outputs = parts[0].shape[0]
    classes = ops.repeat(ops.eye(num_classes, dtype=images.dtype), num_outputs, axis=0)
    return ops.concatenate(parts), classes, losses
