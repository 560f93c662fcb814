"""What was measured of a network that a search looked at, for logs, tables and reports."""

from __future__ import annotations

from dataclasses import dataclass

from stamp_tf.quantities import percent


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A candidate on training images that were held out, beside the full network on the same ones.

    Args:
        name: What tells it from others; empty where its size does.
        params_fraction: Remaining parameters / all.
        flops_fraction: Remaining multiply-adds / all.
        accuracy: Share of the images that it is right on, in [0, 1].
        lost: Share of the full network less that.
        error: Standard error of `lost`, both networks being asked about the same images.
        images: Number of images.
        steps: Steps of training before it was measured.
        is_chosen: Whether the search ended with it.
    """

    name: str = ""
    params_fraction: float
    flops_fraction: float
    accuracy: float
    lost: float
    error: float
    images: int
    steps: int = 0
    is_chosen: bool = False

    @property
    def is_full(self) -> bool:
        """Whether nothing was removed."""
        return self.params_fraction == 1 and self.flops_fraction == 1

    @property
    def full_accuracy(self) -> float:
        """Share of the images that the full network is right on."""
        return self.accuracy + self.lost

    def in_words(self) -> str:
        """Return the figures as part of a sentence."""
        where = "below" if self.lost >= 0 else "above"
        return (
            f"{percent(self.accuracy)} of {self.images:,} held-out training images, {100 * abs(self.lost):.1f} points "
            f"(standard error {100 * self.error:.1f}) {where} the full network's {percent(self.full_accuracy)}"
        )
