"""What every exporter must do."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from stamp_tf.data import Normalization
from stamp_tf.export.contract import Exporter
from stamp_tf.testing.require import array, require, require_close, require_equal, require_refused, try_all

SHAPE = (8, 8, 3)
CLASS_NAMES = ("cat", "straße", "dog, wet")
NORMALIZATION = Normalization((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))

Reader = Callable[[Path, np.ndarray], np.ndarray]
"""From what was written, and uint8 pixels [B, H, W, D], to the logits that it gives."""


def check_exporter(export: Exporter, *, suffix: str = "", read: Reader | None = None) -> None:
    """Hold an exporter to its contract.

    Args:
        export: The exporter.
        suffix: The ending that its format insists on, such as `.keras`.
        read: From the path of what was written and pixels, uint8 `[B, H, W, D]`, to logits `[B, classes]`; None where
            the format is read by other programs alone.

    Raises:
        AssertionError: If it breaks a rule; the message says which.
    """
    try_all(PROPERTIES, export, suffix=suffix, read=read)


def writes_where_it_is_told_and_nothing_else(
    export: Exporter, *, suffix: str = "", read: Reader | None = None
) -> None:
    """In a folder that is not there yet."""
    with _target(suffix) as target:
        require_equal(write(export, toy_network(), target), target, "An exporter must return where it wrote")
        _require_alone(target)


def gives_what_the_model_gives(export: Exporter, *, suffix: str = "", read: Reader | None = None) -> None:
    """Pixels go in as they are: scaling is part of what is written."""
    if read is None:
        return
    with _target(suffix) as target:
        model = toy_network()
        logits = read(write(export, model, target), pixels())
        rule = "What was written must give the logits of the model"
        require_close(logits, expected_logits(model), rule, tolerance=1e-5)


def replaces_an_earlier_export(export: Exporter, *, suffix: str = "", read: Reader | None = None) -> None:
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
            require_close(read(target, pixels()), expected_logits(second), rule, tolerance=1e-5)


def leaves_the_model_as_it_is(export: Exporter, *, suffix: str = "", read: Reader | None = None) -> None:
    """The user goes on with it."""
    with _target(suffix) as target:
        model = toy_network()
        model.compile("sgd", "mse")
        before = model.get_weights()
        write(export, model, target)
        require(model.compiled, "A compiled model must stay so", "is no longer")
        for old, new in zip(before, model.get_weights(), strict=True):
            require_close(new, old, "An exporter must leave the weights alone")


def refuses_parts_that_do_not_fit(export: Exporter, *, suffix: str = "", read: Reader | None = None) -> None:
    """Before anything is written or replaced; `check_exportable` has the words."""
    wrong = (
        (("a", "b"), NORMALIZATION, "class_names must hold one name per class (3), but has 2"),
        (CLASS_NAMES, Normalization((0.5,), (0.2,)), "one mean and std per image channel (3)"),
    )
    for class_names, normalization, words in wrong:
        with _target(suffix) as target:

            def refused(
                target: Path = target,
                class_names: tuple[str, ...] = class_names,
                normalization: Normalization = normalization,
            ) -> Path:
                return export(toy_network(), target, class_names=class_names, normalization=normalization)

            rule = "Parts that do not fit the model must be refused"
            require_refused(refused, rule, words=words)
            require(not target.parent.exists(), "What is refused must write nothing", "a folder was made")
            write(export, toy_network(), target)
            before = content(target.parent)
            require_refused(refused, rule, words=words)
            require(content(target.parent) == before, "What is refused must replace nothing", "it did")


def write(export: Exporter, model: keras.Model, path: Path) -> Path:
    """Write the toy network with its classes and normalisation.

    Args:
        export: The exporter.
        model: Of `toy_network`.
        path: Where to.
    """
    return export(model, path, class_names=CLASS_NAMES, normalization=NORMALIZATION)


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
