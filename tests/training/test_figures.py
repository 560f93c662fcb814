"""Figures of a step wait on the device until they are read."""

import keras
import pytest

from stamp_tf.training.figures import StepFigures


class Scalar:
    """A number on a device that counts how often it is fetched."""

    num_fetched = 0

    def __float__(self) -> float:
        self.num_fetched += 1
        return 0.25


def test_a_figure_that_nobody_reads_is_not_fetched() -> None:
    loss, accuracy = Scalar(), Scalar()
    figures = StepFigures({"loss": loss, "accuracy": accuracy}, images=8)
    assert list(figures) == ["loss", "accuracy", "images"]
    assert len(figures) == 3
    assert figures["images"] == 8
    assert figures["loss"] == 0.25
    assert (loss.num_fetched, accuracy.num_fetched) == (1, 0)


def test_tensors_are_read_as_numbers() -> None:
    figures = dict(StepFigures({"loss": keras.ops.convert_to_tensor(0.5)}, images=8))
    assert figures == {"loss": 0.5, "images": 8.0}
    assert all(type(value) is float for value in figures.values())


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(KeyError, match="loss"):
        StepFigures({})["loss"]
