"""Plots of a suite, in colours that colour-blind people tell apart (matplotlib, an extra)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from statistics import mean
from typing import TYPE_CHECKING, Any

import numpy as np

from stamp_tf.benchmarking.cases import Setup
from stamp_tf.benchmarking.sharing_plots import draw_sharing
from stamp_tf.benchmarking.suite import View
from stamp_tf.benchmarking.summary import Summary, limits_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# Okabe and Ito 2008.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C00")
_MARKS = "osD^vPX*"
_PANELS_A_ROW = 3
_FEW_PASSES = 10
_KEPT = ("#f1f1f1", "#D55E00", "#0072B2", "#222222")


def draw(view: View, found: Sequence[Summary], setup: Setup) -> Figure | None:
    """Return the plot of a view; None for a view that is no plot, or where nothing was run.

    Args:
        view: What is shown.
        found: All summaries of the suite.
        setup: What was run.
    """
    found = [one for one in found if one.records]
    if view in ("table", "swaps") or not found:
        return None
    from matplotlib.figure import Figure

    if view == "channels":
        return _draw_channels(found, Figure)
    if view not in _VIEWS:
        return draw_sharing(view, found, setup)
    panels = _panels(view, found)
    rows = math.ceil(len(panels) / _PANELS_A_ROW)
    columns = math.ceil(len(panels) / rows)
    figure = Figure(figsize=(5.4 * columns, 4.2 * rows), layout="constrained")
    styles = _styles(found)
    for place, (heading, part) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(rows, columns, place)
        for title in dict.fromkeys(one.row.title for one in part):
            _VIEWS[view](axes, [one for one in part if one.row.title == title], styles[title])
        if view in ("accuracy_by_params", "accuracy_by_flops"):
            # The whole network always has its place, so that the axis spans something before all is run.
            axes.set_xlim(right=130)
        axes.set_title(heading)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=8, frameon=False)
    return figure


def _styles(found: Sequence[Summary]) -> dict[str, dict[str, Any]]:
    """Return how each row is drawn, in all panels alike; no two rows have both colour and mark in common."""
    kinds = {one.row.title: one.row.kind for one in found}
    styles = {}
    for place, title in enumerate(title for title, kind in kinds.items() if kind != "full"):
        mark = _MARKS[(place + place // len(_COLOURS)) % len(_MARKS)]
        styles[title] = {"color": _COLOURS[place % len(_COLOURS)], "marker": mark, "label": title}
    # What all others are compared with.
    of_full = {"color": "#777777", "marker": "h", "linestyle": "--"}
    return {title: styles.get(title, of_full | {"label": title}) for title in kinds}


def _panels(view: View, found: Sequence[Summary]) -> dict[str, list[Summary]]:
    """Return what stands in one panel, by its heading: a data set, and what a view has no axis for."""
    sizes = {one.train_size for one in found} if not view.endswith("by_images") else set()
    # A title that stands for several limits is a line over what they limit, and several lines over anything else.
    limits = {(one.row.title, limits_of(one.row)) for one in found if one.row.limits}
    is_split = len({title for title, _ in limits}) < len(limits) and view not in (
        "accuracy_by_params",
        "accuracy_by_flops",
        "accuracy_by_time",
    )
    panels: dict[str, list[Summary]] = {}
    for one in found:
        size = f", {one.train_size or 'all'} images" if len(sizes) > 1 else ""
        of_rows = dict.fromkeys(limit for _, limit in sorted(limits)) if is_split else {"": None}
        for limit in of_rows:
            if not is_split or not one.row.limits or limits_of(one.row) == limit:
                heading = f"{one.target}{size}{f', {limit}' if limit else ''}"
                panels.setdefault(heading, []).append(one)
    return panels


def _by_fraction(axes: Axes, part: Sequence[Summary], style: dict[str, Any], *, of: str, words: str) -> None:
    points = sorted((100 * one.mean(of), place) for place, one in enumerate(part))
    _line(axes, [at for at, _ in points], [part[place] for _, place in points], style=style)
    _scale_by_factors(axes)
    axes.set(xlabel=f"{words} that remain, %", ylabel="test accuracy, %")


def _by_passes(axes: Axes, part: Sequence[Summary], style: dict[str, Any]) -> None:
    """Draw the mean of all runs after each epoch; the passes of the search stand before the first."""
    for one in part:
        search = mean(
            record["figures"]["images_search"] / record["figures"]["train_images"] for record in one.records
        )
        curves = [
            {
                point["epoch"]: point["test_accuracy"]
                for point in record["curve"]
                if point["test_accuracy"] is not None
            }
            for record in one.records
        ]
        epochs = sorted(set.intersection(*map(set, curves)))
        heights = [100 * mean(curve[epoch] for curve in curves) for epoch in epochs]
        axes.plot([search + epoch for epoch in epochs], heights, linewidth=1.4, markersize=4, **style)
    # Few passes are what methods differ in; one that needs a hundred still has its place.
    axes.set_xscale("symlog", linthresh=_FEW_PASSES)
    _write_plainly(axes.xaxis, (0, 2, 4, 6, 8, 10, 20, 50, 100, 200, 500))
    axes.set(
        xlabel="passes over the training images, those of the search among them", ylabel="test accuracy, %"
    )


def _by_images(axes: Axes, part: Sequence[Summary], style: dict[str, Any]) -> None:
    _line(axes, [one.mean("train_images") for one in part], part, style=style)
    _scale_by_factors(axes)
    axes.set(xlabel="training images", ylabel="test accuracy, %")


def _scale_by_factors(axes: Axes) -> None:
    """Let equal factors be equally far apart."""
    axes.set_xscale("log")
    _write_plainly(axes.xaxis)


def _write_plainly(axis: Axis, places: Sequence[float] = ()) -> None:
    """Write numbers at some places of an axis, or at 1, 2, 5, 10 and so on, and no powers of ten."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(FixedLocator(places) if places else LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_minor_formatter(NullFormatter())


def _line(axes: Axes, at: Sequence[float], part: Sequence[Summary], *, style: dict[str, Any]) -> None:
    heights = [100 * one.mean("accuracy") for one in part]
    spread = [100 * (one.deviation("accuracy") or 0.0) for one in part]
    axes.errorbar(at, heights, yerr=spread, capsize=2, linewidth=1.4, markersize=5, **style)


def _time_by_images(axes: Axes, part: Sequence[Summary], style: dict[str, Any]) -> None:
    axes.plot(
        [one.mean("train_images") for one in part], [one.seconds for one in part], linewidth=1.4, **style
    )
    _scale_by_factors(axes)
    axes.set_yscale("log")
    _write_plainly(axes.yaxis)
    axes.set(xlabel="training images", ylabel="pruning and fine-tuning, seconds")


def _by_time(axes: Axes, part: Sequence[Summary], style: dict[str, Any]) -> None:
    """Draw the first seed's epochs, from the beginning of the search on."""
    for one in part:
        record = min(one.records, key=lambda record: record["case"]["seed"])
        curve = [point for point in record["curve"] if point["test_accuracy"] is not None]
        seconds = [record["figures"]["seconds_search"] + point["seconds"] for point in curve]
        axes.plot(
            seconds, [100 * point["test_accuracy"] for point in curve], linewidth=1.4, markersize=3, **style
        )
        style = {**style, "label": None}
    axes.set(xlabel="seconds, the search among them", ylabel="test accuracy, %")


def _draw_channels(found: Sequence[Summary], figure_class: Any) -> Figure | None:
    """Draw which channels of each layer the first two data sets keep, a panel a method."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    pairs: dict[str, dict[str, Any]] = {}
    for one in found:
        pairs.setdefault(one.row.title, {}).setdefault(one.target, one.records[0])
    pairs = {title: records for title, records in pairs.items() if len(records) > 1}
    if not pairs:
        return None
    sizes = found[0].records[0]["sizes"]
    figure = figure_class(figsize=(9, len(pairs) * (0.2 * len(sizes) + 0.6) + 0.5), layout="constrained")
    for axes, (title, records) in zip(
        figure.subplots(len(pairs), squeeze=False)[:, 0], pairs.items(), strict=True
    ):
        first, second = list(records.values())[:2]
        picture = np.full((len(sizes), max(sizes.values())), np.nan)
        for line, (name, size) in enumerate(sizes.items()):
            picture[line, :size] = 0
            picture[line, first["kept"][name]] += 1
            picture[line, second["kept"][name]] += 2
        colours = ListedColormap(_KEPT)
        axes.imshow(picture, aspect="auto", interpolation="nearest", cmap=colours, vmin=0, vmax=3)
        axes.set_yticks(range(len(sizes)), sizes, fontsize=6)
        axes.set_title(f"{title}: IoU {_iou(first, second):.2f}", fontsize=9, loc="left")
    axes.set_xlabel("channel")
    names = ("neither", *list(next(iter(pairs.values())))[:2], "both")
    handles = [Patch(color=colour, label=name) for colour, name in zip(_KEPT, names, strict=True)]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, frameon=False, fontsize=8)
    return figure


def _iou(first: dict[str, Any], second: dict[str, Any]) -> float:
    """Return how many channels two networks share, of those that either keeps."""
    ours, theirs = (
        {(name, at) for name, kept in one["kept"].items() for at in kept} for one in (first, second)
    )
    return len(ours & theirs) / len(ours | theirs)


_VIEWS: dict[str, Any] = {
    "accuracy_by_params": partial(_by_fraction, of="params_fraction", words="parameters"),
    "accuracy_by_flops": partial(_by_fraction, of="flops_fraction", words="FLOPs"),
    "accuracy_by_passes": _by_passes,
    "accuracy_by_time": _by_time,
    "accuracy_by_images": _by_images,
    "time_by_images": _time_by_images,
}
