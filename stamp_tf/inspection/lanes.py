"""The picture of channel groups on a network: a lane per group, from the layers that make it to the last reader."""

from collections.abc import Sequence
from dataclasses import dataclass

from stamp_tf.inspection.network_rows import NetworkRow

# Pixels. Rows are as high as the list beside the picture has them.
ROW_HEIGHT = 22
_MARGIN = 9.0
_WIDEST, _NARROWEST = 17.0, 4.0
_ROOM = 230.0


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One group: a vertical line beside the rows that have to do with it. Lengths are pixels.

    Args:
        group: Number of the group.
        x: Place of the line, from the left.
        top: Its upper end, from the top of the first row.
        bottom: Its lower end.
        made: Heights of the rows that make the channels.
        passed: Heights of the rows that treat them one by one or bring them together.
        read: Heights of the rows that read them.
    """

    group: int
    x: float
    top: float
    bottom: float
    made: tuple[float, ...]
    passed: tuple[float, ...]
    read: tuple[float, ...]

    @property
    def is_tied(self) -> bool:
        """Whether several layers make the channels together."""
        return len(self.made) > 1


@dataclass(frozen=True, kw_only=True)
class Picture:
    """All lanes, and what connects those of one row.

    Args:
        lanes: One per group.
        links: For each row that touches several lanes: height, left and right end.
        width: Pixels across.
        height: Pixels down.
        radius: Of the dots.
    """

    lanes: tuple[Lane, ...]
    links: tuple[tuple[float, float, float], ...]
    width: float
    height: float
    radius: float


def draw_lanes(rows: Sequence[NetworkRow]) -> Picture:
    """Lay out the groups of a network beside its rows, long ones to the left, none upon another.

    Args:
        rows: The network.

    Returns:
        The picture; it gets no wider than a share of a page as long as the lanes stay apart.
    """
    spans: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        for group in row.groups:
            spans.setdefault(group, []).append(index)
    columns = _columns(spans)
    count = max(columns.values(), default=-1) + 1
    pitch = min(_WIDEST, max(_NARROWEST, _ROOM / max(1, count)))

    def across(group: int) -> float:
        return round(_MARGIN + columns[group] * pitch, 1)

    def down(index: int) -> float:
        return (index + 0.5) * ROW_HEIGHT

    def where(group: int, role: str) -> tuple[float, ...]:
        return tuple(down(index) for index in spans[group] if group in getattr(rows[index], role))

    lanes = tuple(
        Lane(
            group=group,
            x=across(group),
            top=down(spans[group][0]),
            bottom=down(spans[group][-1]),
            made=where(group, "makes"),
            passed=where(group, "passes"),
            read=where(group, "reads"),
        )
        for group in sorted(spans)
    )
    links = []
    for index, row in enumerate(rows):
        touched = [across(group) for group in row.groups]
        if len(set(touched)) > 1:
            links.append((down(index), min(touched), max(touched)))
    width = round(2 * _MARGIN + max(0, count - 1) * pitch, 1)
    return Picture(
        lanes=lanes,
        links=tuple(links),
        width=width,
        height=len(rows) * float(ROW_HEIGHT),
        radius=round(min(4.2, 0.34 * pitch), 1),
    )


def _columns(spans: dict[int, list[int]]) -> dict[int, int]:
    """Give every group the first column that is free from its first row to its last."""
    taken: list[list[tuple[int, int]]] = []
    columns = {}
    for group in sorted(spans, key=lambda number: (spans[number][0] - spans[number][-1], spans[number][0])):
        first, last = spans[group][0], spans[group][-1]
        free = (all(last < start or end < first for start, end in others) for others in taken)
        column = next((number for number, is_free in enumerate(free) if is_free), len(taken))
        if column == len(taken):
            taken.append([])
        taken[column].append((first, last))
        columns[group] = column
    return columns
