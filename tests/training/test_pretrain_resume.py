"""A killed run of reference training goes on as if nothing had happened, or says why it cannot."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import pytest

from stamp_tf.data import DataSet
from stamp_tf.errors import StampError
from stamp_tf.on_step import OnStep
from stamp_tf.references.reference import Reference
from stamp_tf.storage.run_directory import RunDirectory

# 52 images in batches of 16.
STEPS_PER_EPOCH = 3
Train = Callable[..., Reference]
Check = Callable[[Reference, Reference], None]


class Killed(Exception):
    """Stands for a power cut."""


def kill_at(step: int) -> OnStep:
    def on_step(done: int, total: int, figures: Mapping[str, float]) -> None:
        if done == step:
            raise Killed

    return on_step


@pytest.mark.parametrize(
    "step",
    [STEPS_PER_EPOCH + 1, 2 * STEPS_PER_EPOCH, 2 * STEPS_PER_EPOCH + 2],
    ids=["at the first budget", "before an epoch is saved", "among budgets"],
)
def test_a_killed_run_resumes_bit_for_bit(
    train: Train, assert_same: Check, finished: Any, tmp_path: Path, step: int
) -> None:
    with pytest.raises(Killed):
        train(tmp_path / "run", on_step=kill_at(step))
    assert not RunDirectory(tmp_path / "run").reference.exists()
    # What other work draws in between must not matter.
    keras.utils.set_random_seed(77)
    assert_same(train(tmp_path / "run", resume=True), finished.result)


def test_a_run_killed_before_its_first_state_starts_again(
    train: Train, assert_same: Check, finished: Any, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        train(tmp_path / "run", on_step=kill_at(1))
    assert_same(train(tmp_path / "run", resume=True), finished.result)


def test_a_backbone_with_dropout_resumes_bit_for_bit_too(
    train: Train, assert_same: Check, tmp_path: Path
) -> None:
    options = {"backbone_options": {"dropout": 0.3}, "epochs": 2, "budget_epochs": 0}
    whole = train(tmp_path / "whole", **options)
    with pytest.raises(Killed):
        train(tmp_path / "cut", on_step=kill_at(STEPS_PER_EPOCH + 1), **options)
    keras.utils.set_random_seed(77)
    assert_same(train(tmp_path / "cut", resume=True, **options), whole)


def test_a_finished_run_resumes_to_the_same_end(
    train: Train, assert_same: Check, finished: Any, copied: Path
) -> None:
    assert_same(train(copied, resume=True), finished.result)


@pytest.mark.parametrize(
    "changes",
    [{"seed": 5}, {"backbone_options": {"width": 2.0}}, {"budgets": (0.5, 1.0)}, {"learning_rate": 0.2}],
)
def test_changed_options_are_named(
    train: Train, copied: Path, changes: dict[str, Any], messages_in_python: None
) -> None:
    name = next(iter(changes))
    with pytest.raises(
        StampError, match=rf"resume=True must repeat the options of the run, but {name}\b.* was"
    ):
        train(copied, resume=True, **changes)


def test_another_data_set_on_resume_is_named(train: Train, copied: Path, toy_set: DataSet) -> None:
    other = DataSet("other", toy_set.train, toy_set.test)
    with pytest.raises(StampError, match=r"but --dataset was 'toy' and is 'other'"):
        train(copied, dataset=other, resume=True)


def test_a_run_directory_in_use_is_refused(train: Train, copied: Path) -> None:
    before = sorted(copied.rglob("*"))
    with pytest.raises(StampError, match=r"--run-dir must be new or empty, but .* is not"):
        train(copied)
    assert sorted(copied.rglob("*")) == before


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing"])
def test_damaged_states_are_refused(train: Train, copied: Path, content: bytes) -> None:
    (copied / "reference.npz").unlink()  # or else the run is finished
    for state in (copied / "checkpoints").iterdir():
        state.write_bytes(content)
    with pytest.raises(StampError, match=r"step-\d+.npz is truncated or something else"):
        train(copied, resume=True)


def test_a_state_that_is_no_state_of_training_is_refused(train: Train, copied: Path) -> None:
    for state in (copied / "checkpoints").iterdir():
        state.unlink()
    (copied / "reference.npz").rename(copied / "checkpoints" / "step-00000009.npz")
    with pytest.raises(StampError, match=r"step-00000009.npz is truncated or something else"):
        train(copied, resume=True)
