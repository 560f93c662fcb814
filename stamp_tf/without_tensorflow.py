"""What to say where TensorFlow is needed and not installed."""

import os
import sys
from importlib.util import find_spec

from stamp_tf.errors import StampError

_PACKAGES = frozenset({"tensorflow", "tensorflow_datasets"})


def is_missing_tensorflow(error: ImportError) -> bool:
    """Whether an import failed because TensorFlow is not installed.

    Args:
        error: What the import raised.
    """
    return (error.name or "").partition(".")[0] in _PACKAGES


def is_installed(package: str) -> bool:
    """Whether a package can be imported, without importing it."""
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):  # it was taken out of this process
        return False


def missing_tensorflow(what: str) -> StampError:
    """Return the error that says what needs TensorFlow and how to get on.

    Args:
        what: What was asked for.
    """
    # Keras that is not loaded has failed to, for want of the backend that it takes if none is chosen.
    can_choose = "keras" not in sys.modules and os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow"
    choice = ", or set KERAS_BACKEND=jax" if can_choose else ""
    return StampError(
        f"{what} needs TensorFlow, which is not installed; install it with pip install tensorflow{choice}."
    )
