"""What a `.keras` file says of itself: how its images are scaled, and its classes; read without Keras."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from stamp_tf.errors import StampError
from stamp_tf.storage.archives import UNREADABLE, check_sizes
from stamp_tf.storage.records import check, decode
from stamp_tf.storage.schemas import Card

CARD = "input_and_classes.json"
"""The member of the archive that holds it."""


def is_export(path: Path) -> bool:
    """Return whether a file is one that `export_keras` wrote."""
    try:
        read_card(path)
    except StampError:
        return False
    return True


def read_card(path: Path) -> dict[str, Any]:
    """Return class names and normalisation of a `.keras` file written by `export_keras`.

    Args:
        path: The file.

    Returns:
        `class_names`, `input_name`, `mean` and `std` (of pixels in [0, 1]) and `formula`; `scaling_layer`, the name of
        the layer that normalises, or None where the network takes pixels in [0, 255] by itself. Files of before that
        layer have no such member: they take normalised images.

    Raises:
        StampError: If the file is missing, truncated or not ours.
    """
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise StampError(
            f"{path} must be a .keras file written by stamp-tf, but is something else; check the path."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            check_sizes(archive, source=path, remedy="prune again")
            if CARD not in archive.namelist() and "config.json" in archive.namelist():
                raise StampError(
                    f"{path} must be a .keras file written by stamp-tf, with names of classes, but is another network; "
                    "evaluate tests it on a data set, prune makes one that does."
                )
            data = archive.read(CARD)
    except StampError:
        raise
    except UNREADABLE:
        raise StampError(
            f"{path} must be a .keras file written by stamp-tf, but is something else or damaged; check the path, or "
            "write it again from its run with stamp-tf export."
        ) from None
    card = decode(data, dict[str, Any], source=f"{path}, {CARD},", remedy="prune again")
    check(card, Card, source=f"{path}, {CARD},", remedy="prune again")
    return card
