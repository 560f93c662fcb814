"""Read an ONNX file by ONNX Runtime; it needs the extra `onnx`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stamp_tf.export.marks import CHECKSUM, CHECKSUM_LENGTH, ONNX_CONTRACT, ONNX_ENDING, OUTPUT
from stamp_tf.export.streams import streams_in_log
from stamp_tf.serving.exported import Exported
from stamp_tf.serving.runtime import checked_size, import_runtime, opening, read_contract, warn_of_changes


def read_onnx(path: Path) -> Exported | None:
    """Return the network of a file that `export_onnx` wrote; None where no `.onnx` file lies.

    Args:
        path: The file.

    Raises:
        StampError: If it is damaged or somebody else's.
        MissingRuntime: If ONNX Runtime is not installed.
    """
    if path.suffix != ONNX_ENDING or not path.is_file():
        return None
    return network_of(path.read_bytes(), source=path)


def network_of(content: bytes, *, source: Path) -> Exported:
    """Return the network of an ONNX file that `export_onnx` wrote.

    Args:
        content: Its bytes.
        source: What it lies in.

    Raises:
        StampError: If it is damaged or somebody else's.
        MissingRuntime: If ONNX Runtime is not installed.
    """
    runtime = import_runtime("onnxruntime", extra="onnx", source=source)
    with opening(source, by="ONNX Runtime"), streams_in_log("ONNX Runtime"):
        session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
        said = session.get_modelmeta().custom_metadata_map
        (taken,) = session.get_inputs()
    contract = read_contract(said.get(ONNX_CONTRACT), source=source)
    warn_of_changes(content[:-CHECKSUM_LENGTH], wanted=said.get(CHECKSUM), source=source)

    def answer(images: np.ndarray) -> np.ndarray:
        with opening(source, by="ONNX Runtime"):
            return session.run([OUTPUT], {taken.name: images.astype(np.float32)})[0]

    return Exported(
        path=source,
        format=contract.format,
        image_shape=checked_size(taken.shape[1:], contract.input, source=source),
        class_names=contract.classes,
        answer=answer,
    )
