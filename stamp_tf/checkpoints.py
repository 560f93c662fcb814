"""States on disk: named arrays and a description, in one file that is whole or absent."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stamp_tf.errors import StampError
from stamp_tf.runs import write_bytes_atomic

if TYPE_CHECKING:
    import keras

_METADATA = "metadata"
_FORMAT = "stamp-tf-1"
_NUM_KEPT = 2
# What numpy and zipfile raise for bytes that are no archive of arrays.
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,
    zipfile.BadZipFile,
)


def save_state(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> None:
    """Write arrays and their description into one `.npz` file, atomically and without pickle.

    Args:
        path: The file; its folder is made.
        arrays: Values by name.
        metadata: JSON content that says what the arrays are.
    """
    description = json.dumps({"format": _FORMAT, **metadata}).encode()
    buffer = io.BytesIO()
    content: dict[str, Any] = {_METADATA: np.frombuffer(description, np.uint8), **arrays}
    np.savez(buffer, **content)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes_atomic(path, buffer.getvalue())


def load_state(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a file that `save_state` wrote.

    Args:
        path: The file.

    Returns:
        The arrays by name, and the description.

    Raises:
        StampError: If the file is missing, truncated, or not one of ours.
    """
    return _read(path, None)


def load_metadata(path: Path) -> dict[str, Any]:
    """Read the description alone from a file that `save_state` wrote.

    Args:
        path: The file.

    Raises:
        StampError: If the file is missing, truncated, or not one of ours.
    """
    return _read(path, ())[1]


def _read(path: Path, wanted: Iterable[str] | None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the wanted arrays, all for None, and the description."""
    try:
        # An open file, because numpy does not close what it fails to read.
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            names = [name for name in file.files if name != _METADATA] if wanted is None else wanted
            arrays = {name: file[name] for name in names}
            metadata = json.loads(file[_METADATA].tobytes())
    except FileNotFoundError:
        raise StampError(
            f"A checkpoint must exist, but there is no {path}; check --from or the run."
        ) from None
    except _UNREADABLE:
        raise StampError(
            f"A checkpoint must be a complete file that stamp-tf wrote, but {path} is truncated or something else; "
            "use another one."
        ) from None
    if not isinstance(metadata, dict) or metadata.pop("format", None) != _FORMAT:
        raise StampError(f"A checkpoint must be of the format {_FORMAT}, but {path} is not; make it anew.")
    return arrays, metadata


def save_step(folder: Path, step: int, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> None:
    """Save the state after a step and drop all but the last two.

    Args:
        folder: The run's checkpoints.
        step: Number of steps done.
        arrays: Values by name.
        metadata: JSON content; `step` is added.
    """
    save_state(folder / f"step-{step:08d}.npz", arrays, {**metadata, "step": step})
    for old in sorted(folder.glob("step-*.npz"))[:-_NUM_KEPT]:
        old.unlink()


def load_last_step(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """Return the last saved state, or None if there is none yet.

    Raises:
        StampError: If the newest file is damaged; files are written whole, so it was changed afterwards.
    """
    files = sorted(folder.glob("step-*.npz"))
    return load_state(files[-1]) if files else None


def optimizer_arrays(prefix: str, optimizer: keras.optimizers.Optimizer) -> dict[str, np.ndarray]:
    """Return the state of an optimizer by number."""
    return {f"{prefix}/{index}": np.asarray(value) for index, value in enumerate(optimizer.variables)}


def assign_optimizer(
    prefix: str, optimizer: keras.optimizers.Optimizer, arrays: Mapping[str, np.ndarray]
) -> None:
    """Undo `optimizer_arrays`.

    Raises:
        StampError: If the arrays are of another optimizer.
    """
    for index, variable in enumerate(optimizer.variables):
        value = arrays.get(f"{prefix}/{index}")
        if value is None or value.shape != tuple(variable.shape):
            raise StampError(
                f"A state to resume from must hold the optimizer's {prefix}/{index} of shape "
                f"{tuple(variable.shape)}, but it does not; start anew with --overwrite."
            )
        variable.assign(value)
