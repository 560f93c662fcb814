"""Reference training: what it leaves and tells, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from stamp_registry import UnknownName
from stamp_tf.data import DataSet, ImageSet, load_dataset
from stamp_tf.errors import StampError
from stamp_tf.references.reference import Reference
from stamp_tf.references.reference_file import load_reference
from stamp_tf.storage.run_directory import RunDirectory

NUM_STEPS = 9
Train = Callable[..., Reference]
Check = Callable[[Reference, Reference], None]


@pytest.mark.usefixtures("small_backbone")
def test_it_leaves_a_reference_with_scores_and_figures(assert_same: Check, finished: Any) -> None:
    loaded = load_reference(RunDirectory(finished.folder).reference)
    assert_same(loaded, finished.result)
    assert loaded.scores.shape == (16,)
    figures = loaded.description["figures"]
    assert set(figures) == {
        "test_accuracy",
        "test_accuracy_at_0.5",
        "test_accuracy_at_0.25",
        "test_accuracy_at_0.1",
    }


def test_it_learns(train: Train, tmp_path: Path) -> None:
    result = train(tmp_path / "run", epochs=12, budget_epochs=0)
    assert result.description["figures"]["test_accuracy"] > 0.5
    assert result.scores is None


def test_in_bfloat16_it_learns_as_well_and_leaves_float32(
    train: Train, finished: Any, tmp_path: Path
) -> None:
    result = train(tmp_path / "run", epochs=12, mixed_precision=True)
    assert result.description["figures"]["test_accuracy"] > 0.5
    assert {layer.compute_dtype for layer in result.model.layers} == {"float32"}
    assert np.ptp(result.scores) > 0
    # It was not float32 that it was trained in.
    alike = train(tmp_path / "alike", mixed_precision=True)
    assert np.abs(alike.scores - finished.result.scores).max() > 1e-6


def test_images_that_are_changed_further_make_another_reference(
    train: Train, finished: Any, assert_same: Check, tmp_path: Path
) -> None:
    first, second = (train(tmp_path / name, augment="rand") for name in ("first", "second"))
    assert_same(first, second)
    assert np.abs(first.scores - finished.result.scores).max() > 1e-6


def test_it_tells_of_every_step_and_epoch(finished: Any) -> None:
    assert [step[:2] for step in finished.seen] == [(done, NUM_STEPS) for done in range(1, NUM_STEPS + 1)]
    assert set(finished.seen[0][2]) == {"loss", "accuracy", "gradient_norm", "images"}
    assert set(finished.seen[-1][2]) == {
        "loss",
        "accuracy",
        "masked_loss",
        "masked_accuracy",
        "keep_ratio",
        "gradient_norm",
        "images",
    }
    run = RunDirectory(finished.folder)
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    assert [line.get("epoch") for line in lines] == [1, 2, 3, None]
    assert {"loss", "accuracy", "seconds", "test_accuracy"} <= lines[0].keys()
    assert "masked_loss" in lines[1]
    assert lines[3]["final"] == finished.result.description["figures"]
    config = run.read_config()
    assert config["command"] == "pretrain"
    assert config["budgets"] == [0.4, 1.0]


def test_the_same_seed_gives_the_same_weights_and_another_one_others(
    train: Train, assert_same: Check, finished: Any, tmp_path: Path
) -> None:
    keras.utils.set_random_seed(77)
    assert_same(train(tmp_path / "same"), finished.result)
    other = train(tmp_path / "other", seed=1)
    assert not np.array_equal(other.scores, finished.result.scores)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0, "budget_epochs": 0}, "--epochs and --budget-epochs must be 0 or more and at least 1"),
        ({"epochs": -1}, "epochs must be 0 or more"),
        (
            {"also": "rendred"},
            "--also must be one of .* but is 'rendred'; check the name. Did you mean 'rendered'?",
        ),
        ({"budgets": (0.0, 1.0)}, "--budgets must be LOW:HIGH with 0 < LOW <= HIGH <= 1, but got 0:1"),
        ({"budgets": (0.1, 1.5)}, "--budgets must be LOW:HIGH with 0 < LOW <= HIGH <= 1, but got 0.1:1.5"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, but is 0"),
        ({"backbone_options": {"depth": 1}}, "--backbone small must accept its options"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(
    train: Train, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(StampError, match=message):
        train(tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_an_unknown_backbone_is_refused(train: Train, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'small'"):
        train(tmp_path / "run", backbone="smal")
    assert not (tmp_path / "run").exists()


def test_full_budgets_are_the_start_of_a_ranking(train: Train, finished: Any, tmp_path: Path) -> None:
    """Budget epochs alone go on from a reference, with its scores."""
    result = train(
        tmp_path / "run", start=finished.folder, epochs=0, budget_epochs=1, budget_learning_rate=1e-6
    )
    correlation = np.corrcoef(result.scores, finished.result.scores)[0, 1]
    assert correlation > 0.999


def test_budgets_that_cannot_be_reached_are_refused_before_training(train: Train, tmp_path: Path) -> None:
    with pytest.raises(
        StampError, match=r"--budgets must be reachable, but the smallest network has 0\.\d+ of the FLOPs and"
    ):
        train(tmp_path / "run", budgets=(0.001, 0.002))
    assert not list(tmp_path.iterdir())


def test_budgets_below_the_smallest_network_are_told(
    train: Train, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(tmp_path / "run", budgets=(0.1, 1.0), epochs=0, budget_epochs=1)
    assert "budgets from 0.1 to there train that one" in caplog.text


def test_a_finished_run_is_not_trained_again(train: Train, finished: Any, assert_same: Check) -> None:
    run = RunDirectory(finished.folder)
    before = run.metrics.read_bytes(), run.reference.read_bytes()
    assert_same(train(finished.folder, resume=True), finished.result)
    assert (run.metrics.read_bytes(), run.reference.read_bytes()) == before


def test_a_reference_knows_its_classes_and_finds_its_data_from_anywhere(
    train: Train, toy_set: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = {"class_names": np.array(toy_set.class_names)}
    for name, part in (("train", toy_set.train), ("test", toy_set.test)):
        arrays |= {f"x_{name}": part.images, f"y_{name}": part.labels}
    np.savez(tmp_path / "toy.npz", **arrays)
    monkeypatch.chdir(tmp_path)
    dataset = load_dataset("npz:toy.npz")
    description = train(tmp_path / "run", dataset=dataset, epochs=1, budget_epochs=0).description
    assert description["class_names"] == ["a", "b", "c", "d"]
    assert description["dataset"] == f"npz:{tmp_path}/toy.npz"


def test_going_on_keeps_the_order_of_the_classes(
    train: Train, toy_set: DataSet, finished: Any, tmp_path: Path
) -> None:
    turned = DataSet(
        "turned",
        *(
            ImageSet(part.images, (part.labels + 1) % 4, 4, class_names=("d", "a", "b", "c"))
            for part in (toy_set.train, toy_set.test)
        ),
    )
    further = {"start": finished.folder, "epochs": 0, "budget_epochs": 1}
    first = train(tmp_path / "first", **further)
    second = train(tmp_path / "second", dataset=turned, **further)
    assert second.description["class_names"] == ["a", "b", "c", "d"]
    assert second.description["figures"] == first.description["figures"]


def test_what_is_trained_on_besides_leaves_no_outputs_behind(train: Train, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(24, dtype="int32") % 2
    np.savez(
        tmp_path / "other.npz",
        **{f"x_{part}": rng.integers(0, 256, (24, 12, 12, 3), "uint8") for part in ("train", "test")},
        y_train=labels,
        y_test=labels,
    )
    steps = []
    result = train(
        tmp_path / "run",
        also=f"npz:{tmp_path}/other.npz",
        epochs=3,
        on_step=lambda done, total, figures: steps.append(figures["images"]),
    )
    # 52 images of one set and 24 of the other make four batches of 16 and leave 12 for later.
    assert steps == [16] * 4 * 5
    assert result.backbone.num_classes == 4
    assert result.model.output_shape == (None, 4)
    assert result.description["class_names"] == list("abcd")
    assert result.description["figures"]["test_accuracy"] > 0.25
    loaded = load_reference(RunDirectory(tmp_path / "run").reference)
    assert loaded.model.output_shape == (None, 4)
    # A finished run is given back as it is; with other images besides it is another run.
    again = {"also": f"npz:{tmp_path}/other.npz", "epochs": 3, "resume": True}
    assert train(tmp_path / "run", **again).backbone.num_classes == 4
    with pytest.raises(StampError, match="but --also is another one now"):
        train(tmp_path / "run", epochs=3, resume=True)
    np.savez(tmp_path / "other.npz", x_train=rng.integers(0, 256, (24, 12, 12, 3), "uint8"), y_train=labels)
    with pytest.raises(StampError, match="but --also is another one now"):
        train(tmp_path / "run", **again)
