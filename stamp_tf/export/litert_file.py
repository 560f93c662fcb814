"""What the three LiteRT exporters share: a `.tflite` file of TensorFlow's converter, with its class names inside."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.tools import flatbuffer_utils

from stamp_tf.data import Normalization
from stamp_tf.export.conversion import convert
from stamp_tf.export.file_contract import check_file, pixels_to_probabilities
from stamp_tf.export.marks import CHECKSUM, CONTRACT, LITERT_ENDING, checksum
from stamp_tf.export.staging import staged

_LABELS = "labels.txt"


def write_litert(
    model: keras.Model,
    path: Path,
    *,
    class_names: Sequence[str],
    normalization: Normalization,
    input_name: str,
    format_name: str,
    input_dtype: str = "float32",
    **options: Any,
) -> Path:
    """Write a `.tflite` file, whole or not at all.

    Behind the network lies a zip archive, as LiteRT's own metadata do: `labels.txt`, a class a line, and
    `contract.json`. Any zip program lists them; the runtime does not look at them.

    Args:
        model: The network.
        path: The file to write; it ends in `.tflite`.
        class_names: One name per class.
        normalization: Of the images.
        input_name: Of the input.
        format_name: What the exporter is called.
        input_dtype: Of the input.
        options: Of TensorFlow's converter.

    Returns:
        The file.

    Raises:
        StampError: If the parts do not fit, LiteRT lacks an operation, or the file cannot be written.
    """
    path = Path(path)
    network, contract = pixels_to_probabilities(
        model,
        class_names=class_names,
        normalization=normalization,
        format_name=format_name,
        input_name=input_name,
    )
    check_file(path, ending=LITERT_ENDING)
    contract["input"]["dtype"] = input_dtype
    # Without TensorFlow's own operations, which no runtime on a phone brings.
    options = {"target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}} | options
    with staged(path) as temporary:
        convert(network, temporary, to=format_name, of_keras="litert", **options)
        _write_small(temporary)
        contract[CHECKSUM] = checksum(temporary.read_bytes())
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(_member(_LABELS), "".join(f"{name}\n" for name in class_names))
            archive.writestr(_member(CONTRACT), json.dumps(contract, ensure_ascii=False, indent=2))
    return path


def _write_small(file: Path) -> None:
    """Write a network again without what no runtime needs: together a fifth of a small file.

    What tensors in between are called goes; inputs and outputs keep the names of the signature. Of equal vectors, such
    as the zero points of all kernels with as many channels, one is kept, which the others point to.
    """
    model = flatbuffer_utils.read_model(str(file))
    for graph in model.subgraphs:
        ends = {*graph.inputs, *graph.outputs}
        for place, tensor in enumerate(graph.tensors):
            if place not in ends:
                tensor.name = None
    builder = _SharedVectors()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    file.write_bytes(builder.Output())


class _SharedVectors(flatbuffers.Builder):
    """A builder of FlatBuffers that writes equal vectors once."""

    def __init__(self) -> None:
        super().__init__()
        self._written: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: np.ndarray) -> int:
        """Return where a vector lies."""
        key = (x.dtype.str, x.tobytes())
        if key not in self._written:
            self._written[key] = super().CreateNumpyVector(x)
        return self._written[key]


def _member(name: str) -> zipfile.ZipInfo:
    # Of no date, so that the same network makes the same file.
    return zipfile.ZipInfo(name)
