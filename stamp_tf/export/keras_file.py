"""The re-trainable `.keras` file: the pruned network as plain Keras."""

import json
import logging
import zipfile
from collections.abc import Sequence
from pathlib import Path

import keras

from stamp_tf.backbones.end import split_end
from stamp_tf.data import Normalization
from stamp_tf.export.calling import calling_of
from stamp_tf.export.card import CARD
from stamp_tf.export.contract import check_exportable
from stamp_tf.export.file_contract import check_file
from stamp_tf.export.plain import custom_objects
from stamp_tf.export.scaling import with_scaling
from stamp_tf.export.staging import staged

logger = logging.getLogger(__name__)


def export_keras(
    model: keras.Model,
    path: Path,
    *,
    class_names: Sequence[str],
    normalization: Normalization,
    input_name: str = "image",
) -> Path:
    """Write a `.keras` file that `keras.saving.load_model` reads without stamp-tf, whole or not at all.

    It takes *pixels in [0, 255]*, like the SavedModel beside it: what normalised the images in training is its first
    layer, a `Rescaling`. It ends as the model does, computes in float32 and carries no optimizer, so that it can be
    trained on. The archive has one more member, `input_and_classes.json`, with the class names, the normalisation and
    how to call it; Keras ignores it, `read_card` reads it.

    Args:
        model: A functional model from normalised images [B, H, W, D] to logits [B, classes], or to what your own
            model ended in; it is not changed.
        path: The file to write; it ends in `.keras`.
        class_names: One name per class.
        normalization: How the model's input was normalised in training.
        input_name: Name of the input, where the scaling is added.

    Returns:
        The file.

    Raises:
        StampError: If the parts do not fit, the name does not end in `.keras`, or it cannot be written.
    """
    path = Path(path)
    image_shape = check_exportable(model, class_names=class_names, normalization=normalization)
    check_file(path, ending=".keras")
    _, end = split_end(model)
    model, scaling = with_scaling(model, normalization, input_name=input_name)
    customs = custom_objects(model)
    if customs:
        logger.warning("%s needs custom objects to load: %s", path.name, ", ".join(customs))
    card = {
        "class_names": list(class_names),
        "input_name": model.inputs[0].name,
        "mean": [float(value) for value in normalization.mean],
        "std": [float(value) for value in normalization.std],
        "formula": "(pixel / 255 - mean) / std, inside the model",
        "takes": "pixels in [0, 255]",
        "scaling_layer": scaling,
        "contract": calling_of(image_shape, class_names, end).to_json(),
    }
    with staged(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(CARD, json.dumps(card, ensure_ascii=False, indent=2))
    return path
