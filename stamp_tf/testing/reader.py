"""What every reader of an exported format must do."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras

from stamp_tf.backbones.end import split_end
from stamp_tf.errors import StampError
from stamp_tf.export.contract import Exporter, call_exporter
from stamp_tf.losses import class_probabilities
from stamp_tf.serving.exported import Exported, Reader
from stamp_tf.testing.exporter import CLASS_NAMES, NORMALIZATION, SHAPE, content, pixels, toy_network
from stamp_tf.testing.require import array, require, require_close, require_equal, try_all


def check_reader(read: Reader, *, export: Exporter, suffix: str = "", tolerance: float = 1e-4) -> None:
    """Hold a reader to its contract.

    Args:
        read: The reader.
        export: The exporter that writes its format.
        suffix: The ending that the format insists on, such as `.keras`.
        tolerance: How far probabilities may be from those of the model; a format of 8 bits needs more.

    Raises:
        AssertionError: If it breaks a rule; the message says which.
    """
    try_all(PROPERTIES, read, export=export, suffix=suffix, tolerance=tolerance)


def gives_what_the_model_gives(read: Reader, *, export: Exporter, suffix: str, tolerance: float) -> None:
    """Probabilities of logits, of a softmax, of sigmoids and of one logit for two classes; of any number of images."""
    rule = "What was read must give the probabilities of the model"
    for num_classes, activation in (
        (3, "linear"),
        (3, "softmax"),
        (3, "sigmoid"),
        (2, "linear"),
        (2, "sigmoid"),
    ):
        model = _ending(num_classes, activation)
        logits, end = split_end(model)
        expected = array(class_probabilities(logits(NORMALIZATION(pixels())), end))
        with _written(export, model, suffix, num_classes=num_classes) as path:
            exported = _read(read, path)
            for images in (1, 5):
                require_close(exported(pixels()[:images]), expected[:images], rule, tolerance=tolerance)


def says_what_it_reads(read: Reader, *, export: Exporter, suffix: str, tolerance: float) -> None:
    """Classes in the order of the outputs, whatever letters they have, and the size of images."""
    with _written(export, toy_network(), suffix) as path:
        exported = _read(read, path)
        require_equal(exported.class_names, CLASS_NAMES, "A reader must know the classes")
        require_equal(exported.image_shape, SHAPE, "A reader must know the size of images")
        require_equal(exported.path, path, "A reader must say where the network lies")


def leaves_other_things_to_others(read: Reader, *, export: Exporter, suffix: str, tolerance: float) -> None:
    """None stands for what is of another format."""
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder, "words.txt")
        other.write_text("no network")
        for path in (other, Path(folder)):
            found = read(path)
            require(
                found is None, "A reader must return None for what is of another format", f"returned {found}"
            )


def reads_and_writes_nothing(read: Reader, *, export: Exporter, suffix: str, tolerance: float) -> None:
    """A folder may be read by many at once, and by those who may not write."""
    with _written(export, toy_network(), suffix) as path:
        before = content(path.parent)
        _read(read, path)(pixels())
        require(content(path.parent) == before, "A reader must leave files as they are", "they changed")


def refuses_what_is_damaged(read: Reader, *, export: Exporter, suffix: str, tolerance: float) -> None:
    """In one line, or as of no known format; never by a network that gives something else."""
    with _written(export, toy_network(), suffix) as path:
        largest = max(
            (file for file in path.parent.rglob("*") if file.is_file()), key=lambda file: file.stat().st_size
        )
        largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
        rule = "What is damaged must be refused by a StampError of one line"
        try:
            found = read(path)
        except StampError as error:
            require("\n" not in str(error), rule, f"the message has several lines: {error}")
            return
        except Exception as error:
            raise AssertionError(f"{rule}, but it raised {type(error).__name__}: {error}.") from error
        require(found is None, rule, "it was taken")


def _ending(num_classes: int, activation: str) -> keras.Model:
    """Return the toy network with another end; of two classes with one output."""
    model = toy_network()
    units = 1 if num_classes == 2 else num_classes
    last = keras.layers.Dense(units, activation, name="end")
    return keras.Model(model.inputs[0], last(model.layers[-2].output), name="toy")


@contextmanager
def _written(export: Exporter, model: keras.Model, suffix: str, *, num_classes: int = 3) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"network{suffix}"
        yield call_exporter(
            export,
            model,
            path,
            class_names=CLASS_NAMES[:num_classes],
            normalization=NORMALIZATION,
            images=pixels,
        )


def _read(read: Reader, path: Path) -> Exported:
    exported = read(path)
    rule = "A reader must return an Exported for what its exporter wrote"
    require(isinstance(exported, Exported), rule, f"returned {type(exported).__name__}")
    assert exported is not None
    return exported


PROPERTIES = (
    gives_what_the_model_gives,
    says_what_it_reads,
    leaves_other_things_to_others,
    reads_and_writes_nothing,
    refuses_what_is_damaged,
)
