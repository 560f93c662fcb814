"""An inspection as a page: the channel groups drawn on the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stamp_tf import __version__
from stamp_tf.errors import StampError
from stamp_tf.export.staging import staged
from stamp_tf.inspection.lanes import ROW_HEIGHT, draw_lanes
from stamp_tf.inspection.network_rows import NetworkRow
from stamp_tf.report.strips import hues, tick_path
from stamp_tf.report.template import render

if TYPE_CHECKING:
    from stamp_tf.inspection.inspect import Inspection

_SUFFIXES = (".html", ".htm")
# The golden angle: hues of tied groups that follow each other lie far apart, however many there are.
_FIRST_HUE, _HUE_STEP = 24.0, 137.508


@dataclass(frozen=True, kw_only=True)
class GroupCard:
    """A group as the page tells of it.

    Args:
        number: Its number.
        name: Its name.
        size: Its channels.
        num_kept: How many of them are kept.
        colour: A CSS colour; tied groups are strong, others quiet.
        length: Its size as a share of the largest group.
        ticks: Kept channels as in `tick_path`.
        makers: Layers that make the channels.
        readers: Layers that read them.
    """

    number: int
    name: str
    size: int
    num_kept: int
    colour: str
    length: float
    ticks: str
    makers: tuple[str, ...]
    readers: tuple[str, ...]


def check_page(path: Path, *, overwrite: bool = False) -> None:
    """Refuse a file that `write_inspection` would refuse, and leave everything as it is.

    Args:
        path: Where the page is to go.
        overwrite: Accept a page that is there.

    Raises:
        StampError: If it is no name of a page, is a folder, or is there and may not be replaced.
    """
    if path.suffix not in _SUFFIXES:
        raise StampError(f"`inspect:path` must end in .html, but is {path}; add the ending.")
    if path.is_dir():
        raise StampError(f"`inspect:path` must be a file, but {path} is a folder; choose another.")
    if path.exists() and not overwrite:
        raise StampError(
            f"`inspect:path` must be new, but {path} is there; choose another, or add `overwrite=True`."
        )


def write_inspection(
    inspection: Inspection, path: str | Path, *, overwrite: bool = False, command: str = ""
) -> None:
    """Write an inspection as one HTML page, whole or not at all.

    Args:
        inspection: What `inspect` returned.
        path: A new file that ends in `.html`.
        overwrite: Replace the page that is there.
        command: What was typed, for the page.

    Raises:
        StampError: If the file may not be replaced or cannot be written.

    Example:
        >>> write_inspection(stamp_tf.inspect("model.keras"), "groups.html")
    """
    path = Path(path)
    check_page(path, overwrite=overwrite)
    page = render_inspection(inspection, command=command)
    with staged(path) as temporary:
        temporary.write_bytes(page.encode())


def render_inspection(inspection: Inspection, *, command: str = "") -> str:
    """Return an inspection as one HTML page that needs nothing else: no script, no font, no link.

    Args:
        inspection: The network, its groups and costs.
        command: What was typed.
    """
    rows = inspection.network
    groups = _group_cards(inspection)
    totals = {
        quantity: tuple(
            sum(getattr(row, f"{quantity}_{when}") for row in rows) for when in ("before", "after")
        )
        for quantity in ("params", "flops")
    }
    largest = {
        quantity: max((getattr(row, f"{quantity}_before") for row in rows), default=1) or 1
        for quantity in ("channels", "params", "flops")
    }
    return render(
        "inspect.html",
        inspection=inspection,
        rows=rows,
        notes=[_note(row, groups) for row in rows],
        groups=groups,
        picture=draw_lanes(rows),
        row_height=ROW_HEIGHT,
        totals=totals,
        largest=largest,
        command=command,
        version=__version__,
    )


def _group_cards(inspection: Inspection) -> tuple[GroupCard, ...]:
    groups, makers = inspection.groups, inspection.makers
    widest = max((group.size for group in groups), default=1)
    readers: dict[int, list[str]] = {number: [] for number in range(len(groups))}
    for row in inspection.network:
        for number in row.reads:
            readers[number].append(row.name)
    colours = _colours([len(of_group) > 1 for of_group in makers])
    return tuple(
        GroupCard(
            number=number,
            name=group.name,
            size=group.size,
            num_kept=len(group.kept),
            colour=colour,
            length=group.size / widest,
            ticks=tick_path(group.kept),
            makers=makers[number],
            readers=tuple(readers[number]),
        )
        for number, (group, colour) in enumerate(zip(groups, colours, strict=True))
    )


def _colours(is_tied: Sequence[bool]) -> list[str]:
    """Give tied groups strong colours far apart, and the others quiet ones in the order of the network."""
    quiet = hues(len(is_tied))
    colours, num_tied = [], 0
    for index, tied in enumerate(is_tied):
        hue, saturation = (
            (_FIRST_HUE + num_tied * _HUE_STEP) % 360 if tied else quiet[index],
            64 if tied else 26,
        )
        num_tied += tied
        colours.append(f"hsl({hue:.1f} {saturation}% var(--tick))")
    return colours


def _note(row: NetworkRow, groups: Sequence[GroupCard]) -> str:
    """Say in words what the picture shows of a row."""
    lines = [f"{row.name} ({row.kind})"]
    for number in row.makes:
        others = [name for name in groups[number].makers if name != row.name]
        tied = f", tied with {', '.join(others)}" if others else ""
        lines.append(f"makes group {groups[number].name}, {groups[number].size} channels{tied}")
    for words, numbers in (("reads", row.reads), ("passes on", row.passes)):
        if numbers:
            lines.append(f"{words} {', '.join(groups[number].name for number in numbers)}")
    if row.then:
        lines.append(f"then {', '.join(row.then)}")
    if row.num_fixed:
        kept = "all channels" if row.num_fixed == row.channels_before else f"{row.num_fixed} channels"
        lines.append(f"{kept} kept whole" + (f": {row.reason}" if row.reason else ""))
    return "\n".join(lines)
