"""A toy backbone, toy images, and a whole run of reference training on them."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from stamp_tf.data import DataSet, ImageSet
from stamp_tf.references.reference import Reference
from stamp_tf.training.pretrain import pretrain

OPTIONS = {"backbone": "small", "epochs": 1, "budget_epochs": 2, "batch_size": 16, "budgets": (0.4, 1.0)}
Train = Callable[..., Reference]
OnPath = Callable[[Path], AbstractContextManager[None]]


def toy_images(per_class: int, seed: int) -> ImageSet:
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(4, dtype=np.int32), per_class)
    pixels = rng.normal(50 + 50 * labels[:, None, None, None], 15, (len(labels), 12, 12, 3))
    return ImageSet(pixels.clip(0, 255).astype(np.uint8), labels, 4, class_names=tuple("abcd"))


@pytest.fixture(scope="session")
def toy_set() -> DataSet:
    return DataSet("toy", toy_images(13, 0), toy_images(5, 1))


@pytest.fixture(scope="session")
def small_site(toy_package: Callable[..., Path]) -> Path:
    """Return a folder that, once on the path, declares the backbone `small`."""
    return toy_package("small-backbones", {"small": "small"})


@pytest.fixture
def small_backbone(small_site: Path, on_path: OnPath) -> Iterator[None]:
    """Make the backbone `small` known for the length of a test."""
    with on_path(small_site):
        yield


@pytest.fixture
def train(toy_set: DataSet, small_backbone: None) -> Train:
    """Train the toy: `train(run_dir, seed=1)`, one epoch alone and two at budgets unless told otherwise."""

    def run(run_dir: Path, *, dataset: DataSet = toy_set, **changes: object) -> Reference:
        return pretrain(dataset, run_dir, **(OPTIONS | changes))

    return run


@dataclass(frozen=True)
class Finished:
    """A whole run, made once for the tests that only look at it; not to be changed."""

    result: Reference
    folder: Path
    seen: list[tuple[int, int, dict[str, float]]]


@pytest.fixture(scope="session")
def finished(
    toy_set: DataSet, small_site: Path, on_path: OnPath, tmp_path_factory: pytest.TempPathFactory
) -> Finished:
    folder = tmp_path_factory.mktemp("finished") / "run"
    seen: list[tuple[int, int, dict[str, float]]] = []
    with on_path(small_site):
        result = pretrain(
            toy_set,
            folder,
            on_step=lambda done, total, figures: seen.append((done, total, dict(figures))),
            **OPTIONS,
        )
    return Finished(result, folder, seen)


@pytest.fixture
def copied(finished: Finished, tmp_path: Path) -> Path:
    """Return a copy of the finished run's folder."""
    return Path(shutil.copytree(finished.folder, tmp_path / "copy"))


def same_references(first: Reference, second: Reference) -> None:
    ours, theirs = first.arrays(), second.arrays()
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)
    # JSON knows no tuples.
    assert json.dumps(first.description) == json.dumps(second.description)


@pytest.fixture
def assert_same() -> Callable[[Reference, Reference], None]:
    """Return a check that two references hold the same weights, scores and description."""
    return same_references
