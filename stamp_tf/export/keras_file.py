"""The re-trainable `.keras` file: the pruned network as plain Keras."""

import json
import logging
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from stamp_tf.archives import UNREADABLE, check_sizes
from stamp_tf.errors import StampError
from stamp_tf.export.contract import PixelNormalization, check_exportable
from stamp_tf.export.plain import custom_objects, plain_copy
from stamp_tf.export.staging import staged
from stamp_tf.records import check, decode
from stamp_tf.schemas import Card

_log = logging.getLogger(__name__)
_CARD = "input_and_classes.json"


def export_keras(
    model: keras.Model,
    path: Path,
    *,
    class_names: Sequence[str],
    normalization: PixelNormalization,
    input_name: str = "image",
) -> Path:
    """Write a `.keras` file that `keras.saving.load_model` reads without stamp-tf, whole or not at all.

    The model is saved as it is, from *normalised* images to logits, in float32 and without an optimizer, so
    that it can be trained on. The archive carries one more member, `input_and_classes.json`, with the class
    names and the normalisation; Keras ignores it, `read_card` reads it.

    Args:
        model: A functional model from normalised images [B, H, W, D] to logits [B, classes].
        path: The file to write; it ends in `.keras`.
        class_names: One name per logit.
        normalization: How the model's input was normalised in training.
        input_name: Written to the card; the model keeps its own input name.

    Returns:
        The file.

    Raises:
        StampError: If the parts do not fit, the name does not end in `.keras`, or it cannot be written.
    """
    path = Path(path)
    check_exportable(model, class_names=class_names, normalization=normalization)
    if path.suffix != ".keras":
        raise StampError(f"path must end in '.keras', but is '{path}'; add the ending.")
    if path.is_dir():
        raise StampError(f"path must be a file, but {path} is a folder; choose another.")
    model = plain_copy(model)
    customs = custom_objects(model)
    if customs:
        _log.warning("%s needs custom objects to load: %s", path.name, ", ".join(customs))
    card = {
        "class_names": list(class_names),
        "input_name": input_name,
        "mean": [float(value) for value in normalization.mean],
        "std": [float(value) for value in normalization.std],
        "formula": "(pixel / 255 - mean) / std",
    }
    with staged(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(_CARD, json.dumps(card, ensure_ascii=False, indent=2))
    return path


def read_card(path: Path) -> dict[str, Any]:
    """Return class names and normalisation of a `.keras` file written by `export_keras`.

    Args:
        path: The file.

    Returns:
        `class_names`, `input_name`, `mean` and `std` (of pixels in [0, 1]) and `formula`.

    Raises:
        StampError: If the file is missing, truncated or not ours.
    """
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise StampError(
            f"path must be a .keras file written by stamp-tf, but {path} is not; check the path."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            check_sizes(archive, source=path, remedy="prune again")
            data = archive.read(_CARD)
    except StampError:
        raise
    except UNREADABLE:
        raise StampError(
            f"path must be a .keras file written by stamp-tf, but {path} is not; check the path."
        ) from None
    card = decode(data, dict[str, Any], source=f"{path}, {_CARD},", remedy="prune again")
    check(card, Card, source=f"{path}, {_CARD},", remedy="prune again")
    return card
