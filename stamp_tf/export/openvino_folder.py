"""OpenVINO's own format, for Intel's processors; it needs the extra `openvino`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras
import openvino

from stamp_tf.data import Normalization
from stamp_tf.errors import StampError
from stamp_tf.export.conversion import convert, converting
from stamp_tf.export.file_contract import pixels_to_probabilities
from stamp_tf.export.marks import CHECKSUM, CONTRACT, OPENVINO_NETWORK, OPENVINO_WEIGHTS, checksum
from stamp_tf.export.staging import staged

_CLASSES = "class_names.json"


def export_openvino(
    model: keras.Model,
    path: Path,
    *,
    class_names: Sequence[str],
    normalization: Normalization,
    input_name: str = "image",
) -> Path:
    """Write a folder of OpenVINO: `image` float32 `[batch, H, W, D]`, pixels 0 to 255, to `probabilities`.

    It holds `network.xml`, `network.bin`, `class_names.json`, a JSON list, and `contract.json`. Weights are float32.
    Processors with arithmetic of 16 bits compute in it where OpenVINO is not told otherwise, by
    `INFERENCE_PRECISION_HINT`; that moves probabilities by up to 0.01.

    Args:
        model: From normalised images [B, H, W, D] to logits, or to what your own model ended in.
        path: The folder to write; an earlier export there is replaced.
        class_names: One name per class.
        normalization: How the model's input was normalised in training.
        input_name: Of the input.

    Returns:
        The folder.

    Raises:
        StampError: If the parts do not fit, OpenVINO lacks an operation, or the folder cannot be written.
    """
    path = Path(path)
    network, contract = pixels_to_probabilities(
        model,
        class_names=class_names,
        normalization=normalization,
        format_name="openvino",
        input_name=input_name,
    )
    if path.exists() and not _is_ours(path):
        raise StampError(
            f"`export:path` must be new, empty or an earlier export of OpenVINO, but {path} holds something else; "
            "choose another, or move that away."
        )
    with staged(path) as folder:
        folder.mkdir()
        # Its own reader of SavedModels: the converter that Keras calls reports each use to its makers.
        with tempfile.TemporaryDirectory() as between:
            convert(network, Path(between), to="openvino", of_keras="tf_saved_model")
            with converting(network, to="openvino"):
                written = openvino.Core().read_model(between)
                openvino.save_model(written, folder / OPENVINO_NETWORK, compress_to_fp16=False)
        files = (folder / OPENVINO_NETWORK, folder / OPENVINO_WEIGHTS)
        contract[CHECKSUM] = checksum(*(file.read_bytes() for file in files))
        for name, content in ((_CLASSES, list(class_names)), (CONTRACT, contract)):
            (folder / name).write_text(f"{json.dumps(content, ensure_ascii=False, indent=2)}\n", "utf-8")
    return path


def _is_ours(path: Path) -> bool:
    """Return whether a folder holds an earlier export and nothing else."""
    ours = {OPENVINO_NETWORK, OPENVINO_WEIGHTS, _CLASSES, CONTRACT}
    if not path.is_dir() or any(entry.name not in ours for entry in path.iterdir()):
        return False
    return not any(path.iterdir()) or all((path / name).is_file() for name in ours)
