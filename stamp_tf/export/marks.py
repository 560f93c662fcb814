"""What exporters leave in the files that other runtimes read, by which readers know them; imports nothing heavy."""

from __future__ import annotations

import hashlib

INPUT, OUTPUT = "image", "probabilities"
"""What the input and the output of every file are called."""
LITERT_ENDING, ONNX_ENDING, DEMO_ENDING = ".tflite", ".onnx", ".html"
CONTRACT = "contract.json"
"""How a network is called: within LiteRT's archive, and beside OpenVINO's files."""
ONNX_CONTRACT = "contract"
"""The same in the metadata of ONNX."""
OPENVINO_NETWORK, OPENVINO_WEIGHTS = "network.xml", "network.bin"
CHECKSUM = "sha256"
"""What a checksum is called, in a contract and in the metadata of ONNX."""
CHECKSUM_LENGTH = 64
"""Letters of one."""


def checksum(*parts: bytes) -> str:
    """Return the SHA-256 of bytes in turn, as hexadecimal letters.

    Args:
        parts: What a runtime computes from.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
