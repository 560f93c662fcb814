"""Make a reference file of the pieces that a training sent back.

python benchmarks/gpu/assemble.py PIECES reference.npz
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pieces import load_pieces

from stamp_tf.references.reference_file import reference_from, save_reference


def main(arguments: Sequence[str]) -> None:
    """Read the pieces and write one file, kernels in half precision."""
    folder, target = (Path(argument) for argument in arguments)
    arrays, metadata = load_pieces(folder)
    kept = ("options", "before", "device", "test_accuracy", "seconds")
    description = {"dataset": metadata["options"]["data"], **{key: metadata.get(key) for key in kept}}
    content = {
        "backbone": metadata["backbone"],
        "normalization": metadata["normalization"],
        "set_encoder": None,
        "mask_generator": None,
        "description": description,
    }
    save_reference(reference_from(arrays, content, path=folder), target, half_precision=True)
    print(f"{target}: {target.stat().st_size / 2**20:.1f} MiB, {metadata.get('test_accuracy')}")


if __name__ == "__main__":
    main(sys.argv[1:])
