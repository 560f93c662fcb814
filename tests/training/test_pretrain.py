"""Reference training: what it leaves, and that a killed run goes on as if nothing had happened."""

import importlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from stamp_registry import UnknownName
from stamp_tf.channels import ChannelCut, CostModel, mask_kernels, trace_channels
from stamp_tf.data import DataSet, ImageSet
from stamp_tf.errors import StampError
from stamp_tf.losses import classification_loss, distillation_loss
from stamp_tf.meta.reference import Reference, load_reference
from stamp_tf.runs import RunDirectory
from stamp_tf.training.budget_loss import budget_loss, plain_loss
from stamp_tf.training.pretrain import pretrain
from stamp_tf.training.reference_steps import make_weight_optimizer

BACKBONES = '''
"""Two convolutions, with or without dropout."""

import keras
from keras import layers


def small(input_shape, num_classes, *, width=1.0, dropout=0.0):
    inputs = keras.Input(input_shape, name="image")
    x = layers.Conv2D(round(8 * width), 3, strides=2, name="conv1")(inputs)
    x = layers.ReLU(name="relu1")(layers.BatchNormalization(momentum=0.8, name="norm1")(x))
    x = layers.Conv2D(round(8 * width), 3, name="conv2")(x)
    x = layers.ReLU(name="relu2")(layers.BatchNormalization(momentum=0.8, name="norm2")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(dropout, name="dropout")(x) if dropout else x
    return keras.Model(inputs, layers.Dense(num_classes, name="logits")(x), name="small")
'''
OPTIONS = {"backbone": "small", "epochs": 1, "budget_epochs": 2, "batch_size": 16, "budgets": (0.4, 1.0)}
STEPS_PER_EPOCH = 3
Fields = dict[str, object]


def images(per_class: int, seed: int) -> ImageSet:
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(4, dtype=np.int32), per_class)
    pixels = rng.normal(50 + 50 * labels[:, None, None, None], 15, (len(labels), 12, 12, 3))
    return ImageSet(pixels.clip(0, 255).astype(np.uint8), labels, 4, tuple("abcd"))


@pytest.fixture(scope="module", autouse=True)
def backbones(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Register `small` for the tests of this file."""
    site = tmp_path_factory.mktemp("site")
    metadata = site / "small_backbones-1.0.dist-info"
    metadata.mkdir()
    metadata.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: small-backbones\nVersion: 1.0\n")
    metadata.joinpath("entry_points.txt").write_text("[stamp_tf.backbones]\nsmall = small_backbones:small\n")
    site.joinpath("small_backbones.py").write_text(BACKBONES)
    sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    yield
    sys.path.remove(str(site))
    sys.modules.pop("small_backbones", None)


@pytest.fixture(scope="module")
def dataset() -> DataSet:
    return DataSet("toy", images(13, 0), images(5, 1))


@dataclass(frozen=True)
class Finished:
    """A whole run, made once for the tests that only look at it."""

    result: Reference
    folder: Path
    seen: list[tuple[int, int, dict[str, float]]]


@pytest.fixture(scope="module")
def finished(dataset: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("finished") / "run"
    seen: list[tuple[int, int, dict[str, float]]] = []
    result = pretrain(
        dataset,
        folder,
        on_step=lambda done, total, figures: seen.append((done, total, dict(figures))),
        **OPTIONS,
    )
    return Finished(result, folder, seen)


@pytest.fixture
def copied(finished: Finished, tmp_path: Path) -> Path:
    """Return a copy of the finished run's folder."""
    return Path(shutil.copytree(finished.folder, tmp_path / "copy"))


class Killed(Exception):
    """Stands for a power cut."""


def kill_at(step: int) -> Callable[[int, int, Mapping[str, float]], None]:
    def on_step(done: int, total: int, figures: Mapping[str, float]) -> None:
        if done == step:
            raise Killed

    return on_step


def assert_same(first: Reference, second: Reference) -> None:
    ours, theirs = first.arrays(), second.arrays()
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)
    # JSON knows no tuples.
    assert json.dumps(first.description) == json.dumps(second.description)


def test_it_leaves_a_reference_with_scores_and_figures(finished: Finished) -> None:
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


def test_it_learns(dataset: DataSet, tmp_path: Path) -> None:
    result = pretrain(dataset, tmp_path / "run", **(OPTIONS | {"epochs": 12, "budget_epochs": 0}))
    assert result.description["figures"]["test_accuracy"] > 0.5
    assert result.scores is None


def test_it_tells_of_every_step_and_epoch(finished: Finished) -> None:
    total = 3 * STEPS_PER_EPOCH
    assert [step[:2] for step in finished.seen] == [(done, total) for done in range(1, total + 1)]
    assert set(finished.seen[0][2]) == {"loss", "accuracy", "images"}
    assert set(finished.seen[-1][2]) == {
        "loss",
        "accuracy",
        "masked_loss",
        "masked_accuracy",
        "keep_ratio",
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
    finished: Finished, dataset: DataSet, tmp_path: Path
) -> None:
    keras.utils.set_random_seed(77)
    assert_same(pretrain(dataset, tmp_path / "same", **OPTIONS), finished.result)
    other = pretrain(dataset, tmp_path / "other", seed=1, **OPTIONS)
    assert not np.array_equal(other.scores, finished.result.scores)


@pytest.mark.parametrize(
    "step",
    [STEPS_PER_EPOCH + 1, 2 * STEPS_PER_EPOCH, 2 * STEPS_PER_EPOCH + 2],
    ids=["at the first budget", "before an epoch is saved", "among budgets"],
)
def test_a_killed_run_resumes_bit_for_bit(
    finished: Finished, dataset: DataSet, tmp_path: Path, step: int
) -> None:
    with pytest.raises(Killed):
        pretrain(dataset, tmp_path / "run", on_step=kill_at(step), **OPTIONS)
    assert not RunDirectory(tmp_path / "run").reference.exists()
    # What other work draws in between must not matter.
    keras.utils.set_random_seed(77)
    assert_same(pretrain(dataset, tmp_path / "run", resume=True, **OPTIONS), finished.result)


def test_a_run_killed_before_its_first_state_starts_again(
    finished: Finished, dataset: DataSet, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        pretrain(dataset, tmp_path / "run", on_step=kill_at(1), **OPTIONS)
    assert_same(pretrain(dataset, tmp_path / "run", resume=True, **OPTIONS), finished.result)


def test_a_backbone_with_dropout_resumes_bit_for_bit_too(dataset: DataSet, tmp_path: Path) -> None:
    options = OPTIONS | {"backbone_options": {"dropout": 0.3}, "epochs": 2, "budget_epochs": 0}
    whole = pretrain(dataset, tmp_path / "whole", **options)
    with pytest.raises(Killed):
        pretrain(dataset, tmp_path / "cut", on_step=kill_at(STEPS_PER_EPOCH + 1), **options)
    keras.utils.set_random_seed(77)
    assert_same(pretrain(dataset, tmp_path / "cut", resume=True, **options), whole)


def test_a_finished_run_resumes_to_the_same_end(finished: Finished, dataset: DataSet, copied: Path) -> None:
    assert_same(pretrain(dataset, copied, resume=True, **OPTIONS), finished.result)


@pytest.mark.parametrize(
    "changes",
    [{"seed": 5}, {"backbone_options": {"width": 2.0}}, {"budgets": (0.5, 1.0)}, {"learning_rate": 0.2}],
)
def test_changed_options_are_named(dataset: DataSet, copied: Path, changes: Fields) -> None:
    name = next(iter(changes))
    with pytest.raises(StampError, match=rf"--resume must repeat the options of the run, but {name} was"):
        pretrain(dataset, copied, resume=True, **(OPTIONS | changes))


def test_another_data_set_on_resume_is_named(dataset: DataSet, copied: Path) -> None:
    other = DataSet("other", dataset.train, dataset.test)
    with pytest.raises(StampError, match=r"but dataset was 'toy' and is 'other'"):
        pretrain(other, copied, resume=True, **OPTIONS)


def test_a_run_directory_in_use_is_refused(dataset: DataSet, copied: Path) -> None:
    before = sorted(copied.rglob("*"))
    with pytest.raises(StampError, match=r"--run-dir must be new or empty, but .* is not"):
        pretrain(dataset, copied, **OPTIONS)
    assert sorted(copied.rglob("*")) == before


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing"])
def test_a_damaged_state_is_refused(dataset: DataSet, copied: Path, content: bytes) -> None:
    state = max((copied / "checkpoints").iterdir())
    state.write_bytes(content)
    with pytest.raises(StampError, match=rf"{state.name} is truncated or something else"):
        pretrain(dataset, copied, resume=True, **OPTIONS)


def test_a_state_that_is_no_state_of_training_is_refused(
    finished: Finished, dataset: DataSet, copied: Path
) -> None:
    shutil.copy(copied / "reference.npz", copied / "checkpoints" / "step-00000009.npz")
    with pytest.raises(StampError, match=r"must hold the optimizer's optimizer/0"):
        pretrain(dataset, copied, resume=True, **OPTIONS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0, "budget_epochs": 0}, "--epochs and --budget-epochs must be 0 or more and at least 1"),
        ({"epochs": -1}, "--epochs and --budget-epochs must be 0 or more"),
        ({"budgets": (0.0, 1.0)}, "--budgets must be LOW:HIGH with 0 < LOW <= HIGH <= 1, but got 0:1"),
        ({"budgets": (0.1, 1.5)}, "--budgets must be LOW:HIGH with 0 < LOW <= HIGH <= 1, but got 0.1:1.5"),
        ({"learning_rate": 0.0}, "--learning-rate must be above 0"),
        ({"batch_size": 0}, "--batch-size must be at least 1, but is 0"),
        ({"backbone_options": {"depth": 1}}, "--backbone small must accept its options"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(
    dataset: DataSet, tmp_path: Path, changes: Fields, message: str
) -> None:
    with pytest.raises(StampError, match=message):
        pretrain(dataset, tmp_path / "run", **(OPTIONS | changes))
    assert not (tmp_path / "run").exists()


def test_an_unknown_backbone_is_refused(dataset: DataSet, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'small'"):
        pretrain(dataset, tmp_path / "run", **(OPTIONS | {"backbone": "smal"}))
    assert not (tmp_path / "run").exists()


def test_full_budgets_are_the_start_of_a_ranking(
    finished: Finished, dataset: DataSet, tmp_path: Path
) -> None:
    """Budget epochs alone go on from a reference, with its scores."""
    options = OPTIONS | {"epochs": 0, "budget_epochs": 1, "budget_learning_rate": 1e-6}
    result = pretrain(dataset, tmp_path / "run", start=finished.folder, **options)
    correlation = np.corrcoef(result.scores, finished.result.scores)[0, 1]
    assert correlation > 0.999


class Toy:
    """A small network with what its losses take."""

    def __init__(self) -> None:
        keras.utils.set_random_seed(0)
        inputs = keras.Input((8, 8, 3))
        x = keras.layers.Conv2D(6, 3, name="conv")(inputs)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(name="norm")(x))
        x = keras.layers.GlobalAveragePooling2D()(x)
        self.model = keras.Model(inputs, keras.layers.Dense(4, name="logits")(x))
        channel_map = trace_channels(self.model)
        self.cut = ChannelCut(channel_map, CostModel(self.model, channel_map))
        self.weights = [variable.value for variable in self.model.trainable_variables]
        self.statistics = [variable.value for variable in self.model.non_trainable_variables]
        rng = np.random.default_rng(0)
        self.images = rng.normal(size=(9, 8, 8, 3)).astype("float32")
        self.labels = rng.integers(0, 4, 9).astype("int32")
        self.scores = tf.constant(rng.normal(size=6).astype("float32"))

    def budget_loss(self, scores: tf.Tensor, max_flops: float) -> tuple:
        limits = np.array([np.inf, max_flops], "float32")
        middle = np.full(6, 0.5, "float32")  # No noise.
        return budget_loss(
            self.model,
            self.cut,
            self.weights,
            scores,
            self.statistics,
            self.images,
            self.labels,
            limits,
            middle,
        )


def test_the_loss_at_a_budget_is_full_plus_half_taught_plus_half_labelled() -> None:
    toy = Toy()
    loss, (statistics, figures) = toy.budget_loss(toy.scores, 0.5)
    full, (full_statistics, _) = plain_loss(toy.model, toy.weights, toy.statistics, toy.images, toy.labels)
    logits, _ = toy.model.stateless_call(toy.weights, toy.statistics, toy.images, training=True)
    mask = toy.cut.straight_through(toy.scores, tf.constant([np.inf, 0.5]))
    paths = [variable.path for variable in toy.model.trainable_variables]
    masked_weights = mask_kernels(toy.cut.channel_map, paths, toy.weights, mask)
    masked, _ = toy.model.stateless_call(masked_weights, toy.statistics, toy.images, training=True)
    expected = full + 0.5 * distillation_loss(masked, logits) + 0.5 * classification_loss(masked, toy.labels)
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)
    assert float(figures["keep_ratio"]) == pytest.approx(float(tf.reduce_mean(mask)))
    # Only the full network moves the statistics.
    for ours, theirs in zip(statistics, full_statistics, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_scores_learn_from_the_masked_network() -> None:
    toy = Toy()
    with tf.GradientTape() as tape:
        tape.watch(toy.scores)
        loss, _ = toy.budget_loss(toy.scores, 0.5)
    gradient = tape.gradient(loss, toy.scores)
    assert np.abs(gradient).max() > 0
    # A common shift changes nothing, so the pushes add up to nothing.
    assert abs(float(tf.reduce_sum(gradient))) < 1e-6


def test_decay_spares_biases_and_normalisation() -> None:
    model = Toy().model
    optimizer = make_weight_optimizer(weight_decay=0.1)
    optimizer.learning_rate = 1.0
    optimizer.build(model.trainable_variables)
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    optimizer.apply(
        [tf.zeros(variable.shape) for variable in model.trainable_variables], model.trainable_variables
    )
    decayed = {v.path for v in model.trainable_variables if not np.allclose(v, 1)}
    assert decayed == {"conv/kernel", "logits/kernel"}
