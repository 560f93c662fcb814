"""What earlier runs of a reference kept: the memory of methods that learn from other tasks."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stamp_tf.data import DataSet, load_dataset
from stamp_tf.errors import StampError
from stamp_tf.references.fingerprint import fingerprint
from stamp_tf.references.reference import Reference
from stamp_tf.storage.records import read_record
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.storage.schemas import Masks

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PastRun:
    """A pruned run of the same reference.

    Args:
        path: Its folder.
        kept: Which channels it kept, bool `[C]`.
        class_names: Of its data set; empty in runs of before they were kept beside the masks.
        data: What loads its data set, as in its `config.json`.
    """

    path: Path
    kept: np.ndarray
    class_names: tuple[str, ...]
    data: Mapping[str, Any]

    def load_dataset(self, image_shape: tuple[int, int, int]) -> DataSet | None:
        """Return the data set that it was pruned for; None, with a warning, where it cannot be loaded.

        Args:
            image_shape: Height, width and depth.
        """
        names = ("data_dir", "train_size", "skip_corrupt", "seed")
        try:
            if self.data.get("spec") is None:
                raise StampError("it was made in Python")
            options = {name: self.data[name] for name in names if name in self.data}
            return load_dataset(self.data["spec"], image_shape=image_shape, **options)
        except StampError as error:
            logger.warning("Warning: passing %s over, whose data set cannot be loaded: %s", self.path, error)
            return None


def read_memory(folder: Path, reference: Reference) -> list[PastRun]:
    """Read the runs of a reference that lie in a folder, sorted by their names.

    Args:
        folder: A folder with run directories of `prune` in it; those of other references are passed over, and those
            that lost no channel, which would vote for all.
        reference: The reference.

    Raises:
        StampError: If it holds no run, or none of this reference that lost a channel.
    """
    runs = [RunDirectory(path) for path in sorted(folder.iterdir())] if folder.is_dir() else []
    runs = [run for run in runs if run.masks.exists() and run.model.exists()]
    if not runs:
        raise StampError(
            f"`options.memory` must be a folder that runs of prune lie in, but {folder} holds none; name another."
        )
    own, others, found = fingerprint(reference), set(), []
    for run in runs:
        masks = read_record(run.masks, Masks, remedy="take the run out of the memory")
        sizes = {group.name: group.size for group in reference.channel_map.groups}
        if masks.reference != own or masks.sizes != sizes:
            others.add(masks.reference or "one that they do not name")
            continue
        kept = _kept_of(run, masks, reference)
        if kept.all():
            continue
        config = run.read_pruned_config()
        data = config.get("data") or {"spec": config.get("dataset")}
        found.append(PastRun(path=run.path, kept=kept, class_names=masks.class_names, data=data))
    if not found and not others:
        raise StampError(
            f"`options.memory` must hold runs that lost channels, but none in {folder} did; prune other data sets "
            "first, or name another folder."
        )
    if not found:
        raise StampError(
            f"`options.memory` must hold runs of the reference that is pruned ({own}), but those in {folder} are of "
            f"{', '.join(sorted(others))}; prune other data sets from this one first, or name another folder."
        )
    return found


def _kept_of(run: RunDirectory, masks: Masks, reference: Reference) -> np.ndarray:
    """Return which channels a run kept, bool `[C]`.

    Raises:
        StampError: If its masks are not those of the reference, or keep none of a group.
    """
    channel_map = reference.channel_map
    try:
        mask = channel_map.mask_of(masks.kept)
    except (KeyError, TypeError, ValueError, IndexError):
        mask = None
    if mask is None or mask.emptied(channel_map.groups) is not None:
        raise StampError(
            f"{run.masks} must hold which channels of each group are kept, one at least, but does not; take the run "
            "out of the memory."
        )
    return mask.kept
