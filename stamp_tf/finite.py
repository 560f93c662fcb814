"""Which of many values are no finite numbers, said in one line."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from stamp_tf.errors import NotFiniteError

# Whole numbers, truth values, text and objects are never NaN; all else, bfloat16 among it, may be.
_ALWAYS_FINITE = "biuSUOmM"


def weight_values(model: keras.Model | keras.Layer) -> dict[str, np.ndarray]:
    """Return every weight of a model by path."""
    return {variable.path: keras.ops.convert_to_numpy(variable) for variable in model.variables}


def not_finite(arrays: Mapping[str, np.ndarray]) -> str:
    """Say which array is the first with values that are NaN or infinite, how many, and how many arrays follow.

    A variance below 0 counts as well: batch normalisation takes its root.

    Args:
        arrays: Values by name.

    Returns:
        Words such as `conv1/kernel holds 3 of 432 values that are NaN or infinite`; empty where all are finite.
    """
    found = [words for name, values in arrays.items() if (words := _words(name, np.asarray(values)))]
    if not found:
        return ""
    more = f", and so do {len(found) - 1} more" if len(found) > 1 else ""
    return found[0] + more


def require_finite(arrays: Mapping[str, np.ndarray], *, subject: str, remedy: str) -> None:
    """Refuse values that are not finite.

    Args:
        arrays: Values by name.
        subject: Whose they are, as a message begins.
        remedy: What to do, as a message ends.

    Raises:
        NotFiniteError: If one is NaN or infinite; it names the first array.
    """
    if words := not_finite(arrays):
        raise NotFiniteError(f"{subject} must be finite, but {words}; {remedy}.")


def _words(name: str, values: np.ndarray) -> str:
    if values.dtype.kind in _ALWAYS_FINITE:
        return ""
    if bad := int(values.size - np.count_nonzero(np.isfinite(values))):
        return f"{name} holds {bad} of {values.size} values that are NaN or infinite"
    if name.endswith("moving_variance") and (bad := int(np.count_nonzero(values < 0))):
        return f"{name} holds {bad} of {values.size} variances below 0"
    return ""
