"""The mask of single weights of a run, in a file beside its network."""

from __future__ import annotations

from dataclasses import dataclass

from stamp_tf.errors import StampError
from stamp_tf.report.report import Report
from stamp_tf.storage.checkpoints import load_state, save_state
from stamp_tf.storage.records import check
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.weight_mask import WeightMask

_REMEDY = "bring back the files that belong together, or prune again"


@dataclass(frozen=True)
class _Description:
    shapes: dict[str, list[int]]


def write_weights(run: RunDirectory, weights: WeightMask | None) -> None:
    """Write the mask of a run, or take away one of before.

    Args:
        run: The run; the caller holds its folder.
        weights: Which weights stay; None where no weight of a channel that stays is gone.
    """
    if weights is None:
        run.weights.unlink(missing_ok=True)
        return
    arrays, shapes = weights.to_arrays()
    save_state(run.weights, arrays, {"shapes": shapes})


def read_weights(run: RunDirectory, report: Report) -> WeightMask | None:
    """Return the mask of a run; None where its method removed channels.

    Args:
        run: The run.
        report: Its report, which says whether there is one.

    Raises:
        StampError: If it is missing, damaged, or of another network.
    """
    if report.sparse is None:
        return None
    if not run.weights.exists():
        raise StampError(
            f"{run.path} must hold {run.weights.name}, because single weights of its network are 0; {_REMEDY}."
        )
    arrays, metadata = load_state(run.weights)
    shapes = check(metadata, _Description, source=run.weights, remedy=_REMEDY).shapes
    weights = WeightMask.of_arrays(arrays, shapes)
    if weights.num_kept != report.sparse.num_kept:
        raise StampError(
            f"{run.weights} must be of the network of {run.report_json.name}, of which {report.sparse.num_kept:,} "
            f"weights stay, but keeps {weights.num_kept:,}; {_REMEDY}."
        )
    return weights
