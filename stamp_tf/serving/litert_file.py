"""Read a `.tflite` file by LiteRT; it needs the extra `litert`."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from stamp_tf.export.marks import CONTRACT, LITERT_ENDING
from stamp_tf.export.streams import streams_in_log
from stamp_tf.serving.exported import Exported
from stamp_tf.serving.runtime import checked_size, import_runtime, opening, read_contract, warn_of_changes
from stamp_tf.storage.archives import UNREADABLE, check_sizes


def read_litert(path: Path) -> Exported | None:
    """Return the network of a file that one of the LiteRT exporters wrote; None where no `.tflite` file lies.

    Args:
        path: The file.

    Raises:
        StampError: If it is damaged or somebody else's.
        MissingRuntime: If LiteRT is not installed.
    """
    if path.suffix != LITERT_ENDING or not path.is_file():
        return None
    contract = read_contract(_contract_of(path), source=path)
    warn_of_changes(_network_in(path), wanted=contract.sha256, source=path)
    runtime = import_runtime("ai_edge_litert.interpreter", extra="litert", source=path)
    with opening(path, by="LiteRT"), streams_in_log("LiteRT"):
        interpreter = runtime.Interpreter(str(path), num_threads=os.cpu_count())
        # It says what it computes by, whoever asks.
        interpreter.allocate_tensors()
        answer = _Answer(interpreter, source=path)
    return Exported(
        path=path,
        format=contract.format,
        image_shape=checked_size(answer.image_shape, contract.input, source=path),
        class_names=contract.classes,
        answer=answer,
    )


def _contract_of(path: Path) -> bytes | None:
    try:
        with zipfile.ZipFile(path) as archive:
            check_sizes(archive, source=path, remedy="export it anew")
            return archive.read(CONTRACT)
    except UNREADABLE:
        return None


def _network_in(path: Path) -> bytes:
    """Return what lies before the archive."""
    with zipfile.ZipFile(path) as archive:
        start = min(member.header_offset for member in archive.infolist())
    with path.open("rb") as file:
        return file.read(start)


class _Answer:
    """Calls an interpreter, which plans anew only where the number of images changes.

    Args:
        interpreter: Of one input and one output.
        source: The file.
    """

    def __init__(self, interpreter: Any, *, source: Path) -> None:
        self._interpreter, self._source = interpreter, source
        (self._taken,), (self._given,) = interpreter.get_input_details(), interpreter.get_output_details()
        self._number = 0
        self.image_shape = tuple(map(int, self._taken["shape_signature"][1:]))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return probabilities `[B, classes]` of uint8 `[B, H, W, D]`."""
        place = self._taken["index"]
        with opening(self._source, by="LiteRT"):
            if len(images) != self._number:
                self._interpreter.resize_tensor_input(place, images.shape)
                self._interpreter.allocate_tensors()
                self._number = len(images)
            self._interpreter.set_tensor(place, images.astype(self._taken["dtype"]))
            self._interpreter.invoke()
            return self._interpreter.get_tensor(self._given["index"])
