"""A comparison as files: `compare.json` for programs, `compare.html` for people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from stamp_tf import __version__
from stamp_tf.comparison.compare import Comparison
from stamp_tf.errors import StampError
from stamp_tf.export.staging import check_writable, staged
from stamp_tf.report.strips import tick_path
from stamp_tf.report.template import render
from stamp_tf.storage.records import encode

JSON, HTML = "compare.json", "compare.html"
_SHARED, _SOME, _OWN = "var(--accent)", "var(--some)", "var(--second)"


@dataclass(frozen=True, kw_only=True)
class SharedStrip:
    """The channels that one run kept of a layer: ticks as pairs (SVG path, colour by who else kept them)."""

    label: str
    num_kept: int
    num_own: int
    ticks: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class SharedLayer:
    """A layer as every run kept it; `length` is a share of the widest layer."""

    name: str
    size: int
    length: float
    strips: tuple[SharedStrip, ...]


def check_output(folder: Path, *, overwrite: bool = False) -> None:
    """Refuse a folder that `write_comparison` would refuse, and leave everything as it is.

    Args:
        folder: Where a comparison is to go.
        overwrite: Accept a folder that holds a comparison and nothing else.

    Raises:
        StampError: If it is a file, or holds something that may not be replaced.
    """
    check_writable(folder)
    if not folder.exists():
        return
    if not folder.is_dir():
        raise StampError(f"`compare:folder` must be a folder, but {folder} is a file; choose another.")
    names = {entry.name for entry in folder.iterdir()}
    if names and not overwrite:
        raise StampError(
            f"`compare:folder` must be new or empty, but {folder} is not; choose another, or add `overwrite=True`."
        )
    foreign = sorted(names - {JSON, HTML})
    if foreign:
        raise StampError(
            f"`overwrite=True` only takes a folder that compare wrote, but {folder} also holds {foreign[0]}; "
            "choose another `compare:folder`."
        )


def write_comparison(
    comparison: Comparison, folder: str | Path, *, overwrite: bool = False, command: str = ""
) -> None:
    """Write `compare.json` and `compare.html` into a folder, both or none.

    Args:
        comparison: What `compare` returned.
        folder: A new or empty folder.
        overwrite: Replace the comparison that it holds.
        command: What was typed, for the page.

    Raises:
        StampError: If the folder holds something else or cannot be written.
    """
    folder = Path(folder)
    check_output(folder, overwrite=overwrite)
    page = render_comparison(comparison, command=command)
    with staged(folder) as temporary:
        temporary.mkdir()
        content = encode({"stamp_tf": __version__, **comparison.to_json()}, indent=2)
        (temporary / JSON).write_bytes(content)
        (temporary / HTML).write_bytes(page.encode())


def render_comparison(comparison: Comparison, *, command: str = "") -> str:
    """Return the comparison as one HTML page that needs nothing else: no script, no font, no link.

    Args:
        comparison: The runs, what they share and what swapping costs.
        command: What was typed.
    """
    return render(
        "compare.html",
        comparison=comparison,
        layers=shared_channels(comparison),
        colours={"shared": _SHARED, "some": _SOME, "own": _OWN},
        costs={
            (swap.masks_of, swap.dataset_of): comparison.swap_cost(swap.masks_of, swap.dataset_of)
            for swap in comparison.swaps
        },
        command=command,
        version=__version__,
    )


def shared_channels(comparison: Comparison) -> tuple[SharedLayer, ...]:
    """Lay out the kept channels of all runs beside each other (Figure 5 of the paper), layer by layer.

    Args:
        comparison: The runs.

    Returns:
        Layers of one common scale. The first ticks of a strip are channels that every run keeps, the second
        those that some other run keeps, the last those of the run alone.
    """
    runs = comparison.runs
    widest = max(group.size for group in runs[0].groups)
    layers = []
    for groups in zip(*(run.groups for run in runs), strict=True):
        keepers = Counter(channel for group in groups for channel in group.kept)
        strips = []
        for run, group in zip(runs, groups, strict=True):
            shared = [channel for channel in group.kept if keepers[channel] == len(runs)]
            some = [channel for channel in group.kept if 1 < keepers[channel] < len(runs)]
            own = [channel for channel in group.kept if keepers[channel] == 1]
            ticks = ((tick_path(shared), _SHARED), (tick_path(some), _SOME), (tick_path(own), _OWN))
            strips.append(
                SharedStrip(label=run.label, num_kept=len(group.kept), num_own=len(own), ticks=ticks)
            )
        layers.append(
            SharedLayer(
                name=groups[0].name, size=groups[0].size, length=groups[0].size / widest, strips=tuple(strips)
            )
        )
    return tuple(layers)
