"""A SavedModel that a process without stamp-tf loads: raw pixels in, logits and probabilities out."""

import json
from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf

from stamp_tf.backbones.end import split_end
from stamp_tf.errors import StampError
from stamp_tf.export.contract import PixelNormalization, check_exportable
from stamp_tf.export.plain import plain_copy
from stamp_tf.export.staging import staged
from stamp_tf.losses import class_probabilities

_MAX_PIXEL = 255.0


def export_saved_model(
    model: keras.Model,
    path: Path,
    *,
    class_names: Sequence[str],
    normalization: PixelNormalization,
    input_name: str = "image",
) -> Path:
    """Write a SavedModel with a dynamic batch, whole or not at all.

    Signatures:

    - `serving_default`: float32 `image` [B, H, W, D], raw pixels in [0, 255] (the normalisation is inside),
      to `logits` and `probabilities`, float32 [B, classes] each.
    - `class_names`: nothing to `class_names`, string [classes].

    The class names also lie as a JSON list in `assets.extra/class_names.json`, for readers without
    TensorFlow.

    Args:
        model: A functional model from normalised images [B, H, W, D] to logits [B, classes].
        path: The folder to write; an earlier SavedModel there is replaced.
        class_names: One name per logit.
        normalization: How the model's input was normalised in training.
        input_name: Name of the image argument of `serving_default`.

    Returns:
        The folder.

    Raises:
        StampError: If the parts do not fit, if `path` holds something else than a SavedModel, or if it cannot
            be written.

    Example:
        >>> loaded = tf.saved_model.load("runs/c10/saved_model")
        >>> answer = loaded.signatures["serving_default"](image=pixels)
        >>> names = loaded.signatures["class_names"]()["class_names"]
    """
    path = Path(path)
    image_shape = check_exportable(model, class_names=class_names, normalization=normalization)
    _check_replaceable(path)
    model, end = split_end(plain_copy(model))
    mean = tf.constant(tuple(normalization.mean), tf.float32)
    std = tf.constant(tuple(normalization.std), tf.float32)
    names = tf.constant(tuple(class_names), tf.string)

    @tf.function(input_signature=[tf.TensorSpec((None, *image_shape), tf.float32, name=input_name)])
    def classify(image: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = model((image / _MAX_PIXEL - mean) / std, training=False)
        return {"logits": logits, "probabilities": class_probabilities(logits, end)}

    @tf.function(input_signature=[])
    def list_class_names() -> dict[str, tf.Tensor]:
        return {"class_names": tf.identity(names)}

    module = tf.Module()
    # Only the variables are tracked, not the Keras objects: nothing of Keras has to be rebuilt on loading.
    module.weights = [variable.value for variable in model.variables]
    module.classify = classify
    with staged(path) as folder:
        try:
            tf.saved_model.save(
                module, str(folder), {"serving_default": classify, "class_names": list_class_names}
            )
        except tf.errors.OpError as error:
            raise OSError(error.message.splitlines()[0]) from error
        extra = folder / "assets.extra"
        extra.mkdir()
        (extra / "class_names.json").write_text(
            json.dumps(list(class_names), ensure_ascii=False) + "\n", "utf-8"
        )
    return path


def _check_replaceable(path: Path) -> None:
    """Never remove a folder that is not ours to remove."""
    if path.exists() and not path.is_dir():
        raise StampError(f"path must be a folder, but {path} is a file; choose another.")
    if path.is_dir() and any(path.iterdir()) and not (path / "saved_model.pb").exists():
        raise StampError(
            f"path must be new, empty or an earlier SavedModel, but {path} holds something else; "
            "choose another."
        )
