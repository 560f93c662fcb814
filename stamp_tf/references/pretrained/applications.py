"""The image classifiers of keras.applications with their ImageNet weights."""

from __future__ import annotations

import contextlib
import sys
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from stamp_tf.errors import StampError
from stamp_tf.references.pretrained.names import check_weights
from stamp_tf.references.pretrained.preprocessing import with_preprocessing
from stamp_tf.references.pretrained.weight_files import trained_size, weight_file

_USUAL_SHAPE = (224, 224, 3)
# What EfficientNet's authors divide by once more, see `_as_trained`.
_DEVIATIONS = (0.229, 0.224, 0.225)


def load_application(
    name: str,
    *,
    image_shape: tuple[int, int, int] | None = None,
    download: bool = False,
    weights: bool = True,
) -> keras.Model:
    """Build a network of keras.applications that takes pixels in [0, 255].

    Args:
        name: Such as `MobileNetV2`.
        image_shape: Height, width and depth of its images; None for those that it was trained on.
        download: Whether weights that are not there may be fetched.
        weights: Whether it gets its weights at all.

    Raises:
        StampError: If its weights are not there or are damaged, or it has none for images of that size.
    """
    if weights and download and not weight_file(name, image_shape).is_file():
        _fetch(name, image_shape)
    file = check_weights(name, image_shape) if weights else None
    model = _built(name, image_shape)
    if file is not None:
        _load(name, model, file)
    module = getattr(keras.applications, _application(name).__module__.rpartition(".")[2])
    return with_preprocessing(model, module.preprocess_input, image_shape=model.input_shape[1:])


def _application(name: str) -> Any:
    """Return the function of Keras that builds a network."""
    return getattr(keras.applications, name)


def _built(name: str, image_shape: tuple[int, int, int] | None) -> keras.Model:
    """Return the network without weights."""
    application = _application(name)
    try:
        model = application(weights=None, input_shape=image_shape)
    except ValueError as error:
        raise StampError(
            f"`image_shape` must be a size that keras:{name} can have, but is {_size(image_shape)} where Keras says "
            f"'{_one_line(error)}'; choose another size."
        ) from None
    # MobileNetV3 has no size of its own.
    return model if None not in model.input_shape[1:] else application(weights=None, input_shape=_USUAL_SHAPE)


def _load(name: str, model: keras.Model, file: Path) -> None:
    """Read the weights of a network, of whatever size its images are."""
    try:
        model.load_weights(file)
    # HDF5 raises whatever it likes about files that are damaged.
    except Exception as error:
        with keras.StatelessScope():
            usual = _built(name, None)
        if [weight.shape for weight in usual.weights] != [weight.shape for weight in model.weights]:
            raise StampError(
                f"`image_shape` must be {_size(usual.input_shape[1:])} for keras:{name}, whose dense layers were "
                f"trained for that size alone, but is {_size(model.input_shape[1:])}; leave it out, or choose a "
                "network that pools, such as keras:MobileNetV2."
            ) from None
        raise StampError(
            f"Weights of keras:{name} must be as Keras publishes them, but {file} gave '{_one_line(error)}'; delete "
            "it, and add `network:download=True`."
        ) from None
    if name.startswith("EfficientNetB"):
        _as_trained(model)


def _as_trained(model: keras.Model) -> None:
    """Let an EfficientNet normalise as Keras does where it loads the weights itself.

    It was trained on pixels that were divided by more than their deviation, for which Keras puts in another layer if it
    is to have these weights.
    """
    layer = next(each for each in model.layers if isinstance(each, keras.layers.Normalization))
    mean, variance, *rest = layer.get_weights()
    layer.set_weights([mean, variance * np.array(_DEVIATIONS, variance.dtype), *rest])
    layer.finalize_state()


def _fetch(name: str, image_shape: tuple[int, int, int] | None) -> None:
    """Let Keras fetch the weights into its cache, and check them."""
    size = trained_size(name, image_shape)
    shape = {} if size is None else {"input_shape": (size, size, 3)}
    try:
        # Keras draws a bar on standard output, which is for figures.
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _application(name)(weights="imagenet", **shape)
    # Network, disk, a file that is another: all end the same way for the user.
    except Exception as error:
        file = weight_file(name, image_shape)
        raise StampError(
            f"Weights of keras:{name} must be fetched with `network:download=True`, but that failed: "
            f"{_one_line(error)}; check the network, or put {file.name} into {file.parent} yourself."
        ) from error


def _size(shape: Any) -> str:
    return "x".join(map(str, (shape or _USUAL_SHAPE)[:2]))


def _one_line(error: BaseException) -> str:
    words = " ".join(str(error).split()).rstrip(".")
    return words if len(words) <= 200 else f"{words[:200]} ..."
