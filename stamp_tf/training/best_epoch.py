"""Which epoch of a training was the best, and when to wait no longer for a better one: both follow from its records."""

from __future__ import annotations

from collections.abc import Sequence

from stamp_tf.training.epoch_record import EpochRecord


def best_epoch(records: Sequence[EpochRecord]) -> EpochRecord | None:
    """Return the epoch that was best on the validation images; the last of several, and None where none was measured.

    Of two that are right on as many images the later one has learnt at a smaller rate.

    Args:
        records: In their order, the network as it was before the first epoch included.
    """
    measured = [(one.validation_accuracy, one) for one in records if one.validation_accuracy is not None]
    return max(measured, key=lambda pair: (pair[0], pair[1].epoch))[1] if measured else None


def is_hopeless(records: Sequence[EpochRecord], patience: int | None) -> bool:
    """Tell whether so many epochs went by without one that is better than all before.

    Args:
        records: As in `best_epoch`.
        patience: Number of epochs; None waits for ever.
    """
    measured = [one for one in records if one.validation_accuracy is not None]
    if patience is None or not measured:
        return False
    first = max(measured, key=lambda one: one.validation_accuracy or 0.0)
    return records[-1].epoch - first.epoch >= patience
