"""What is known of one epoch of fine-tuning."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """Fine-tuning after an epoch; epoch 0 is the network as it was, without a training loss.

    Args:
        epoch: Number of epochs done.
        seconds: Training time so far, evaluation not counted.
        train_loss: Mean over the epoch, or None at the start.
        test_accuracy: After the epoch, in [0, 1], or None if it was not measured.
        entry: Place in a report's history of the step that the epoch belongs to. Where a step went on with other data,
            its first record has the number of the last epoch before it and the accuracy on the new data.
        validation_accuracy: As `test_accuracy`, on training images held out for it, where there are some.
    """

    epoch: int
    seconds: float
    train_loss: float | None
    test_accuracy: float | None
    entry: int = 0
    validation_accuracy: float | None = None
