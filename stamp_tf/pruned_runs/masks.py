"""The masks of a pruned run, read without loading Keras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stamp_tf.errors import StampError
from stamp_tf.limits.kinds import KINDS, limits_in_words
from stamp_tf.quantities import percent
from stamp_tf.report.report import GroupRow
from stamp_tf.storage.records import check, read_json
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.storage.schemas import Masks


@dataclass(frozen=True, kw_only=True)
class RunMasks:
    """Which channels a run kept, and of which network.

    Args:
        run: Where it lies.
        label: What tables and pictures call it.
        config: The run's options.
        backbone: The full network, as `BackboneConfig.to_config` describes it.
        reference: Fingerprint of the reference that it was cut from; None where the run does not say.
        groups: Channel groups with the channels that were kept, in the network's order.
        class_names: Of its data set; empty in runs of before they were kept beside the masks.
    """

    run: RunDirectory
    label: str
    config: Mapping[str, Any]
    backbone: Mapping[str, Any]
    reference: str | None
    groups: tuple[GroupRow, ...]
    class_names: tuple[str, ...] = ()

    @property
    def dataset(self) -> str:
        """The data set that it was pruned for, by the name that loads it."""
        return str(self.config.get("data", {}).get("name") or self.config.get("dataset"))

    @property
    def method(self) -> str:
        """Name of the pruner."""
        return str(self.config.get("method"))

    @property
    def budget(self) -> str:
        """The limits on cost, or what they were found by, in words."""
        if (within := self.config.get("within")) is not None:
            return f"accuracy within {percent(within)}"
        return (
            ", ".join(f"{what} ≤ {limit}" for what, limit in limits_in_words(self.config).items()) or "none"
        )

    @property
    def size(self) -> int:
        """Number of channels of the full network."""
        return sum(group.size for group in self.groups)

    @property
    def num_kept(self) -> int:
        """Number of channels that were kept."""
        return sum(len(group.kept) for group in self.groups)

    @property
    def channels(self) -> tuple[object, ...]:
        """What two runs have in common where channel c of a group is the same place in both networks."""
        sizes = tuple((group.name, group.size) for group in self.groups)
        return self.backbone["name"], self.backbone["options"], sizes

    def network_in_words(self) -> str:
        """Return the full network's name, options and size, for messages."""
        options = "".join(f"{name} {value}, " for name, value in self.backbone["options"].items())
        return f"{self.backbone['name']} ({options}{self.size} channels in {len(self.groups)} layers)"

    def to_json(self) -> dict[str, Any]:
        """Return JSON content."""
        return {
            "label": self.label,
            "path": str(self.run.path),
            "dataset": self.dataset,
            "method": self.method,
            **{kind.name: self.config.get(kind.name) for kind in KINDS},
            "reference": self.reference,
            "channels": self.size,
            "kept_channels": self.num_kept,
            "groups": [
                {"name": group.name, "size": group.size, "kept": list(group.kept)} for group in self.groups
            ],
        }


def read_masks(run_dir: str | Path) -> RunMasks:
    """Read the masks that `export_run` wrote.

    Args:
        run_dir: The run's folder.

    Raises:
        StampError: If it holds no pruned network, or its masks are damaged.
    """
    run = RunDirectory(Path(run_dir))
    config = run.read_pruned_config()
    content = read_json(run.masks, Masks, remedy="prune again")
    masks = check(content, Masks, source=run.masks, remedy="prune again")
    try:
        groups = tuple(GroupRow(name, size, masks.kept.get(name, ())) for name, size in masks.sizes.items())
    except StampError as error:
        raise StampError(f"{run.masks} must hold masks of a network, but in it {error}") from None
    if not groups or not all(group.kept for group in groups):
        raise StampError(
            f"{run.masks} must hold the kept channels of every layer, but does not; prune again."
        )
    return RunMasks(
        run=run,
        label=run.path.resolve().name,
        config=config,
        backbone=content["backbone"],
        reference=masks.reference,
        groups=groups,
        class_names=masks.class_names,
    )
