"""An ONNX file, for ONNX Runtime on servers and in browsers; it needs the extra `onnx`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import keras
import onnx
import tf2onnx  # noqa: F401  Keras imports it late, and whether it is there has to be known before.

from stamp_tf.data import Normalization
from stamp_tf.export.conversion import cannot_express, convert
from stamp_tf.export.file_contract import check_file, pixels_to_probabilities
from stamp_tf.export.marks import CHECKSUM, CHECKSUM_LENGTH, ONNX_CONTRACT, ONNX_ENDING, checksum
from stamp_tf.export.staging import staged

_CLASSES = "class_names"


def export_onnx(
    model: keras.Model,
    path: Path,
    *,
    class_names: Sequence[str],
    normalization: Normalization,
    input_name: str = "image",
) -> Path:
    """Write an ONNX file: `image` float32 `[batch, H, W, D]`, pixels 0 to 255, to `probabilities`.

    Its metadata hold `class_names`, a JSON list, `contract`, a JSON object, and a checksum.

    Args:
        model: From normalised images [B, H, W, D] to logits, or to what your own model ended in.
        path: The file to write; it ends in `.onnx`.
        class_names: One name per class.
        normalization: How the model's input was normalised in training.
        input_name: Of the input.

    Returns:
        The file.

    Raises:
        StampError: If the parts do not fit, ONNX lacks an operation, or the file cannot be written.
    """
    path = Path(path)
    network, contract = pixels_to_probabilities(
        model,
        class_names=class_names,
        normalization=normalization,
        format_name="onnx",
        input_name=input_name,
    )
    check_file(path, ending=ONNX_ENDING)
    with staged(path) as temporary:
        convert(network, temporary, to="onnx", of_keras="onnx")
        written = onnx.load(temporary)
        # What the converter has no word for, it leaves as TensorFlow calls it.
        foreign = {
            node.op_type for node in written.graph.node if not onnx.defs.has(node.op_type, node.domain)
        }
        if foreign:
            raise cannot_express(network, sorted(foreign), to="onnx")
        for tensor in (*written.graph.input, *written.graph.output):
            tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
        # The shapes in between name an axis that is called otherwise now, and every reader infers them.
        del written.graph.value_info[:]
        onnx.helper.set_model_props(
            written,
            {
                _CLASSES: json.dumps(list(class_names), ensure_ascii=False),
                ONNX_CONTRACT: json.dumps(contract, ensure_ascii=False),
            },
        )
        temporary.write_bytes(_with_checksum(written.SerializeToString()))
    return path


def _with_checksum(content: bytes) -> bytes:
    """Return a file that ends in the checksum of all bytes before it, which is one more entry of its metadata."""
    entry = onnx.ModelProto()
    # Of two messages in a row, readers of protocol buffers join the lists.
    onnx.helper.set_model_props(entry, {CHECKSUM: "0" * CHECKSUM_LENGTH})
    before = content + entry.SerializeToString()[:-CHECKSUM_LENGTH]
    return before + checksum(before).encode()
