"""What a network says of pictures, and how that is written down."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from stamp_tf.serving.exported import Exported
from stamp_tf.storage.records import encode


@dataclass(frozen=True, eq=False, kw_only=True)
class Predictions:
    """The classes of some pictures, and how probable each is.

    Args:
        network: Which said so.
        pictures: What each picture is called.
        probabilities: float32 `[pictures, classes]`.
    """

    network: Exported
    pictures: tuple[str, ...]
    probabilities: np.ndarray

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes that the network tells apart, in the order of `probabilities`."""
        return self.network.class_names

    @property
    def classes(self) -> tuple[str, ...]:
        """The likeliest class of each picture."""
        return tuple(self.class_names[index] for index in self.probabilities.argmax(axis=1))

    def top(self, count: int) -> list[list[tuple[str, float]]]:
        """Return the likeliest classes of each picture with their probabilities, the likeliest first.

        Args:
            count: How many; all where there are fewer.
        """
        order = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :count]
        return [
            [(self.class_names[index], float(row[index])) for index in indices]
            for row, indices in zip(self.probabilities, order, strict=True)
        ]

    def to_csv(self, count: int) -> bytes:
        """Return a table with a line a picture: its name, and a column each for a class and its probability.

        Args:
            count: How many classes.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        width = min(count, len(self.class_names))
        places = ["" if place == 1 else f"_{place}" for place in range(1, width + 1)]
        writer.writerow(
            ["picture", *(f"{name}{place}" for place in places for name in ("class", "probability"))]
        )
        for picture, row in zip(self.pictures, self.top(count), strict=True):
            writer.writerow([picture, *(value for name, share in row for value in (name, f"{share:.6f}"))])
        # A file name need not be text of any encoding.
        return text.getvalue().encode("utf-8", "surrogateescape")

    def to_json(self, count: int) -> bytes:
        """Return the same as JSON: the network, its classes, and the likeliest ones of each picture.

        Args:
            count: How many classes.
        """
        content: dict[str, Any] = {
            "model": str(self.network.path),
            "format": self.network.format,
            "classes": list(self.class_names),
            "pictures": [
                {
                    "picture": picture,
                    "top": [{"class": name, "probability": round(share, 6)} for name, share in row],
                }
                for picture, row in zip(self.pictures, self.top(count), strict=True)
            ],
        }
        return encode(content, indent=2)
