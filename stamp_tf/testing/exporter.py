"""What every exporter must do."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from stamp_tf.data import Normalization
from stamp_tf.export.contract import Exporter, call_exporter
from stamp_tf.testing.require import array, require, require_close, require_equal, require_refused, try_all

SHAPE = (8, 8, 3)
CLASS_NAMES = ("cat", "straße", "dog, wet")
NORMALIZATION = Normalization((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))

Reader = Callable[[Path, np.ndarray], np.ndarray]
"""From what was written, and uint8 pixels [B, H, W, D], to the logits that it gives."""


def check_exporter(
    export: Exporter, *, suffix: str = "", read: Reader | None = None, tolerance: float = 1e-5
) -> None:
    """Hold an exporter to its contract.

    Args:
        export: The exporter.
        suffix: The ending that its format insists on, such as `.keras`.
        read: From the path of what was written and pixels, uint8 `[B, H, W, D]`, to logits `[B, classes]`, or to
            their softmax; None where the format is read by other programs alone.
        tolerance: How far off what it gives may be; a format of 8 bits is further off than one of floating-point
            numbers.

    Raises:
        AssertionError: If it breaks a rule; the message says which.
    """
    try_all(PROPERTIES, export, suffix=suffix, read=read, tolerance=tolerance)


def writes_where_it_is_told_and_nothing_else(
    export: Exporter, *, suffix: str = "", read: Reader | None = None, tolerance: float = 1e-5
) -> None:
    """In a folder that is not there yet."""
    with _target(suffix) as target:
        require_equal(write(export, toy_network(), target), target, "An exporter must return where it wrote")
        _require_alone(target)


def gives_what_the_model_gives(
    export: Exporter, *, suffix: str = "", read: Reader | None = None, tolerance: float = 1e-5
) -> None:
    """Pixels go in as they are: scaling is part of what is written."""
    if read is None:
        return
    with _target(suffix) as target:
        model = toy_network()
        written = write(export, model, target)
        rule = "What was written must give the logits of the model, or their softmax"
        # Some runtimes plan for the first number of images that they see.
        for images in (pixels(), pixels()[:1]):
            _require_given(read(written, images), model, rule, tolerance=tolerance)


def replaces_an_earlier_export(
    export: Exporter, *, suffix: str = "", read: Reader | None = None, tolerance: float = 1e-5
) -> None:
    """Nothing of the first is left."""
    with _target(suffix) as target:
        first, second = toy_network(seed=0), toy_network(seed=1)
        write(export, first, target)
        before = content(target.parent)
        write(export, second, target)
        _require_alone(target)
        rule = "An earlier export must be replaced"
        require(content(target.parent) != before, rule, "the bytes stayed the same")
        if read is not None:
            _require_given(read(target, pixels()), second, rule, tolerance=tolerance)


def leaves_the_model_as_it_is(
    export: Exporter, *, suffix: str = "", read: Reader | None = None, tolerance: float = 1e-5
) -> None:
    """The user goes on with it."""
    with _target(suffix) as target:
        model = toy_network()
        model.compile("sgd", "mse")
        before = model.get_weights()
        write(export, model, target)
        require(model.compiled, "A compiled model must stay so", "is no longer")
        for old, new in zip(before, model.get_weights(), strict=True):
            require_close(new, old, "An exporter must leave the weights alone")


def refuses_parts_that_do_not_fit(
    export: Exporter, *, suffix: str = "", read: Reader | None = None, tolerance: float = 1e-5
) -> None:
    """Before anything is written or replaced; `check_exportable` has the words."""
    wrong = (
        (("a", "b"), NORMALIZATION, "class_names must hold one name per class (3), but has 2"),
        (CLASS_NAMES, Normalization((0.5,), (0.2,)), "one mean and std per image channel (3)"),
    )
    rule = "Parts that do not fit the model must be refused"
    with _target(suffix) as target:

        def refuse_all() -> None:
            for class_names, normalization, words in wrong:
                refused = partial(
                    call_exporter,
                    export,
                    toy_network(),
                    target,
                    class_names=class_names,
                    normalization=normalization,
                    images=pixels,
                )
                require_refused(refused, rule, words=words)

        refuse_all()
        require(not target.parent.exists(), "What is refused must write nothing", "a folder was made")
        write(export, toy_network(), target)
        before = content(target.parent)
        refuse_all()
        require(content(target.parent) == before, "What is refused must replace nothing", "it did")


def write(export: Exporter, model: keras.Model, path: Path) -> Path:
    """Write the toy network with its classes and normalisation.

    Args:
        export: The exporter.
        model: Of `toy_network`.
        path: Where to.
    """
    return call_exporter(
        export, model, path, class_names=CLASS_NAMES, normalization=NORMALIZATION, images=pixels
    )


def toy_network(*, seed: int = 0) -> keras.Model:
    """Build a convolution, a normalisation with moved statistics, dropout and three logits.

    Args:
        seed: Of the weights.
    """
    keras.utils.set_random_seed(seed)
    inputs = keras.Input(SHAPE, name="pixels")
    x = keras.layers.Conv2D(4, 3, name="conv")(inputs)
    x = keras.layers.BatchNormalization(moving_mean_initializer="ones", name="norm")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(keras.layers.ReLU(name="relu")(x))
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(x), name="toy")


def pixels() -> np.ndarray:
    """Return five images, uint8 `[5, 8, 8, 3]`."""
    return np.random.default_rng(0).integers(0, 256, (5, *SHAPE)).astype("uint8")


def expected_logits(model: keras.Model) -> np.ndarray:
    """Return what a model gives for `pixels`, `[5, 3]`.

    Args:
        model: Of `toy_network`.
    """
    return array(model(NORMALIZATION(pixels()), training=False))


def content(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder by its path.

    Args:
        folder: Where to look.
    """
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _require_given(received: Any, model: keras.Model, rule: str, *, tolerance: float) -> None:
    """Hold what a reader gave for the first pixels to logits, or to probabilities, which are told by their sum."""
    given = array(received)
    expected = expected_logits(model)[: len(given)]
    if given.shape == expected.shape and np.allclose(given.sum(axis=1), 1, atol=max(tolerance, 1e-4)):
        expected = array(keras.ops.softmax(expected))
    require_close(given, expected, rule, tolerance=tolerance)


def _require_alone(target: Path) -> None:
    found = sorted(path.name for path in target.parent.iterdir()) if target.parent.is_dir() else []
    require_equal(found, [target.name], "An exporter must write its target and leave nothing beside it")


@contextmanager
def _target(suffix: str) -> Iterator[Path]:
    """Yield where to write, in a folder that is not there yet."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "new" / f"network{suffix}"


PROPERTIES = (
    writes_where_it_is_told_and_nothing_else,
    gives_what_the_model_gives,
    replaces_an_earlier_export,
    leaves_the_model_as_it_is,
    refuses_parts_that_do_not_fit,
)
