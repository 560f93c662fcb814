"""What the three LiteRT exporters share: a `.tflite` file of TensorFlow's converter, with its class names inside."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tensorflow.lite.tools import flatbuffer_utils

from stamp_tf.data import Normalization
from stamp_tf.export.conversion import convert
from stamp_tf.export.file_contract import check_file, pixels_to_probabilities
from stamp_tf.export.staging import staged

ENDING = ".tflite"
CONTRACT, _LABELS = "contract.json", "labels.txt"


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
    check_file(path, ending=ENDING)
    contract["input"]["dtype"] = input_dtype
    # Without TensorFlow's own operations, which no runtime on a phone brings.
    options = {"target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}} | options
    with staged(path) as temporary:
        convert(network, temporary, to=format_name, of_keras="litert", **options)
        _drop_names(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(_member(_LABELS), "".join(f"{name}\n" for name in class_names))
            archive.writestr(_member(CONTRACT), json.dumps(contract, ensure_ascii=False, indent=2))
    return path


def _drop_names(file: Path) -> None:
    """Drop what tensors in between are called: no runtime reads it, and it is an eighth of a small file.

    Inputs and outputs go by the names of the signature.
    """
    model = flatbuffer_utils.read_model(str(file))
    for graph in model.subgraphs:
        ends = {*graph.inputs, *graph.outputs}
        for place, tensor in enumerate(graph.tensors):
            if place not in ends:
                tensor.name = None
    file.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _member(name: str) -> zipfile.ZipInfo:
    # Of no date, so that the same network makes the same file.
    return zipfile.ZipInfo(name)
