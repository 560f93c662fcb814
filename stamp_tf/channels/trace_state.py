"""What is known of the channels while a graph is walked, and what follows from it at the end."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from stamp_tf.channels.graph import calls_of
from stamp_tf.channels.groups import (
    KEPT,
    ChannelGroup,
    ChannelMap,
    ChannelProbe,
    KeptWhole,
    LayerOption,
    OutputAxis,
    Role,
    WeightAxis,
)

OUTPUT = "it makes the model's output"
READ = -1


@dataclass(kw_only=True)
class Trace:
    """What is known of the channels while the graph is walked.

    Channels are numbers that may turn out to be the same one (an addition ties its inputs) or to be locked. What
    was said is collected, and resolved at the end.

    Args:
        ambiguous: Paths that several weights share.
    """

    ambiguous: frozenset[str] = frozenset()
    size: int = 0
    ids: dict[int, np.ndarray] = field(default_factory=dict)
    axes: dict[tuple[str, int], tuple[np.ndarray, Role, str]] = field(default_factory=dict)
    ties: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    parts: list[np.ndarray] = field(default_factory=list)
    locks: list[tuple[np.ndarray, str, str]] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    pins: list[tuple[str, str, str]] = field(default_factory=list)
    outputs: list[tuple[str, int, int, np.ndarray]] = field(default_factory=list)
    # By the `id` of the layer: it may be called under two paths.
    options: dict[tuple[int, str, tuple[int, ...]], tuple[str, np.ndarray]] = field(default_factory=dict)
    option_pins: list[tuple[int, str, str]] = field(default_factory=list)
    # Why layers cannot be rebuilt, by their `id`, so that each is tried once.
    obstacles: dict[int, str | None] = field(default_factory=dict)
    # What happened to channels, in order: they were seen at an output, or a kernel read them (READ).
    sights: list[tuple[np.ndarray, int]] = field(default_factory=list)

    def mark(self) -> tuple[int, ...]:
        """Return how much has been said so far, for `take_back`."""
        return tuple(len(said) for said in self._said)

    def take_back(self, mark: tuple[int, ...]) -> None:
        """Forget what was said since a mark; numbers that were given out since are never used again."""
        for said, length in zip(self._said, mark, strict=True):
            while len(said) > length:
                if isinstance(said, dict):
                    said.popitem()  # The last one that entered: nothing is ever replaced, but for `ids`.
                else:
                    said.pop()

    @property
    def _said(self) -> tuple[dict[Any, Any] | list[Any], ...]:
        lists = (self.ties, self.parts, self.locks, self.pins, self.option_pins, self.outputs, self.sights)
        return (self.ids, self.axes, self.notes, self.options, *lists)

    def new_channels(self, size: int) -> np.ndarray:
        """Return fresh channel numbers, `[size]`."""
        start, self.size = self.size, self.size + size
        return np.arange(start, self.size)

    def checked(self, channels: Any) -> np.ndarray:
        """Return channels as a row of numbers that were given out; a rule may have made some up."""
        row = np.asarray(channels)
        if row.ndim != 1 or (row.size and not np.issubdtype(row.dtype, np.integer)):
            raise ValueError(
                f"Channels must be one row of numbers, but are {row.dtype} of shape {row.shape}."
            )
        if row.size and not (row.min() >= 0 and row.max() < self.size):
            raise ValueError(
                "Channels must come from inputs or from make, but some of these were never given out."
            )
        return row.astype(int)

    def made_by(self, weight: keras.Variable, axis: int) -> np.ndarray:
        """Return the channels along an axis of a weight: those it had before, or fresh ones."""
        known = self.axes.get((weight.path, axis % len(weight.shape)))
        return self.new_channels(weight.shape[axis]) if known is None else known[0]

    def tie(self, first: np.ndarray, second: np.ndarray) -> None:
        """Make two rows of channels one, element by element."""
        if first.shape != second.shape:
            raise ValueError(f"Channels to tie must be as many, but are {len(first)} and {len(second)}.")
        self.ties.append((first, second))

    def lock(self, channels: np.ndarray, layer: str, reason: str) -> None:
        """Forbid the removal of these channels, for what a layer does."""
        self.locks.append((channels, layer, reason))

    def pin(self, path: str, layer: str, reason: str) -> None:
        """Forbid that a weight loses slices, whatever another call of its layer has said of it."""
        self.pins.append((path, layer, reason))

    def pin_options(self, operation: Any, layer: str, reason: str) -> None:
        """Forbid that a layer's options change, whatever another call of it has said."""
        self.option_pins.append((id(operation), layer, reason))

    def note(self, layer: str, reason: str) -> None:
        """Record that a layer with weights of its own is kept whole."""
        self.notes.setdefault(layer, reason)

    def carry(
        self, weight: keras.Variable, axis: int, channels: np.ndarray, *, role: Role, layer: str
    ) -> None:
        """Record that slices of a weight belong to channels; a layer called twice ties its channels."""
        key = (weight.path, axis % len(weight.shape))
        if len(channels) != weight.shape[axis]:
            raise ValueError(
                f"{weight.path} has {weight.shape[axis]} slices along axis {axis}, but {len(channels)} channels."
            )
        if key in self.axes:
            known, known_role, _ = self.axes[key]
            if "consumer" in (role, known_role) and role != known_role:
                raise ValueError(f"{weight.path} both reads and makes channels along axis {axis}.")
            self.tie(known, channels)
        else:
            self.axes[key] = (channels, role, layer)
        if role == "consumer":
            self.sights.append((channels, READ))

    def count(
        self, operation: Any, option: str, channels: np.ndarray, *, index: tuple[int, ...], layer: str
    ) -> None:
        """Record that an option of a layer counts channels; a layer called twice ties what it counts."""
        _, known = self.options.setdefault((id(operation), option, index), (layer, channels))
        self.tie(known, channels)

    def put(self, node: Any, tensor: Any, channels: np.ndarray, *, layer: str) -> None:
        """Record the channels of one output of a call."""
        self.ids[id(tensor)] = channels
        call = calls_of(node.operation).index(node)
        positions = int(np.prod([size or 1 for size in tensor.shape[1:-1]]))
        self.outputs.append((layer, call, positions, channels))
        # Repeated channels, as behind Flatten, are looked at where each stands once; and a probe sees the first
        # output of a call.
        if tensor is node.outputs[0] and len(np.unique(channels)) == len(channels):
            self.sights.append((channels, len(self.outputs) - 1))

    def finish(self) -> ChannelMap:
        """Number the channels by group and translate what was recorded."""
        roots = _roots(self.size, self.ties)
        locked = np.zeros(self.size, bool)
        for pinned, layer, reason in self.pins:
            for (path, _), (channels, _, _) in self.axes.items():
                if path == pinned:
                    self.lock(channels, layer, reason)
        for pinned_layer, layer, reason in self.option_pins:
            for (operation, _, _), (_, channels) in self.options.items():
                if operation == pinned_layer:
                    self.lock(channels, layer, reason)
        kept_whole = self._resolve_locks(roots, locked)
        makers: dict[int, list[str]] = {}
        for channels, role, layer in self.axes.values():
            if role == "producer":
                for root in dict.fromkeys(roots[channels].tolist()):
                    if not locked[root] and layer not in makers.setdefault(root, []):
                        makers[root].append(layer)
        parts: dict[int, list[int]] = {}
        for part, channels in enumerate(self.parts):
            for root in roots[channels].tolist():
                parts.setdefault(root, []).append(part)
        # Channels of the same producers and parts form a group: the coarsest cut that lets every layer keep one.
        by_producers: dict[tuple[tuple[str, ...], tuple[int, ...]], list[int]] = {}
        for root, names_of_root in makers.items():
            by_producers.setdefault((tuple(names_of_root), tuple(parts.get(root, ()))), []).append(root)
        number = np.full(self.size, KEPT)
        groups, start = [], 0
        for (layers, _), members in by_producers.items():
            number[members] = np.arange(start, start + len(members))
            groups.append(ChannelGroup(name=layers[0], start=start, size=len(members), producers=layers))
            start += len(members)
        groups = _with_own_names(groups)
        numbers = number[roots]
        probes = self._find_probes(numbers)
        axes = (
            WeightAxis(path=path, axis=axis, channels=numbers[channels], role=role)
            for (path, axis), (channels, role, _) in self.axes.items()
        )
        options = [
            LayerOption(layer=layer, name=option, channels=numbers[channels], index=index)
            for (_, option, index), (layer, channels) in self.options.items()
        ]
        # All entries of a list that changes: one of a slice may count from the end.
        changing = {(option.layer, option.name) for option in options if (option.channels != KEPT).any()}
        return ChannelMap(
            groups=tuple(groups),
            weight_axes=tuple(axis for axis in axes if (axis.channels != KEPT).any()),
            probes=tuple(probes[channel] for channel in range(start)),
            kept_whole=kept_whole,
            outputs=tuple(
                OutputAxis(layer=layer, call=call, positions=positions, channels=numbers[channels])
                for layer, call, positions, channels in self.outputs
            ),
            options=tuple(option for option in options if (option.layer, option.name) in changing),
        )

    def _find_probes(self, numbers: np.ndarray) -> dict[int, ChannelProbe]:
        """Return where each channel is looked at: before a kernel reads it first; if none does, where seen last."""
        seen, read = np.full((self.size, 2), -1), np.full((self.size, 2), -1)
        for channels, output in self.sights:
            if output == READ:
                fresh = channels[read[channels, 0] < 0]
                read[fresh] = seen[fresh]
            else:
                seen[channels, 0], seen[channels, 1] = output, np.arange(len(channels))
        probes: dict[int, ChannelProbe] = {}
        for places in (read, seen):
            for channel in np.flatnonzero((places[:, 0] >= 0) & (numbers != KEPT)).tolist():
                output, feature = places[channel].tolist()
                layer, call, _, _ = self.outputs[output]
                probes.setdefault(int(numbers[channel]), ChannelProbe(layer, call, feature))
        return probes

    def _resolve_locks(self, roots: np.ndarray, locked: np.ndarray) -> tuple[KeptWhole, ...]:
        """Mark locked roots, and say which layer's channels are kept for the sake of which other."""
        made = {
            layer: roots[channels]
            for (_, axis), (channels, role, layer) in self.axes.items()
            if role == "producer" and axis > 0
        }
        found: dict[tuple[str, str], list[str]] = {}
        # Outputs first: they hold their channels whatever else does.
        for channels, layer, reason in sorted(self.locks, key=lambda lock: lock[2] != OUTPUT):
            fresh = np.unique(roots[channels])
            fresh = fresh[~locked[fresh]]
            locked[fresh] = True
            producers = [name for name, of_name in made.items() if np.isin(of_name, fresh).any()]
            # That a head keeps its classes needs no words.
            if producers and (reason != OUTPUT or len(producers) > 1):
                known = found.setdefault((layer, reason), [])
                known += [name for name in producers if name not in known]
        for layer, reason in self.notes.items():
            found.setdefault((layer, reason), [])
        return tuple(
            KeptWhole(layer, reason, tuple(producers)) for (layer, reason), producers in found.items()
        )


def _with_own_names(groups: list[ChannelGroup]) -> list[ChannelGroup]:
    """Name groups after all their producers where the first is not enough, and number what is alike then."""
    names = Counter(group.name for group in groups)
    groups = [
        group if names[group.name] == 1 else replace(group, name="+".join(group.producers))
        for group in groups
    ]
    names, seen = Counter(group.name for group in groups), Counter[str]()
    numbered = []
    for group in groups:
        seen[group.name] += 1
        name = group.name if names[group.name] == 1 else f"{group.name} part {seen[group.name]}"
        numbered.append(replace(group, name=name))
    return numbered


def _roots(size: int, ties: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return for each channel the least number that it is tied to, over any number of steps."""
    roots = np.arange(size)
    if not ties:
        return roots
    first, second = (np.concatenate(side) for side in zip(*ties, strict=True))
    while True:
        lower = np.minimum(roots[first], roots[second])
        before = roots.copy()
        # Both the channels and what stood for them so far move down.
        for higher in (first, second, roots[first], roots[second]):
            np.minimum.at(roots, higher, lower)
        roots = roots[roots]
        if (roots == before).all():
            return roots
