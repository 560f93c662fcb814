"""The values of a layer or model by path, as a file holds them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from stamp_tf.errors import StampError


def layer_arrays(prefix: str, layer: keras.Layer) -> dict[str, np.ndarray]:
    """Return a layer's or model's values by path, the states of random generators included."""
    return {f"{prefix}/{variable.path}": keras.ops.convert_to_numpy(variable) for variable in layer.variables}


def assign_arrays(prefix: str, layer: keras.Layer, arrays: Mapping[str, np.ndarray], *, path: Path) -> None:
    """Set a layer's values by path. Where the state of a random generator is missing, it stays as it is.

    Raises:
        StampError: If a weight is missing or one is of another shape.
    """
    for variable in layer.variables:
        value = arrays.get(f"{prefix}/{variable.path}")
        if value is None and variable.path.endswith("seed_generator_state"):
            continue
        if value is None or value.shape != tuple(variable.shape):
            found = "nothing" if value is None else f"shape {value.shape}"
            raise StampError(
                f"A checkpoint must be of the same backbone, width and input: {variable.path} must have shape "
                f"{tuple(variable.shape)}, but {path} has {found}; check `backbone`, `width` and `reference`."
            )
        variable.assign(value)
