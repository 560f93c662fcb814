"""A page that runs the network in a browser, on a picture that is dropped into it; it needs the extra `onnx`."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras

from stamp_tf.data import Normalization
from stamp_tf.export.file_contract import check_file, pixels_to_probabilities
from stamp_tf.export.marks import DEMO_ENDING
from stamp_tf.export.onnx_file import export_onnx
from stamp_tf.export.staging import staged
from stamp_tf.report.template import render

_RUNTIME = {"code": "ort.wasm.bundle.min.mjs", "runtime": "ort-wasm-simd-threaded.wasm.gz"}


def export_demo(
    model: keras.Model,
    path: Path,
    *,
    class_names: Sequence[str],
    normalization: Normalization,
    input_name: str = "image",
) -> Path:
    """Write one HTML page that needs nothing else: the network as an ONNX file, and ONNX Runtime for browsers.

    A picture is turned upright, resized and converted there as in training; no picture leaves the computer.

    Args:
        model: From normalised images [B, H, W, D] to logits, or to what your own model ended in.
        path: The file to write; it ends in `.html`.
        class_names: One name per class.
        normalization: How the model's input was normalised in training.
        input_name: Of the network's input.

    Returns:
        The file.

    Raises:
        StampError: If the parts do not fit, ONNX lacks an operation, or the file cannot be written.
    """
    path = Path(path)
    named: dict[str, Any] = {
        "class_names": class_names,
        "normalization": normalization,
        "input_name": input_name,
    }
    _, contract = pixels_to_probabilities(model, format_name="demo", **named)
    check_file(path, ending=DEMO_ENDING)
    packed = {
        part: files("stamp_tf.export").joinpath("onnxruntime_web", name).read_bytes()
        for part, name in _RUNTIME.items()
    }
    with TemporaryDirectory() as folder:
        packed["network"] = export_onnx(model, Path(folder) / "model.onnx", **named).read_bytes()
    parts = {part: base64.b64encode(content).decode() for part, content in packed.items()}
    page = render("demo.html", name=model.name, contract=contract, **parts)
    with staged(path) as temporary:
        temporary.write_bytes(page.encode())
    return path
