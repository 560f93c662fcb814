"""A network read back from a file, and what reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

import stamp_registry
from stamp_tf.errors import NotFiniteError, StampError
from stamp_tf.plugin_code import PluginCode

READERS = "stamp_tf.readers"
"""The entry-point group of readers."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A network as it left, called alike whatever its format is.

    Args:
        path: Where it lies.
        format: Its format, by the name of the exporter that writes it.
        image_shape: Height, width and depth of the images that `answer` takes.
        class_names: In the order of the outputs.
        answer: From pixels, uint8 `[B, H, W, D]` with B >= 1, to probabilities `[B, classes]`.
        load: Does now what the first answer does else, such as to import what takes seconds; None where nothing is
            put off.
    """

    path: Path
    format: str
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    answer: Callable[[np.ndarray], Any]
    load: Callable[[], object] | None = None

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return the probability of every class.

        Args:
            images: Pixels, uint8 `[B, H, W, D]` of the network's size.

        Returns:
            float32 `[B, classes]`, in the order of `class_names`.

        Raises:
            StampError: If the images are of another type or size.
            NotFiniteError: If a probability is not finite.
            PluginError: If the reader of the format fails, or gives something else.
        """
        if images.dtype != np.uint8 or images.shape[1:] != self.image_shape:
            raise StampError(
                f"`images` must be uint8 of shape [B, {', '.join(map(str, self.image_shape))}], but are "
                f"{images.dtype} of shape {list(images.shape)}; `stamp_tf.predict` resizes what it is given."
            )
        if not len(images):
            return np.zeros((0, len(self.class_names)), np.float32)
        plugin = PluginCode(READERS, self.format)
        with plugin.running():
            answer = np.asarray(self.answer(images), np.float32)
        if answer.shape != (len(images), len(self.class_names)):
            if stamp_registry.is_built_in(READERS, self.format):
                raise StampError(
                    f"{self.path} must give a probability for each of its {len(self.class_names)} classes, but gives "
                    f"{list(answer.shape[1:])}; export it anew."
                )
            raise plugin.breach(
                f"give probabilities [{len(images)}, {len(self.class_names)}]",
                f"gave shape {list(answer.shape)}",
            )
        if not np.isfinite(answer).all():
            raise NotFiniteError(
                f"A network must give finite probabilities, but {self.path} gives NaN or infinity; export a network "
                "from before its training diverged."
            )
        return answer


class Reader(Protocol):
    """A callable of the entry-point group `stamp_tf.readers`, one a format, by the name of its exporter."""

    def __call__(self, path: Path) -> Exported | None:
        """Return the network that lies at a path, or None where something of another format does.

        Formats are told by what lies there, such as an ending and the first bytes, before anything heavy is
        imported. What is of the format but damaged, not ours or without its runtime is refused by a `StampError`.

        Args:
            path: A file or folder that exists.
        """
