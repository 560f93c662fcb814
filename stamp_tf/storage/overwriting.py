"""Throwing a run away: what a run of ours wrote goes, file by file; what else lies in its folder stays."""

import logging
from pathlib import Path

from stamp_tf.storage.card import is_users
from stamp_tf.storage.files import is_leftover, remove_if_empty
from stamp_tf.storage.locks import LOCK
from stamp_tf.storage.run_directory import RunDirectory

logger = logging.getLogger(__name__)

_MOST_NAMED = 3


def clear(run: RunDirectory) -> None:
    """Remove what a run wrote, file by file, all but its `config.json`; what else there is stays.

    What says that a run is finished goes first, so that a kill in between leaves a run that is not.
    """
    exported = run.read_exports().files
    card = () if is_users(run.card) else (run.card,)
    for path in (
        *(run.report_json, run.reference, run.masks, run.weights, run.model, run.report_html, run.metrics),
        *card,
        *run.checkpoints.glob("step-*.npz"),
        *run.checkpoints.glob("mask.npz"),
        *run.full_network.glob("step-*.npz"),
        *run.full_network.glob("figures.json"),
        *run.tensorboard.glob("events.out.tfevents.*"),
        *_saved_model_files(run.saved_model),
        *(run.path / name for name in exported),
        *(run.exports, run.options),
    ):
        if path.is_file() or path.is_symlink():
            path.unlink()
    for nested in (run.further_training, run.finished_training):
        if nested.path.is_dir():
            clear(nested)
            nested.config.unlink(missing_ok=True)
    folders = {(run.path / name).parent for name in exported} - {run.path}
    for folder in (
        *sorted(folders, reverse=True),
        *(run.saved_model / name for name in ("variables", "assets", "assets.extra")),
        *(run.saved_model, run.full_network, run.checkpoints, run.tensorboard),
        *(run.further_training.path, run.finished_training.path),
    ):
        remove_if_empty(folder)
    if left := sorted(contents(run.path) - {run.config.name}):
        more = f" and {len(left) - _MOST_NAMED} more" if len(left) > _MOST_NAMED else ""
        logger.info("Left in %s, as no run wrote it: %s%s.", run.path, ", ".join(left[:_MOST_NAMED]), more)


def in_the_way(run: RunDirectory) -> Path | None:
    """Return what no run wrote, so that it stays, but stands where one will write; None if nothing does.

    Args:
        run: A folder that a run wrote.
    """
    for path in (
        run.report_json,
        run.report_html,
        run.reference,
        run.masks,
        run.weights,
        run.model,
        run.metrics,
        run.options,
    ):
        if path.is_dir() and not path.is_symlink():
            return path
    return foreign_file(run.saved_model)


def foreign_file(folder: Path) -> Path | None:
    """Return a file within a SavedModel's folder that is none of those that we write there; None if all are."""
    ours = _saved_model_files(folder)
    return next((path for path in sorted(folder.rglob("*")) if not path.is_dir() and path not in ours), None)


def _saved_model_files(folder: Path) -> list[Path]:
    """Return what TensorFlow writes into a SavedModel, and what is ours in it."""
    return [
        *(folder / name for name in ("saved_model.pb", "fingerprint.pb")),
        *(folder / "assets.extra" / name for name in ("class_names.json", "contract.json")),
        *folder.glob("variables/variables.*"),
    ]


def contents(folder: Path) -> set[str]:
    """Return the names in a folder, without those of a lock and of what a killed process left half-built."""
    return {entry.name for entry in folder.iterdir() if entry.name != LOCK and not is_leftover(entry.name)}
