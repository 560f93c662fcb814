"""The image classifiers of KerasHub, which the extra `hub` brings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import keras

from stamp_registry import did_you_mean
from stamp_tf.errors import StampError
from stamp_tf.references.pretrained.preprocessing import with_preprocessing

_USUAL_SHAPE = (224, 224, 3)
_WEIGHTS = ("model.weights.h5", "model.weights.json")


def load_preset(
    preset: str,
    *,
    image_shape: tuple[int, int, int] | None = None,
    download: bool = False,
    weights: bool = True,
) -> keras.Model:
    """Build an image classifier of KerasHub that takes pixels in [0, 255].

    Args:
        preset: A name such as `resnet_18_imagenet`, or a folder that `save_to_preset` wrote.
        image_shape: Height, width and depth of its images; None for those that it was trained on.
        download: Whether it may be fetched if it is not in the cache.
        weights: Whether it gets its weights.

    Raises:
        StampError: If there is no such preset, it is not there, is no image classifier, or has no weights for images
            of that size.
    """
    import keras_hub

    place = _place(preset, keras_hub.models.ImageClassifier.presets, download=download)
    model = _loaded(preset, place, load_weights=weights)
    converter = getattr(model.preprocessor, "image_converter", None)
    shape = image_shape or _shape_of(model, converter)
    if None not in model.input_shape[1:] and tuple(model.input_shape[1:]) != shape:
        model = _loaded(preset, place, load_weights=weights, image_shape=shape)
    return with_preprocessing(model, converter, image_shape=shape)


def _place(preset: str, known: Any, *, download: bool) -> str:
    """Return what KerasHub is to load: a folder, which needs no network, or the name of what it is to fetch."""
    own = Path(preset).expanduser()
    if (own / "config.json").is_file():
        return str(own)
    if preset not in known:
        raise StampError(
            f"hub:{preset} must be a preset of an image classifier of KerasHub or a folder of one, but is neither; "
            f"write for example hub:resnet_18_imagenet.{did_you_mean(preset, known)}"
        )
    cache = os.environ.get("KAGGLEHUB_CACHE") or os.path.join("~", ".cache", "kagglehub")
    folder = Path(cache).expanduser() / "models" / known[preset]["kaggle_handle"].removeprefix("kaggle://")
    if (folder / "config.json").is_file() and any((folder / name).is_file() for name in _WEIGHTS):
        return str(folder)
    if not download:
        raise StampError(
            f"hub:{preset} needs its weights, but {_WEIGHTS[0]} is not in {folder}; add `network:download=True`, or "
            "name a folder that save_to_preset wrote."
        )
    return preset


def _loaded(preset: str, place: str, **options: Any) -> Any:
    """Let KerasHub load it."""
    import keras_hub

    try:
        return keras_hub.models.ImageClassifier.from_preset(place, **options)
    # Network, disk, damaged files, another task, a size that does not fit: KerasHub raises what is at hand.
    except Exception as error:
        reason = " ".join(str(error).split()).rstrip(".")
        size = options.get("image_shape")
        asked = f" for images of {size[0]}x{size[1]}" if size else ""
        raise StampError(
            f"hub:{preset} must load as an image classifier{asked}, but KerasHub says '{reason[:200]}'; "
            + ("leave `image_shape` out." if size else "choose another preset.")
        ) from error


def _shape_of(model: Any, converter: Any) -> tuple[int, int, int]:
    """Return the size that a network's images have where nobody said another."""
    if None not in model.input_shape[1:]:
        return tuple(model.input_shape[1:])
    size = getattr(converter, "image_size", None)
    return (*size, 3) if size else _USUAL_SHAPE
