"""What the network before pruning is worth, so that a report can say what pruning cost."""

from __future__ import annotations

from dataclasses import dataclass

from stamp_tf.measure.interval import wilson_interval
from stamp_tf.quantities import duration, percent


@dataclass(frozen=True, kw_only=True)
class FullAccuracy:
    """The full network on the test images of the pruned one.

    Args:
        accuracy: Share classified rightly without a step of training, in [0, 1].
        images: Number of images.
        has_new_head: Whether its last layer was fitted to the training images.
        tuned_accuracy: The same share after the pruned network's fine-tuning; None where that was not asked for.
        tuned_epochs: Epochs of that.
        tuned_seconds: How long those took, without tests.
    """

    accuracy: float
    images: int
    has_new_head: bool
    tuned_accuracy: float | None = None
    tuned_epochs: int = 0
    tuned_seconds: float = 0.0

    def in_words(self) -> list[str]:
        """Return one phrase for each figure: '92.8 %, 87.6 to 95.9, with a new head, not fine-tuned'."""
        head = "with a new head" if self.has_new_head else "with its own head"
        words = [f"{self._share(self.accuracy)}, {head}, not fine-tuned"]
        if self.tuned_accuracy is not None:
            epochs = f"{self.tuned_epochs} epoch{'' if self.tuned_epochs == 1 else 's'}"
            words.append(
                f"{self._share(self.tuned_accuracy)}, fine-tuned alike ({epochs} in {duration(self.tuned_seconds)})"
            )
        return words

    def _share(self, share: float) -> str:
        low, high = (100 * end for end in wilson_interval(share, self.images))
        return f"{percent(share)}, {low:.1f} to {high:.1f}"
