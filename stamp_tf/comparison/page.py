"""A comparison as files: `compare.json` for programs, `compare.html` for people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from stamp_tf import __version__
from stamp_tf.comparison.compare import Comparison
from stamp_tf.comparison.sharing import all_layers
from stamp_tf.errors import StampError
from stamp_tf.export.staging import check_writable, staged
from stamp_tf.report.curves import Line, chart
from stamp_tf.report.strips import tick_path
from stamp_tf.report.template import render
from stamp_tf.storage.records import encode

JSON, HTML = "compare.json", "compare.html"
# Okabe and Ito 2008: colour-blind people tell them apart, on light and on dark ground.
_HUES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
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
        sharing=_sharing_chart(comparison),
        votes=_votes_chart(comparison),
        hues=_HUES,
        colours={"shared": _SHARED, "some": _SOME, "own": _OWN},
        costs={
            (swap.masks_of, swap.dataset_of): comparison.swap_cost(swap.masks_of, swap.dataset_of)
            for swap in comparison.swaps
        },
        command=command,
        version=__version__,
    )


def _sharing_chart(comparison: Comparison) -> Markup | None:
    """Return the IoU by layer, a line for each number of classes that tasks share; None where names do not tell."""
    lines = [
        Line(
            label=f"{level.similarity} shared classes",
            parts=[list(enumerate(level.iou, start=1))],
            over="layer",
            colour=_HUES[place % len(_HUES)],
        )
        for place, level in enumerate(comparison.sharing)
    ]
    if not lines:
        return None
    epochs = (1.0, float(len(comparison.runs[0].groups)))
    return chart(lines[0], epochs=epochs, others=lines[1:], label="IoU by layer over shared classes")


def _votes_chart(comparison: Comparison) -> Markup | None:
    """Return which part of the channels runs keep over how many similar ones keep them, of all layers together."""
    if not comparison.votes:
        return None
    odds = all_layers(comparison.votes).odds
    points = [(float(votes), part) for votes, part in enumerate(odds) if part is not None]
    line = Line(label="share that is kept", parts=[points], over="similar runs that keep it", colour=_HUES[0])
    return chart(line, epochs=(0.0, len(odds) - 1.0), label="Share that is kept over votes of similar runs")


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
