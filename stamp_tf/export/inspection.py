"""What of a network can be pruned, and what was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from stamp_tf.channels import ChannelMap, CostModel, trace_channels
from stamp_tf.errors import StampError
from stamp_tf.export.report import GroupRow, LayerRow
from stamp_tf.export.rows import group_rows, layer_rows
from stamp_tf.meta.reference import BackboneConfig, Reference, load_reference
from stamp_tf.runs import RunDirectory, read_json


@dataclass(frozen=True)
class Inspection:
    """A network's channels and costs.

    Args:
        name: What was looked at.
        groups: Channel groups with the channels that are kept, in the network's order.
        layers: Layers before and after; alike where nothing was pruned.
        kept_whole: Pairs (layer, reason) for what the tracer left alone.
        inexact: Pairs (layer, reason) where masking a channel and removing it differ.
    """

    name: str
    groups: tuple[GroupRow, ...]
    layers: tuple[LayerRow, ...]
    kept_whole: tuple[tuple[str, str], ...]
    inexact: tuple[tuple[str, str], ...]

    @property
    def is_pruned(self) -> bool:
        """Whether any channel is gone."""
        return any(len(group.kept) < group.size for group in self.groups)


def inspect(network: keras.Model | Reference | str | Path) -> Inspection:
    """Return the channel groups, the size and cost of every layer, and what is kept whole.

    Args:
        network: A functional model, a reference, or a run directory of `pretrain`, `meta-train` or `prune`.

    Raises:
        StampError: If it is none of them.

    Example:
        >>> for group in stamp_tf.inspect("runs/digits").groups:
        ...     print(group.name, group.size, len(group.kept))
    """
    if isinstance(network, keras.Model):
        channel_map = trace_channels(network)
        return _inspection(network.name, network, channel_map, np.ones(channel_map.num_channels))
    if isinstance(network, Reference):
        return inspect(network.model)
    run = RunDirectory(Path(network))
    if run.reference.exists():
        reference = load_reference(run.reference)
        mask = np.ones(reference.channel_map.num_channels)
        return _inspection(str(run.path), reference.model, reference.channel_map, mask)
    content = read_json(run.masks)
    try:
        model = BackboneConfig.from_config(content["backbone"]).build()
        channel_map = trace_channels(model)
        mask = channel_map.mask_of(content["kept"])
    except (KeyError, TypeError, ValueError, IndexError):
        raise StampError(
            f"{run.masks} must hold the masks of the network that it names, but does not; prune again."
        ) from None
    return _inspection(str(run.path), model, channel_map, mask)


def _inspection(name: str, model: keras.Model, channel_map: ChannelMap, mask: np.ndarray) -> Inspection:
    return Inspection(
        name,
        group_rows(channel_map, mask),
        layer_rows(CostModel(model, channel_map), mask),
        channel_map.kept_whole,
        channel_map.inexact,
    )
