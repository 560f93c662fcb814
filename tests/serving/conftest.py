"""A toy network that left, and pictures for it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stamp_tf.export.keras_file import export_keras
from stamp_tf.testing.exporter import CLASS_NAMES, NORMALIZATION, toy_network


@pytest.fixture(scope="session")
def toy_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "toy.keras"
    return export_keras(toy_network(), path, class_names=CLASS_NAMES, normalization=NORMALIZATION)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with `a.png`, `b.jpg` and `below/c.png`, each of another size and colour, and a text."""
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, size in (("a.png", (20, 11, 3)), ("b.jpg", (8, 8, 3)), ("below/c.png", (30, 40))):
        Image.fromarray(rng.integers(0, 256, size).astype(np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    return folder
