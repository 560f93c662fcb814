"""The error for a data set that nobody knows."""

from collections.abc import Iterable
from pathlib import Path

from stamp_tf.errors import StampError

GROUP = "stamp_tf.datasets"


def unknown_dataset(spec: str, *, downloadable: Iterable[str]) -> StampError:
    """Return an error that says what would have been a data set, and which one was probably meant.

    Args:
        spec: The name that the user gave.
        downloadable: Names of TensorFlow Datasets.
    """
    from stamp_registry import did_you_mean, names

    path = Path(spec).expanduser()
    if path.exists():
        kind = "folder" if path.is_dir() else "npz"
        return StampError(f"`dataset` must be a name, but {spec} is a path; write {kind}:{spec}.")
    registered = names(GROUP)
    base = spec.partition(":")[0].partition("/")[0]
    return StampError(
        f"`dataset` must be one of {', '.join(registered)} or a name of TensorFlow Datasets, but is "
        f"'{spec}'; check the name.{did_you_mean(base, (*registered, *downloadable))}"
    )
