"""What each exported file is worth: accuracy on the test images and seconds for one image, by its own runtime."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import stamp_registry
from stamp_tf.data import ImageSet, StreamedSet
from stamp_tf.errors import StampError
from stamp_tf.measure.speed import INFERENCE, take_turns
from stamp_tf.options.compression import parts_of
from stamp_tf.report.report import ExportedFile
from stamp_tf.serving.counts import count_answers
from stamp_tf.serving.exported import READERS, Exported
from stamp_tf.serving.load import load_exported

logger = logging.getLogger(__name__)

_AS_TESTED = ("keras", "saved-model")
"""They hold the network that was tested, in the arithmetic that it was tested in."""
_MAX_SECONDS = 5.0


def measure_files(
    files: Sequence[ExportedFile],
    folder: Path,
    *,
    images: ImageSet | StreamedSet,
    speed: bool,
    repeats: int = 20,
    max_seconds: float = 2.0,
) -> tuple[ExportedFile, ...]:
    """Return files with the accuracy that each has, and with the seconds that one image takes.

    Whatever no installed runtime reads stays as it is, and the log says why. After five seconds no further images are
    tested; those that are, are drawn at random.

    Args:
        files: What exporters wrote.
        folder: Where they lie.
        images: The test images, with the labels of the network.
        speed: Whether to time them, those that one reader reads in turns; without, `keras` and `saved-model` are passed
            over.
        repeats: Most rounds.
        max_seconds: No new round (after three) once they have taken this long for each file.
    """
    readable = stamp_registry.names(READERS)
    found: dict[str, Exported] = {}
    for file in files:
        if parts_of(file.format)[0] in readable and (speed or file.format not in _AS_TESTED):
            try:
                found[file.path] = load_exported(folder / file.path)
            except StampError as error:
                logger.warning("%s is not measured: %s", file.path, error)
    if not found:
        return tuple(files)
    logger.info("Measuring %s.", ", ".join(found))
    tested = {
        path: count_answers(exported, images, max_seconds=_MAX_SECONDS) for path, exported in found.items()
    }
    seconds: dict[str, float] = {}
    for networks in _by_reader(files, found) if speed else ():
        seconds |= _seconds(networks, repeats=repeats, max_seconds=max_seconds)
    return tuple(
        dataclasses.replace(
            file,
            accuracy=tested[file.path].accuracy,
            test_images=tested[file.path].num_images,
            latency=seconds.get(file.path, file.latency),
        )
        if file.path in found
        else file
        for file in files
    )


def _by_reader(
    files: Sequence[ExportedFile], found: Mapping[str, Exported]
) -> Collection[Mapping[str, Exported]]:
    """Return the networks that are timed beside each other, which are those of one runtime.

    Threads of one runtime are still busy when the turn of another comes, and slow it down.
    """
    groups: dict[Any, dict[str, Exported]] = {}
    for file in files:
        if file.path in found:
            reader = stamp_registry.load(READERS, parts_of(file.format)[0])
            groups.setdefault(reader, {})[file.path] = found[file.path]
    return groups.values()


def _seconds(networks: Mapping[str, Exported], *, repeats: int, max_seconds: float) -> dict[str, float]:
    """Return the median seconds of one image."""

    def step(exported: Exported) -> Callable[[np.ndarray], tuple[()]]:
        def run(image: np.ndarray) -> tuple[()]:
            # It is an array of NumPy, so that there is nothing to wait for.
            exported(image)
            return ()

        return run

    random = np.random.default_rng(0)
    timings = take_turns(
        {name: step(exported) for name, exported in networks.items()},
        {
            name: (random.integers(0, 256, (1, *exported.image_shape), np.uint8),)
            for name, exported in networks.items()
        },
        kind=INFERENCE,
        batch_size=1,
        repeats=repeats,
        max_seconds=max_seconds * len(networks),
    )
    return {timing.model: timing.seconds for timing in timings}
