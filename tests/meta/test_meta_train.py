"""Meta-training: the outer loop, its state on disk, and going on from there."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest

from stamp_tf.channels import Budget, TracedNetwork
from stamp_tf.data import DataSet, ImageSet, Normalization, random_part
from stamp_tf.errors import DivergenceError, StampError
from stamp_tf.meta import outer_loop
from stamp_tf.meta.meta_train import meta_train
from stamp_tf.on_step import OnStep
from stamp_tf.options.meta_train import MetaTrainConfig
from stamp_tf.references.backbone_config import BackboneConfig
from stamp_tf.references.reference import Reference
from stamp_tf.references.reference_file import load_reference
from stamp_tf.storage.run_directory import RunDirectory

pytestmark = pytest.mark.usefixtures("backbones", "eagerly")

SHAPE = (8, 8, 3)
OPTIONS = {
    "set_encoder": "deep-sets",
    "set_encoder_options": {"width": 8, "resolution": 4},
    "outer_steps": 3,
    "tasks": 2,
    "ways": 3,
    "shots": 4,
    "inner_batches": 2,
    "budgets": (0.3, 1.0),
}
Fields = dict[str, object]


def make_reference(dataset: DataSet, backbone: str = "tiny") -> Reference:
    keras.utils.set_random_seed(3)
    config = BackboneConfig(name=backbone, input_shape=SHAPE, num_classes=6)
    network = TracedNetwork.of(config.build())
    num_channels = network.channel_map.num_channels
    return Reference(
        backbone=config,
        network=network,
        normalization=Normalization.of(dataset.train),
        scores=np.random.default_rng(0).normal(size=num_channels).astype("float32"),
        description={"dataset": "toy"},
    )


def start(dataset: DataSet, folder: Path, *, backbone: str = "tiny", **options: object) -> Reference:
    """Meta-train a toy reference in a folder."""
    flags = {name: options.pop(name) for name in ("resume", "overwrite", "on_step") if name in options}
    config = MetaTrainConfig(**(OPTIONS | options))
    return meta_train(dataset, make_reference(dataset, backbone), folder, config=config, **flags)


@dataclass(frozen=True)
class Finished:
    """A whole run, made once for the tests that only look at it."""

    result: Reference
    folder: Path
    seen: list[tuple[int, int, dict[str, float]]]


@pytest.fixture(scope="module")
def eagerly(eager_steps: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Compile no step: here are a few of each of many runs."""
    with eager_steps():
        yield


@pytest.fixture(scope="module")
def finished(
    eagerly: None, backbones: None, dataset: DataSet, tmp_path_factory: pytest.TempPathFactory
) -> Finished:
    seen: list[tuple[int, int, dict[str, float]]] = []
    folder = tmp_path_factory.mktemp("finished") / "run"
    result = start(dataset, folder, on_step=lambda *step: seen.append((*step[:2], dict(step[2]))))
    return Finished(result, folder, seen)


@pytest.fixture
def run(dataset: DataSet, tmp_path: Path) -> Callable[..., Reference]:
    def begin(folder: str = "run", **options: object) -> Reference:
        return start(dataset, tmp_path / folder, **options)

    return begin


@pytest.fixture
def run_again(finished: Finished, run: Callable[..., Reference], tmp_path: Path) -> Callable[..., Reference]:
    """Start in a copy of the finished run's folder."""

    def again(**options: object) -> Reference:
        shutil.copytree(finished.folder, tmp_path / "copy")
        return run("copy", **options)

    return again


class Killed(Exception):
    """Stands for a power cut."""


def kill_after(step: int, error: type[BaseException] = Killed) -> OnStep:
    def on_step(done: int, total: int, figures: Mapping[str, float]) -> None:
        if done == step:
            raise error

    return on_step


def assert_same(first: Reference, second: Reference) -> None:
    ours, theirs = first.arrays(), second.arrays()
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)


def test_it_writes_a_reference_that_proposes_from_a_set(finished: Finished, dataset: DataSet) -> None:
    loaded = load_reference(RunDirectory(finished.folder).reference)
    assert_same(loaded, finished.result)
    proposed = [
        one.propose_scores(dataset.test.images, normalization=one.normalization)
        for one in (finished.result, loaded)
    ]
    np.testing.assert_array_equal(*proposed)


def test_it_tells_of_every_step(finished: Finished) -> None:
    assert [(done, total) for done, total, _ in finished.seen] == [(1, 3), (2, 3), (3, 3)]
    assert finished.seen[0][2]["images"] == 2 * 3 * 4
    folder = RunDirectory(finished.folder)
    lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert {"loss", "prior", "accuracy", "keep_ratio", "seconds"} <= lines[0].keys()
    assert folder.read_config()["outer_steps"] == 3


def test_all_three_parts_learn_from_the_references_weights(run, finished: Finished, dataset: DataSet) -> None:
    still = run(outer_rates=(0.0, 0.0, 0.0), outer_steps=1)
    assert finished.result.model.output_shape == (None, 3)
    np.testing.assert_array_equal(
        still.model.get_layer("conv1").kernel, make_reference(dataset).model.get_layer("conv1").kernel
    )
    ours, theirs = ([one.model, *(made.layer for made in one.layers)] for one in (finished.result, still))
    for pair in zip(ours, theirs, strict=True):
        values = zip(*(part.trainable_variables for part in pair), strict=True)
        moved = [np.abs(after.numpy() - before.numpy()).max() for after, before in values]
        assert 0 < max(moved) < 0.1, pair[0].name


@pytest.fixture(scope="module")
def overwritten(finished: Finished, dataset: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished run's folder, overwritten by one step from another seed."""
    folder = tmp_path_factory.mktemp("overwritten") / "run"
    shutil.copytree(finished.folder, folder)
    start(dataset, folder, overwrite=True, outer_steps=1, seed=1)
    return folder


def test_a_run_directory_is_overwritten_on_request(overwritten: Path) -> None:
    assert [path.name for path in (overwritten / "checkpoints").iterdir()] == ["step-00000001.npz"]


def test_another_seed_gives_other_tasks(overwritten: Path, finished: Finished) -> None:
    first, other = (
        json.loads(RunDirectory(folder).metrics.read_text().splitlines()[0])
        for folder in (finished.folder, overwritten)
    )
    assert first["step"] == other["step"]
    assert first["loss"] != other["loss"]


def test_a_resumed_run_ends_bit_for_bit_as_an_uninterrupted_one(
    run, finished: Finished, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(outer_loop, "SAVE_EVERY", 1)
    with pytest.raises(Killed):
        run(on_step=kill_after(2))
    # What other work draws in between must not matter.
    keras.utils.set_random_seed(77)
    assert_same(run(resume=True), finished.result)
    lines = RunDirectory(tmp_path / "run").metrics.read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3]


@pytest.mark.slow
def test_an_interrupted_run_of_random_layers_resumes_exactly_too(run, tmp_path: Path) -> None:
    """With dropout in the backbone and an encoder that samples; after Ctrl-C, which saves the last step."""
    options = {"backbone": "dropping", "set_encoder": "neural-statistician"}
    whole = run("whole", **options)
    with pytest.raises(KeyboardInterrupt, match=r"state saved in .*; continue with --resume"):
        run("cut", on_step=kill_after(2, KeyboardInterrupt), **options)
    saved = RunDirectory(tmp_path / "cut").checkpoints.iterdir()
    assert [path.name for path in saved] == ["step-00000002.npz"]
    keras.utils.set_random_seed(77)
    assert_same(run("cut", resume=True, **options), whole)


def test_a_finished_run_resumes_to_the_same_end(run_again, finished: Finished) -> None:
    assert_same(run_again(resume=True), finished.result)


@pytest.mark.parametrize(
    "changes", [{"ways": 2}, {"inner_rates": (1e-3, 1e-2, 5e-3)}, {"set_encoder_options": {"width": 16}}]
)
def test_changed_options_are_named(run_again, changes: Fields, messages_in_python: None) -> None:
    name = next(iter(changes))
    with pytest.raises(
        StampError, match=rf"resume=True must repeat the options of the run, but {name}\b.* was"
    ):
        run_again(resume=True, **changes)


def test_a_run_directory_in_use_is_refused(run_again) -> None:
    with pytest.raises(StampError, match=r"--run-dir must be new or empty"):
        run_again()


def test_a_run_that_is_no_longer_finite_stops_and_keeps_what_was_good(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outer_loop, "SAVE_EVERY", 1)
    with pytest.raises(DivergenceError) as caught:
        run(outer_rates=(1e30, 1e30, 1e30))
    folder, message = RunDirectory(tmp_path / "run"), str(caught.value)
    assert message.startswith("Meta-training must stay finite, but ")
    assert "step 2 of 3 (outer rate of W 1e+" in message
    assert f"The state of step 1 is in {folder.path}" in message
    assert [path.name for path in folder.checkpoints.iterdir()] == ["step-00000001.npz"]
    assert "NaN" not in folder.metrics.read_text()
    assert not folder.reference.exists()


def test_a_reference_that_is_not_finite_is_refused(dataset: DataSet, tmp_path: Path) -> None:
    reference = make_reference(dataset)
    reference.scores[3] = np.nan
    with pytest.raises(StampError, match=r"--from must be finite, but scores holds 1 of 14 values"):
        meta_train(dataset, reference, tmp_path / "run", config=MetaTrainConfig(**OPTIONS))
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def published(
    eagerly: None, backbones: None, dataset: DataSet, tmp_path_factory: pytest.TempPathFactory
) -> Reference:
    """A step as the paper takes it, in mixed precision."""
    options = {"mask_generator": "beta-bernoulli", "sparsity": "kl", "kl_scale": 10.0, "outer_steps": 1}
    folder = tmp_path_factory.mktemp("published") / "run"
    return start(dataset, folder, mixed_precision=True, **options)


def test_the_prior_closes_channels_as_published(published: Reference) -> None:
    assert published.mask_generator.layer.has_prior


def test_mixed_precision_ends_in_single_precision(published: Reference) -> None:
    assert published.model.get_layer("conv1").compute_dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


def test_scores_are_centred_at_the_median_budget(finished: Finished, dataset: DataSet) -> None:
    median = Budget(max_flops=(0.3 * 1.0) ** 0.5)
    scores = finished.result.propose_scores(
        random_part(dataset.train, 12, seed=0).images, normalization=finished.result.normalization
    )
    assert finished.result.cut.threshold(scores, median) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outer_steps": 0}, "outer_steps must be at least 1, but is 0"),
        ({"replicas": 0}, "replicas must be at least 1, but is 0"),
        ({"inner_batches": 5}, "--inner-batches must divide ways x shots = 12, but got 5"),
        ({"sparsity": "l1"}, "sparsity must be 'budgets' or 'kl', but is 'l1'"),
        ({"budgets": (0.5, 0.2)}, "--budgets must be LOW:HIGH with 0 < LOW <= HIGH <= 1, but got 0.5:0.2"),
        (
            {"ways": 9, "shots": 2, "inner_batches": 1},
            "--ways must be at most the number of classes, but is 9",
        ),
        ({"shots": 12}, "--shots must be at most the number of images of every class, but is 12"),
        ({"set_encoder_options": {"depth": 2}}, "deep-sets must accept its options"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(
    run, tmp_path: Path, changes: Fields, message: str
) -> None:
    with pytest.raises(StampError, match=message):
        run(**changes)
    assert not (tmp_path / "run").exists()


def test_images_of_another_shape_are_refused(dataset: DataSet, tmp_path: Path) -> None:
    train, test = (
        ImageSet(np.repeat(part.images, 2, axis=1), part.labels, 6, class_names=part.class_names)
        for part in (dataset.train, dataset.test)
    )
    message = r"--dataset must have the reference's images \(8, 8, 3\), but has \(16, 8, 3\)"
    with pytest.raises(StampError, match=message):
        meta_train(
            DataSet("other", train, test),
            make_reference(dataset),
            tmp_path / "run",
            config=MetaTrainConfig(**OPTIONS),
        )
