"""Reference training with masks made for small tasks."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from stamp_tf.data import DataSet, Normalization
from stamp_tf.errors import StampError
from stamp_tf.references.reference import Reference, load_reference
from stamp_tf.storage.runs import RunDirectory

Train = Callable[..., Reference]
Check = Callable[[Reference, Reference], None]
TASKS = {"mask_generator": "class-separation"}


class Killed(Exception):
    """Stands for a power cut."""


@pytest.fixture(scope="module")
def trained_once() -> dict[str, Any]:
    return {}


@pytest.fixture
def trained(train: Train, trained_once: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a finished run and its folder, made once; not to be changed."""
    if not trained_once:
        folder = tmp_path_factory.mktemp("tasks") / "run"
        trained_once.update(result=train(folder, **TASKS), folder=folder)
    return trained_once


def test_it_leaves_a_reference_that_makes_masks_from_labelled_sets(
    trained: Any, assert_same: Check, toy_set: DataSet
) -> None:
    reference = load_reference(RunDirectory(trained["folder"]).reference)
    assert_same(reference, trained["result"])
    assert reference.needs_classes
    generator = reference.mask_generator
    np.testing.assert_array_equal(generator.base_scores, reference.scores)
    assert np.ptp(generator.gains) > 0  # learnt
    assert np.any(generator.reference_separation.numpy() != 0)
    few = toy_set.train.labels < 2
    normalization = Normalization.of(toy_set.train)
    scores = reference.propose_scores(
        toy_set.train.images[few], normalization=normalization, labels=toy_set.train.labels[few]
    )
    assert np.abs(scores - reference.scores).max() > 0.01


@pytest.mark.parametrize("step", [4, 8])
def test_a_killed_run_resumes_bit_for_bit(
    train: Train, assert_same: Check, trained: Any, tmp_path: Path, step: int
) -> None:
    def kill(done: int, total: int, figures: Mapping[str, float]) -> None:
        if done == step:
            raise Killed

    with pytest.raises(Killed):
        train(tmp_path / "run", on_step=kill, **TASKS)
    keras.utils.set_random_seed(77)
    assert_same(train(tmp_path / "run", resume=True, **TASKS), trained["result"])


def test_going_on_keeps_what_the_generator_learnt(train: Train, trained: Any, tmp_path: Path) -> None:
    before = trained["result"].mask_generator.gains.numpy()
    # So small a rate moves nothing.
    after = train(
        tmp_path / "run",
        start=trained["folder"],
        epochs=0,
        budget_epochs=1,
        budget_learning_rate=1e-6,
        **TASKS,
    )
    np.testing.assert_allclose(after.mask_generator.gains, before, atol=1e-4)
    assert not np.allclose(before, 0.2, atol=1e-4)
    np.testing.assert_allclose(np.diff(after.scores), np.diff(trained["result"].scores), atol=1e-3)


def test_a_generator_that_reads_no_classes_is_refused(train: Train, tmp_path: Path) -> None:
    with pytest.raises(
        StampError, match=r"--mask-generator must read the classes.*score does not.*class-separation"
    ):
        train(tmp_path / "run", mask_generator="score")
    assert not (tmp_path / "run").exists()


def test_a_generator_without_epochs_at_budgets_is_refused(train: Train, tmp_path: Path) -> None:
    with pytest.raises(
        StampError, match="--mask-generator needs epochs at budgets, but --budget-epochs is 0"
    ):
        train(tmp_path / "run", budget_epochs=0, **TASKS)
