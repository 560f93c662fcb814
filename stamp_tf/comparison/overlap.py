"""How many channels two masks share, layer by layer, beside what chance and their widths would give."""

from collections.abc import Sequence
from dataclasses import dataclass

from stamp_tf.report.report import GroupRow


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """What two masks A and B share of a layer, or of all layers together.

    Args:
        name: The layer.
        size: Its channels, n.
        num_first: Channels that A keeps.
        num_second: Channels that B keeps.
        shared: Channels that both keep.
        shared_by_chance: Mean of that number over random masks of the same widths (hypergeometric),
            num_first * num_second / size, summed over layers where there are several.
        shared_at_most: The most that the widths allow.
    """

    name: str
    size: int
    num_first: int
    num_second: int
    shared: int
    shared_by_chance: float
    shared_at_most: int

    @property
    def iou(self) -> float:
        """|A and B| / |A or B|, in [0, 1]."""
        return self._iou(self.shared)

    @property
    def iou_by_chance(self) -> float:
        """The IoU of random masks of the same widths, at the mean number that they share."""
        return self._iou(self.shared_by_chance)

    @property
    def iou_at_most(self) -> float:
        """The IoU where the narrower mask lies within the wider one; 1 only for equal widths."""
        return self._iou(self.shared_at_most)

    def _iou(self, shared: float) -> float:
        return shared / (self.num_first + self.num_second - shared)


def layer_overlaps(first: Sequence[GroupRow], second: Sequence[GroupRow]) -> tuple[Overlap, ...]:
    """Compare two masks of the same network, layer by layer.

    Args:
        first: Kept channels of every group; each group keeps at least one.
        second: The same groups as another mask keeps them.

    Source:
        Song et al. 2020, Figure 5; IoU over kept filters as in the appendix on multi-task pruning (MVP).
    """
    return tuple(
        Overlap(
            name=one.name,
            size=one.size,
            num_first=len(one.kept),
            num_second=len(other.kept),
            shared=len(set(one.kept) & set(other.kept)),
            shared_by_chance=len(one.kept) * len(other.kept) / one.size,
            shared_at_most=min(len(one.kept), len(other.kept)),
        )
        for one, other in zip(first, second, strict=True)
    )


def total_overlap(layers: Sequence[Overlap]) -> Overlap:
    """Return the overlap of all layers together, in which every channel counts alike.

    Args:
        layers: At least one.
    """
    counts = ("size", "num_first", "num_second", "shared", "shared_by_chance", "shared_at_most")
    return Overlap(name="All", **{count: sum(getattr(layer, count) for layer in layers) for count in counts})
