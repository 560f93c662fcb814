"""A reference in files of at most 16 MiB, kernels in half precision, to be sent home."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

PIECE_BYTES = 15 * 2**20
_METADATA = "metadata.json"


def save_pieces(folder: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> list[Path]:
    """Write arrays and their description; a reader meets the old pieces or the new ones, never a mixture.

    Args:
        folder: Where to; it is made.
        arrays: Values by name; those of two and more dimensions are kept in float16, all else as it is.
        metadata: JSON content.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generation = 1 + json.loads((folder / _METADATA).read_text())["generation"] if _exists(folder) else 0
    groups: list[dict[str, np.ndarray]] = [{}]
    size = 0
    for name, value in arrays.items():
        value = np.asarray(value)
        value = value.astype("float16") if value.ndim > 1 and value.dtype.kind == "f" else value
        for index, part in enumerate(_parts(value)):
            if size + part.nbytes > PIECE_BYTES and groups[-1]:
                groups.append({})
                size = 0
            groups[-1][f"{name}#{index}"] = part
            size += part.nbytes
    old = sorted(folder.glob("piece-*.npz"))
    files = []
    for number, group in enumerate(groups):
        path = folder / f"piece-{generation % 2}-{number}.npz"
        np.savez(path.with_suffix(".tmp.npz"), **group)
        os.replace(path.with_suffix(".tmp.npz"), path)
        files.append(path)
    content = {**metadata, "generation": generation, "pieces": [path.name for path in files]}
    temporary = folder / f".{_METADATA}.tmp"
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(temporary, folder / _METADATA)
    for path in old:
        if path not in files:
            path.unlink()
    return [*files, folder / _METADATA]


def load_pieces(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `save_pieces` wrote, in float32 where it was a kernel.

    Args:
        folder: Where it lies.
    """
    metadata = json.loads((folder / _METADATA).read_text())
    parts: dict[str, dict[int, np.ndarray]] = {}
    for name in metadata["pieces"]:
        with np.load(folder / name, allow_pickle=False) as file:
            for key in file.files:
                base, _, index = key.rpartition("#")
                parts.setdefault(base, {})[int(index)] = file[key]
    arrays = {}
    for base, found in parts.items():
        value = np.concatenate([found[index] for index in sorted(found)]) if len(found) > 1 else found[0]
        arrays[base] = value.astype("float32") if value.dtype == np.float16 else value
    return arrays, metadata


def _exists(folder: Path) -> bool:
    return (folder / _METADATA).exists()


def _parts(value: np.ndarray) -> list[np.ndarray]:
    """Cut an array that is too large for one piece along its first axis that is long enough."""
    count = -(-value.nbytes // PIECE_BYTES)
    if count <= 1:
        return [value]
    # A kernel's first axes are its taps; nine of them are enough for every network here.
    return [part for part in np.array_split(value, min(count, len(value))) if part.size]
