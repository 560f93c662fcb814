"""What every exporter is given, and the checks they share."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np

from stamp_tf.data import Normalization
from stamp_tf.errors import StampError


class Exporter(Protocol):
    """A callable of the entry-point group `stamp_tf.exporters`.

    One that has an argument `images` besides is given training images by it, uint8 `[n, H, W, D]`, such as the ranges
    of 8-bit integers are calibrated on.
    """

    def __call__(
        self,
        model: keras.Model,
        path: Path,
        *,
        class_names: Sequence[str],
        normalization: Normalization,
        input_name: str = "image",
    ) -> Path:
        """Write the model whole or not at all and return where it is.

        It maps normalised images to logits, or to what a user's own model ended in; `split_end` takes that off.
        """


def call_exporter(
    export: Exporter,
    model: keras.Model,
    path: Path,
    *,
    class_names: Sequence[str],
    normalization: Normalization,
    images: Callable[[], np.ndarray],
) -> Any:
    """Call an exporter with what it asks for, and return its answer.

    Args:
        export: The exporter.
        model: The network.
        path: Where to write.
        class_names: One name per class.
        normalization: Of the images.
        images: Returns training images; it is called if the exporter has an argument of that name.
    """
    asked: dict[str, Any] = {"images": images()} if "images" in inspect.signature(export).parameters else {}
    return export(model, path, class_names=class_names, normalization=normalization, **asked)


def check_exportable(
    model: keras.Model, *, class_names: Sequence[str], normalization: Normalization
) -> tuple[int, int, int]:
    """Check that model, class names and normalisation belong together.

    Args:
        model: Maps images [B, H, W, D] to [B, classes], or to [B, 1] for two classes.
        class_names: One name per class.
        normalization: Mean and standard deviation per image channel, [D] each.

    Returns:
        The image shape (H, W, D).

    Raises:
        StampError: If one does not fit another.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1 or len(model.inputs[0].shape) != 4:
        raise StampError(
            f"`model` must map one batch of images [B, H, W, D] to logits [B, classes], but {model.name} has "
            f"inputs {[tuple(tensor.shape) for tensor in model.inputs]} and outputs "
            f"{[tuple(tensor.shape) for tensor in model.outputs]}; export one network at a time."
        )
    image_shape = tuple(model.inputs[0].shape[1:])
    num_outputs = model.outputs[0].shape[-1]
    num_classes = 2 if num_outputs == 1 else num_outputs
    if len(class_names) != num_classes:
        raise StampError(
            f"`class_names` must hold one name per class ({num_classes}), but has {len(class_names)}; "
            "give the names of the data set that the model was fine-tuned on."
        )
    if not len(normalization.mean) == len(normalization.std) == image_shape[-1]:
        raise StampError(
            f"`normalization` must hold one mean and std per image channel ({image_shape[-1]}), but has "
            f"{len(normalization.mean)} and {len(normalization.std)}; use the one stored with the run."
        )
    return image_shape
