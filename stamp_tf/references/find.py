"""From what a user names to a reference: the bundled one, a run, a file, or a model of one's own."""

from __future__ import annotations

from pathlib import Path

import keras

from stamp_tf.arguments import as_path
from stamp_tf.errors import StampError
from stamp_tf.finite import require_finite
from stamp_tf.references.bundled import load_bundled
from stamp_tf.references.model_reference import reference_of_model
from stamp_tf.references.own_file import is_own, own_reference
from stamp_tf.references.reference import Reference
from stamp_tf.references.reference_file import load_reference
from stamp_tf.storage.run_directory import reference_file


def find_reference(
    reference: Reference | keras.Model | str | Path | None,
    *,
    backbone: str,
    pixels: str | None = None,
    image_shape: tuple[int, int, int] | None = None,
) -> Reference:
    """Return a reference from what a user may give.

    Args:
        reference: A reference, a run directory or file of one, a model, its `.keras` or `.h5` file, the name of a
            pretrained one such as `keras:MobileNetV2`, or None for the bundled one.
        backbone: Name of the bundled one.
        pixels: What the images of a model are scaled to.
        image_shape: Height, width and depth of a pretrained network's images; None for those that it was trained on.

    Raises:
        StampError: If there is none, or pixels are said of something that knows its own.
    """
    if reference is None:
        reference = load_bundled(backbone)
    if isinstance(reference, str | Path):
        reference = as_path(reference, "reference")
    if isinstance(reference, Path) and is_own(reference):
        return own_reference(reference, pixels=pixels, image_shape=image_shape)
    if isinstance(reference, keras.Model):
        return reference_of_model(reference, pixels=pixels)
    if pixels is not None:
        raise StampError(
            "`pixels` needs `own:model`, because a reference knows its pixels; leave it out.",
        )
    return as_reference(reference)


def as_reference(reference: Reference | str | Path, *, argument: str = "reference") -> Reference:
    """Return a reference, loading it where a run directory or a file of one is named.

    Args:
        reference: What a user may give.
        argument: What it is called in Python.

    Raises:
        StampError: If there is none at the place.
    """
    try:
        if isinstance(reference, Reference):
            require_finite(
                reference.arrays(), subject="Values of `reference`", remedy="use another reference"
            )
            return reference
        if not isinstance(reference, str | Path):
            raise StampError(
                "`reference` must be a reference, a run directory or a file, but is of type "
                f"{type(reference).__name__}; give what pretrain or meta_train returned."
            )
        return load_reference(reference_file(as_path(reference, "`reference`")))
    except StampError as error:
        message = str(error.args[0]).replace("`reference`", f"`{argument}`")
        raise type(error)(message) from error.__cause__
