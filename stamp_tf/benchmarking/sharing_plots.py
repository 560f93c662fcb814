"""Plots of which filters tasks share: over how similar they are, and over how many similar ones keep them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from stamp_tf.baselines.similarity import shared_classes, shared_parents
from stamp_tf.benchmarking.cases import Setup
from stamp_tf.benchmarking.summary import Summary, limits_of
from stamp_tf.comparison.sharing import Similarities, Votes, all_layers, iou_by_similarity, kept_by_votes
from stamp_tf.report.report import GroupRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKS = "osD^vPX*"
_COLUMNS = 6


def draw_sharing(view: str, found: Sequence[Summary], setup: Setup) -> Figure | None:
    """Return the plot of a view of filter sharing; None where too little was run.

    Args:
        view: `iou_by_similarity`, `odds_by_votes` or `filters_by_votes`.
        found: Summaries that have records, of several tasks each.
        setup: What was run.
    """
    found = [one for one in found if len(_runs(one.records)) > 1]
    if not found:
        return None
    if view == "iou_by_similarity":
        return _draw_iou(found, setup)
    return _draw_votes(view, found, setup)


def _runs(records: Sequence[Mapping[str, Any]]) -> list[tuple[GroupRow, ...]]:
    """Return what each record keeps."""
    return [
        tuple(GroupRow(name, size, tuple(record["kept"][name])) for name, size in record["sizes"].items())
        for record in records
    ]


def _measures(one: Summary, setup: Setup) -> Iterator[tuple[str, Similarities]]:
    """Yield each measure of similarity that the suite has, with its values; runs of one seed are compared."""
    seeds = [record["case"]["seed"] for record in one.records]

    def of(tasks: Sequence[Any], measure: Callable[[Any, Any], int]) -> Similarities:
        return [
            [
                measure(first, second) if own == other else None
                for second, other in zip(tasks, seeds, strict=True)
            ]
            for first, own in zip(tasks, seeds, strict=True)
        ]

    yield "shared classes", of([record["classes"] for record in one.records], shared_classes)
    if setup.content.parents:
        numbers = [setup.size.tasks[record["case"]["task"]] for record in one.records]
        parents = dict(enumerate(setup.content.parents))
        yield "shared parent classes", of(numbers, partial(shared_parents, parents=parents))


def _draw_iou(found: Sequence[Summary], setup: Setup) -> Figure:
    from matplotlib.figure import Figure

    panels = [(one, *measure) for one in found for measure in _measures(one, setup)]
    figure = Figure(
        figsize=(6.4 * min(2, len(panels)), 4.2 * math.ceil(len(panels) / 2)), layout="constrained"
    )
    grid = figure.subplots(math.ceil(len(panels) / 2), min(2, len(panels)), squeeze=False).flat
    for axes, (one, what, similarities) in zip(grid, panels, strict=False):
        runs = _runs(one.records)
        levels = iou_by_similarity(runs, similarities)
        places = range(1, len(runs[0]) + 1)
        for level, style in zip(levels, _styles([level.similarity for level in levels]), strict=True):
            style["label"] = (
                f"{level.similarity} ({level.num_pairs} {'pair' if level.num_pairs == 1 else 'pairs'})"
            )
            axes.plot(places, level.iou, linewidth=1.4, markersize=4, **style)
            low, high = (
                [mean + sign * deviation for mean, deviation in zip(level.iou, level.deviation, strict=True)]
                for sign in (-1, 1)
            )
            axes.fill_between(places, low, high, color=style["color"], alpha=0.12, linewidth=0)
        axes.set(
            xlabel="layer, from input to output", ylabel="IoU of kept filters, mean ± deviation", ylim=(0, 1)
        )
        axes.set_xticks(places)
        axes.set_title(f"{one.target}, {one.row.title}, {limits_of(one.row)}", fontsize=10)
        _finish(axes, what)
    return figure


def _draw_votes(view: str, found: Sequence[Summary], setup: Setup) -> Figure | None:
    """Draw all layers together and each of them, a block of panels a row of the suite."""
    from matplotlib.figure import Figure

    blocks = [(one, by_level) for one in found if (by_level := _votes(one, setup))]
    if not blocks:
        return None
    num_panels = len(next(iter(blocks[0][1].values()))) + 1
    height = math.ceil(num_panels / _COLUMNS)
    figure = Figure(figsize=(2.6 * _COLUMNS, len(blocks) * (2.3 * height + 0.5)), layout="constrained")
    for part, (one, by_level) in zip(
        figure.subfigures(len(blocks), 1, squeeze=False)[:, 0], blocks, strict=True
    ):
        part.supxlabel("how many similar tasks keep a filter", fontsize=9)
        part.supylabel(_VIEWS[view][1], fontsize=9)
        part.suptitle(
            f"{one.target}, {one.row.title}, {limits_of(one.row)}; {setup.size.voters} similar tasks vote",
            fontsize=11,
        )
        grid = list(part.subplots(height, _COLUMNS, squeeze=False, sharey=True).flat)
        for axes, place in zip(grid, range(-1, num_panels - 1), strict=False):
            for (level, votes), style in zip(by_level.items(), _styles(list(by_level)), strict=True):
                layer = all_layers(votes) if place < 0 else votes[place]
                _VIEWS[view][0](axes, layer, {**style, "label": str(level)})
                axes.set_title(layer.layer, fontsize=9)
            axes.xaxis.get_major_locator().set_params(integer=True)
            _finish(axes, "shared classes" if place < 0 else "")
        # One axis for all panels, whose top is known once all lines are there.
        grid[0].set_ylim(bottom=-0.02)
        for axes in grid[num_panels:]:
            axes.set_visible(False)
    return figure


def _votes(one: Summary, setup: Setup) -> dict[int, tuple[Votes, ...]]:
    """Return the votes of similar tasks for each number of shared classes that enough tasks have."""
    runs, (_, similarities) = _runs(one.records), next(_measures(one, setup))
    levels = sorted({value for line in similarities for value in line if value})
    found = {
        level: kept_by_votes(runs, similarities, num_voters=setup.size.voters, similarity=level)
        for level in levels
    }
    return {level: votes for level, votes in found.items() if votes}


def _draw_odds(axes: Axes, layer: Votes, style: dict[str, Any]) -> None:
    points = [(votes, odds) for votes, odds in enumerate(layer.odds) if odds is not None]
    axes.plot([at for at, _ in points], [odds for _, odds in points], linewidth=1.2, markersize=4, **style)


def _draw_filters(axes: Axes, layer: Votes, style: dict[str, Any]) -> None:
    shares = [number / sum(layer.filters) for number in layer.filters]
    axes.plot(range(len(shares)), shares, linewidth=1.2, markersize=4, **style)


def _styles(levels: Sequence[int]) -> list[dict[str, Any]]:
    """Return a line for each similarity, in an order of lightness that every eye can follow."""
    from matplotlib import colormaps

    colours = colormaps["viridis"]
    top = max(1, len(levels) - 1)
    return [
        {"color": colours(0.9 - 0.9 * place / top), "marker": _MARKS[place % 8]}
        for place in range(len(levels))
    ]


def _finish(axes: Axes, legend: str) -> None:
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    if legend:
        axes.legend(title=legend, fontsize=7, title_fontsize=8, frameon=False)


_VIEWS: dict[str, tuple[Any, str]] = {
    "odds_by_votes": (_draw_odds, "share of these filters that the task keeps"),
    "filters_by_votes": (_draw_filters, "share of all filters"),
}
