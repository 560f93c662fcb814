"""Read a folder of OpenVINO; it needs the extra `openvino`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stamp_tf.export.marks import CONTRACT, OPENVINO_NETWORK, OPENVINO_WEIGHTS, OUTPUT
from stamp_tf.serving.exported import Exported
from stamp_tf.serving.runtime import checked_size, import_runtime, opening, read_contract, warn_of_changes

# As exact as every other runtime, where the processor offers arithmetic of 16 bits.
_EXACTLY = {"INFERENCE_PRECISION_HINT": "f32"}


def read_openvino(path: Path) -> Exported | None:
    """Return the network of a folder that `export_openvino` wrote; None where no `network.xml` lies in one.

    Args:
        path: The folder.

    Raises:
        StampError: If it is damaged or somebody else's.
        MissingRuntime: If OpenVINO is not installed.
    """
    if not (path / OPENVINO_NETWORK).is_file():
        return None
    beside = path / CONTRACT
    contract = read_contract(beside.read_bytes() if beside.is_file() else None, source=path)
    runtime = import_runtime("openvino", extra="openvino", source=path)
    with opening(path, by="OpenVINO"):
        network = runtime.Core().compile_model(path / OPENVINO_NETWORK, "CPU", _EXACTLY)
        taken = [side.get_length() for side in list(network.input(0).partial_shape)[1:]]
        parts = ((path / name).read_bytes() for name in (OPENVINO_NETWORK, OPENVINO_WEIGHTS))
        warn_of_changes(*parts, wanted=contract.sha256, source=path)

    def answer(images: np.ndarray) -> np.ndarray:
        with opening(path, by="OpenVINO"):
            return network(images.astype(np.float32))[OUTPUT]

    return Exported(
        path=path,
        format=contract.format,
        image_shape=checked_size(taken, contract.input, source=path),
        class_names=contract.classes,
        answer=answer,
    )
