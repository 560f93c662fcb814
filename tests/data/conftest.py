"""Toy image sets: images whose pixels tell which class and which example they are."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stamp_tf.data import ImageSet


def toy_image_set(
    num_classes: int = 4, per_class: int = 10, image_shape: tuple[int, int, int] = (16, 16, 3)
) -> ImageSet:
    """Return noise whose first pixel is the label and whose second is the number within the class."""
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(num_classes, dtype=np.int32), per_class)
    images = rng.integers(0, 256, (len(labels), *image_shape)).astype(np.uint8)
    images[:, 0, 0] = labels[:, None]
    images[:, 0, 1] = np.repeat(np.arange(per_class), num_classes)[:, None]
    return ImageSet(
        images, labels, num_classes, class_names=tuple(f"class {label}" for label in range(num_classes))
    )


@pytest.fixture
def make_image_set() -> Callable[..., ImageSet]:
    return toy_image_set


@pytest.fixture
def image_set() -> ImageSet:
    return toy_image_set()


@pytest.fixture
def write_npz(tmp_path: Path) -> Callable[..., str]:
    """Write an .npz of 4 classes, with the arrays given replaced, or left out where None."""

    def write(**changes: np.ndarray | None) -> str:
        train, test = toy_image_set(), toy_image_set(per_class=3)
        arrays = {
            "x_train": train.images,
            "y_train": train.labels.astype(np.int64),
            "x_test": test.images,
            "y_test": test.labels.astype(np.int64),
            "class_names": np.array(train.class_names),
        }
        arrays.update(changes)
        path = tmp_path / "toy.npz"
        np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
        return f"npz:{path}"

    return write


@pytest.fixture
def write_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write `PREFIX/CLASS/0.png` and so on below a folder, and return it."""

    def write(
        classes: tuple[str, ...] = ("cat", "dog", "eel"),
        *,
        prefix: str = "",
        per_class: int = 5,
        size: tuple[int, int] = (12, 12),
    ) -> Path:
        root = tmp_path / "pictures"
        rng = np.random.default_rng(len(prefix))
        for name in classes:
            (root / prefix / name).mkdir(parents=True)
            for index in range(per_class):
                pixels = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(root / prefix / name / f"{index}.png")
        return root

    return write
