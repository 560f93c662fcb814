"""States on disk: named arrays and a description, in one file that is whole or absent."""

from __future__ import annotations

import io
import logging
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from stamp_tf.errors import StampError
from stamp_tf.storage.archives import UNREADABLE, array_names, read_array
from stamp_tf.storage.files import write_bytes_atomic
from stamp_tf.storage.records import check, decode, encode
from stamp_tf.storage.run_directory import FURTHER_TRAINING
from stamp_tf.storage.writing import writing

if TYPE_CHECKING:
    import keras

_METADATA = "metadata"
_FORMAT = "stamp-tf-1"
_NUM_KEPT = 2
logger = logging.getLogger(__name__)


class _Step(msgspec.Struct):
    """What the description of a run's state says at least."""

    step: Annotated[int, msgspec.Meta(ge=0)]


def save_state(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> None:
    """Write arrays and their description into one `.npz` file, atomically and without pickle.

    Args:
        path: The file; its folder is made.
        arrays: Values by name.
        metadata: JSON content that says what the arrays are.
    """
    description = encode({"format": _FORMAT, **metadata})
    buffer = io.BytesIO()
    content: dict[str, Any] = {_METADATA: np.frombuffer(description, np.uint8), **arrays}
    np.savez(buffer, **content)
    with writing(path):
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
    damaged = StampError(
        f"A checkpoint must be a complete file that stamp-tf wrote, but {path} is truncated or something else; "
        "use another one."
    )
    try:
        if path.exists() and not path.is_file():
            raise damaged
        with zipfile.ZipFile(path) as file:
            names = [name for name in array_names(file) if name != _METADATA] if wanted is None else wanted
            arrays = {name: read_array(file, name) for name in names}
            description = read_array(file, _METADATA).tobytes()
    except FileNotFoundError:
        raise StampError(
            f"A checkpoint must exist, but there is no {path}; check `reference` or the run."
        ) from None
    except UNREADABLE:
        raise damaged from None
    try:
        metadata = decode(description, object, source=path, remedy="make it anew")
    except StampError:
        raise damaged from None
    if not isinstance(metadata, dict) or metadata.pop("format", None) != _FORMAT:
        raise StampError(f"A checkpoint must be of the format {_FORMAT}, but {path} is not; make it anew.")
    return arrays, metadata


def save_step(
    folder: Path, step: int, *, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]
) -> None:
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


def drop_steps(folder: Path) -> None:
    """Remove the states of a training that another one takes the place of.

    Args:
        folder: The run's checkpoints; it need not exist.
    """
    for old in folder.glob("step-*.npz"):
        old.unlink()


def load_last_step(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """Return the last saved state, or None if there is none yet.

    Files are written whole, so that a damaged one was changed afterwards. The one before it then takes its place,
    with a warning: what was learnt since is learnt again. All but the last two go, as `save_step` would have it.

    Raises:
        StampError: If no state can be read.
    """
    files = sorted(folder.glob("step-*.npz"), reverse=True)
    for index, path in enumerate(files):
        try:
            arrays, metadata = load_state(path)
            check(metadata, _Step, source=path, remedy="start anew with `overwrite=True`")
        except StampError:
            if index + 1 == len(files):
                is_finetune = folder.parent.name == FURTHER_TRAINING
                remedy = "finetune again without it" if is_finetune else "start anew with `overwrite=True`"
                raise StampError(
                    f"`resume=True` needs a complete state, but {path} is truncated or something else; {remedy}."
                ) from None
            logger.warning(
                "Warning: %s is damaged; going on from the state before it, %s.", path, files[index + 1].name
            )
            continue
        if index == 0:
            # A kill between saving a state and dropping the oldest leaves one too many.
            for old in files[_NUM_KEPT:]:
                old.unlink()
        return arrays, metadata
    return None


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
                f"{tuple(variable.shape)}, but it does not; start anew with `overwrite=True`."
            )
        variable.assign(value)
