"""Ask a network that left about pictures."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from stamp_tf.arguments import as_path, check_arguments
from stamp_tf.data.decode_ahead import Example, decoded_ahead
from stamp_tf.data.folder_form import ranges_of
from stamp_tf.data.resize import fit_images
from stamp_tf.data.streaming import refuse_or_warn
from stamp_tf.data.survey import Look, survey
from stamp_tf.data.unreadable import UnreadableImage
from stamp_tf.errors import StampError
from stamp_tf.on_step import OnStep
from stamp_tf.options.fields import received
from stamp_tf.printable import printable
from stamp_tf.serving.exported import Exported
from stamp_tf.serving.load import load_exported, open_exported
from stamp_tf.serving.pictures import find_pictures
from stamp_tf.serving.predictions import Predictions

BATCH_SIZE = 32
# Bytes of pixels that are decoded while the network is loaded and compiled, and never fewer than two batches.
_AHEAD = 2**27
_ORIGIN = "`pictures`"


def predict(
    model: Exported | str | os.PathLike[str],
    pictures: np.ndarray | str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    skip_corrupt: bool = False,
    on_step: OnStep | None = None,
) -> Predictions:
    """Return what a network says of pictures, each decoded and resized as in training.

    Args:
        model: An exported network of any format or a run's folder, or what `load_exported` returned.
        pictures: Files, folders or patterns such as `more/*.jpg`, one or several; or images as they are, uint8
            `[B, height, width, 1 or 3]` of any size.
        skip_corrupt: Leave out what cannot be decoded, with a warning, instead of raising.
        on_step: Called with (pictures done, all pictures, figures) after a batch.

    Returns:
        Class names and probabilities, in the order of the pictures; those of a folder are sorted.

    Raises:
        StampError: If the network cannot be loaded, or a picture is not there or none.

    Example:
        >>> found = stamp_tf.predict("runs/photos", "more/*.jpg")
        >>> found.classes, found.top(3)
    """
    check_arguments(skip_corrupt=(skip_corrupt, bool), on_step=(on_step, Callable | None))
    model = model if isinstance(model, Exported) else as_path(model, "model")
    if isinstance(pictures, np.ndarray):
        return _of_images(model, pictures)
    given = [pictures] if isinstance(pictures, str | os.PathLike) else pictures
    if not isinstance(given, Iterable) or isinstance(given, bytes | Mapping):
        raise StampError(
            f"{_ORIGIN} must be paths or images, but are {received(pictures)}; give a list of paths."
        )
    paths = find_pictures(as_path(one, _ORIGIN) for one in given)
    network = model if isinstance(model, Exported) else open_exported(model)
    names: list[str] = []
    answers: list[np.ndarray] = []
    done, size = 0, _batch_size(len(paths))
    for examples, images in _batches(paths, network.image_shape, size=size, skip_corrupt=skip_corrupt):
        # Of a size of its own the last batch would be compiled for, which takes longer than a full one.
        missing = size - len(images) if answers else 0
        answers.append(network(np.pad(images, ((0, missing), *[(0, 0)] * 3)))[: len(images)])
        names += [str(example.content) for example in examples]
        # The last batch ends the work, whatever was skipped.
        done = examples[-1].label + 1
        if on_step is not None:
            on_step(done, len(paths), {"images": len(images)})
    if not names:
        raise StampError(f"{_ORIGIN} must be readable, but none is; mend them.")
    return Predictions(network=network, pictures=tuple(names), probabilities=np.concatenate(answers))


def _of_images(model: Exported | str | os.PathLike[str], images: np.ndarray) -> Predictions:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise StampError(
            f"{_ORIGIN} must be uint8 [B, height, width, 1 or 3], but are {images.dtype} of shape "
            f"{list(images.shape)}; give pixels 0 to 255."
        )
    network = model if isinstance(model, Exported) else load_exported(model)
    fitted = fit_images(images, network.image_shape)
    answers = [network(fitted[start : start + BATCH_SIZE]) for start in range(0, len(fitted), BATCH_SIZE)]
    probabilities = np.concatenate([network(fitted[:0]), *answers])
    return Predictions(
        network=network, pictures=tuple(map(str, range(len(fitted)))), probabilities=probabilities
    )


def _batch_size(number: int) -> int:
    """Return how many pictures to ask about at once, so that few have to be added to fill the last batch."""
    return max(range(BATCH_SIZE // 2 + 1, BATCH_SIZE + 1), key=lambda size: (-number // size * size, size))


def _batches(
    paths: Sequence[Path], image_shape: tuple[int, int, int], *, size: int, skip_corrupt: bool
) -> Iterator[tuple[list[Example], np.ndarray]]:
    """Yield pictures that can be read and their pixels, uint8 `[b, H, W, D]`."""
    names = [printable(str(path)) for path in paths]
    looks = survey(paths, with_keys=False)
    bad = [(name, look) for name, look in zip(names, looks, strict=True) if isinstance(look, UnreadableImage)]
    if bad:
        refuse_or_warn(_ORIGIN, bad, skip_corrupt=skip_corrupt, option="skip_corrupt=True")
    readable = {name: look for name, look in zip(names, looks, strict=True) if isinstance(look, Look)}
    ranges = ranges_of(readable, _ORIGIN)
    examples = [
        Example(path, index, name)
        for index, (path, name, look) in enumerate(zip(paths, names, looks, strict=True))
        if isinstance(look, Look)
    ]
    batch: list[tuple[Example, np.ndarray]] = []
    num_ahead = max(2 * size, _AHEAD // math.prod(image_shape))
    for example, image in decoded_ahead(examples, image_shape, ranges=ranges, num_ahead=num_ahead):
        if isinstance(image, UnreadableImage):
            refuse_or_warn(
                _ORIGIN, [(example.name, image)], skip_corrupt=skip_corrupt, option="skip_corrupt=True"
            )
            continue
        batch.append((example, image))
        if len(batch) == size:
            yield _unzipped(batch)
            batch = []
    if batch:
        yield _unzipped(batch)


def _unzipped(batch: Sequence[tuple[Example, np.ndarray]]) -> tuple[list[Example], np.ndarray]:
    return [example for example, _ in batch], np.stack([image for _, image in batch])
