"""Several budgets and methods at once: the same networks as one by one, what they share found out once."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import stamp_tf
from stamp_tf.data import DataSet, ImageSet
from stamp_tf.errors import StampError
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.pruned_runs.pruned_run import load_run
from stamp_tf.sweeping.outcome import Sweep

SHAPE = (4, 4, 3)
ONCE = FinetuneConfig(epochs=1, batch_size=10)


@pytest.fixture(scope="module")
def dataset() -> DataSet:
    def images(count: int, seed: int) -> ImageSet:
        rng = np.random.default_rng(seed)
        labels = np.arange(count, dtype="int32") % 3
        pixels = rng.integers(10, 60, (count, *SHAPE)) + 150 * np.eye(3, dtype=int)[labels][:, None, None, :]
        return ImageSet(pixels.astype("uint8"), labels, 3, class_names=("red", "green", "blue"))

    return DataSet("colours", images(30, 0), images(15, 1))


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input(SHAPE, name="image")
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv1")(x)
    x = layers.Conv2D(8, 3, activation="relu", name="conv2")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(x), name="toy")


def swept(dataset: DataSet, model: keras.Model, run_dir: Path, **options: Any) -> Sweep:
    usual: dict[str, Any] = {"method": "remaining-error", "max_flops": [0.6, 0.3], "finetune": ONCE}
    return stamp_tf.sweep(
        dataset, model, run_dir=run_dir, exports=["keras"], speed=False, **{**usual, **options}
    )


@pytest.fixture(scope="module")
def once(
    dataset: DataSet, model: keras.Model, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Sweep, Path]:
    """A sweep over two methods and two budgets; not to be changed."""
    path = tmp_path_factory.mktemp("sweep") / "all"
    return swept(dataset, model, path, method=["remaining-error", "taylor"]), path


def weights(path: Path) -> list[np.ndarray]:
    found: list[np.ndarray] = load_run(path).model.get_weights()
    return found


def test_every_combination_is_a_run_of_its_own(once: tuple[Sweep, Path]) -> None:
    sweep, path = once
    names = [f"{method}-flops-{limit}" for method in ("remaining-error", "taylor") for limit in (0.6, 0.3)]
    assert [run.name for run in sweep.runs] == names
    for run in sweep.runs:
        report = json.loads((path / run.name / "report.json").read_text())
        assert (run.test_accuracy, run.flops) == (report["test_accuracy"], report["flops"])
        assert run.flops_fraction <= float(run.limits["FLOPs"])
        assert run.num_bytes == (path / run.name / "model.keras").stat().st_size


@pytest.mark.parametrize("method", ["stamp", "batch-norm"])
def test_a_method_that_does_not_fit_is_refused_before_anything_is_made(
    dataset: DataSet, model: keras.Model, tmp_path: Path, method: str
) -> None:
    with pytest.raises(StampError, match=f"--method {method} needs a"):
        swept(dataset, model, tmp_path / "all", method=["l1", method])
    assert not (tmp_path / "all").exists()


def test_a_list_holds_values(dataset: DataSet, model: keras.Model, tmp_path: Path) -> None:
    with pytest.raises(StampError, match="--max-flops must hold values, but one of the list is None"):
        swept(dataset, model, tmp_path / "all", max_flops=[0.5, None])


def test_a_network_that_is_no_longer_there_is_made_again(
    dataset: DataSet, model: keras.Model, tmp_path: Path
) -> None:
    path = tmp_path / "all"
    before = swept(dataset, model, path, method="l1")
    shutil.rmtree(path / "flops-0.3")
    damaged = path / "flops-0.6/report.json"
    whole = damaged.read_text()
    damaged.write_text("{")
    with pytest.raises(StampError, match="delete it, and --resume makes it anew"):
        swept(dataset, model, path, method="l1", resume=True)
    assert not (path / "flops-0.3").exists()
    damaged.write_text(whole)
    after = swept(dataset, model, path, method="l1", resume=True)
    assert [run.test_accuracy for run in after.runs] == [run.test_accuracy for run in before.runs]
    assert (path / "flops-0.3/model.keras").exists()


@pytest.mark.parametrize("method", ["remaining-error", "taylor"])
def test_a_network_is_that_of_its_budget_alone(
    dataset: DataSet, model: keras.Model, once: tuple[Sweep, Path], method: str
) -> None:
    result = stamp_tf.prune(dataset, model, method=method, max_flops=0.3, finetune=ONCE)
    for one, other in zip(result.model.get_weights(), weights(once[1] / f"{method}-flops-0.3"), strict=True):
        np.testing.assert_array_equal(one, other)


def test_choice_between_methods_is_that_of_the_budget_alone(
    dataset: DataSet, model: keras.Model, tmp_path: Path
) -> None:
    at_once = FinetuneConfig(epochs=0)
    swept(dataset, model, tmp_path / "all", method="auto", finetune=at_once)
    result = stamp_tf.prune(dataset, model, method="auto", max_flops=0.3, finetune=at_once)
    report = json.loads((tmp_path / "all/flops-0.3/report.json").read_text())
    assert [vars(one) for one in result.tried] == report["tried"]


def test_what_no_budget_decides_is_found_out_once(
    dataset: DataSet, model: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import stamp_tf.baselines.remaining_error as ranking

    calls, orders = [], ranking.removal_orders

    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        return orders(*arguments, **options)

    monkeypatch.setattr(ranking, "removal_orders", counted)
    swept(dataset, model, tmp_path / "all", finetune=FinetuneConfig(epochs=0))
    assert len(calls) == 1


def test_page_draws_every_network_and_the_full_one(once: tuple[Sweep, Path]) -> None:
    sweep, path = once
    page = (path / "report.html").read_text()
    assert page.count("<circle") == len(sweep.runs) + 1
    for run in sweep.runs:
        assert f'href="{run.name}/report.html"' in page
        low, high = run.interval
        assert f"{100 * low:.1f} to {100 * high:.1f}" in page


def test_lists_of_several_limits_are_combined(dataset: DataSet, model: keras.Model, tmp_path: Path) -> None:
    sweep = swept(
        *(dataset, model, tmp_path / "all"),
        **{"max_flops": [0.6], "keep_params": [0.6, 0.4], "finetune": FinetuneConfig(epochs=0)},
    )
    assert [run.name for run in sweep.runs] == ["params-0.6-flops-0.6", "params-0.4-flops-0.6"]
    assert all(run.params_fraction <= float(run.limits["parameters"]) for run in sweep.runs)


def test_methods_are_compared_at_the_accuracy_that_is_asked_for(
    dataset: DataSet, model: keras.Model, tmp_path: Path
) -> None:
    at_once = FinetuneConfig(epochs=0)
    options = {"method": ["l1", "remaining-error"], "max_flops": None, "within": 0.9, "finetune": at_once}
    sweep = swept(dataset, model, tmp_path / "all", **options)
    assert [run.name for run in sweep.runs] == ["l1", "remaining-error"]
    assert all(run.flops_fraction < 1 for run in sweep.runs)


def test_sweep_that_was_interrupted_goes_on_where_it_was(
    dataset: DataSet, model: keras.Model, once: tuple[Sweep, Path], tmp_path: Path
) -> None:
    path, phases = tmp_path / "all", []

    def until_the_third(phase: str, *_: object) -> None:
        if phase == "finetune" and (path / "taylor-flops-0.6").exists():
            raise KeyboardInterrupt

    methods = ["remaining-error", "taylor"]
    with pytest.raises(KeyboardInterrupt):
        swept(dataset, model, path, method=methods, on_step=until_the_third)
    assert not (path / "report.json").exists()
    done = path / "remaining-error-flops-0.3/report.json"
    before = done.stat().st_mtime_ns
    # As where the process is killed between the report and the end of the run.
    (done.parent / ".lock").touch()
    sweep = swept(
        *(dataset, model, path), method=methods, resume=True, on_step=lambda phase, *_: phases.append(phase)
    )
    assert done.stat().st_mtime_ns == before
    assert not (done.parent / ".lock").exists()
    assert phases.count("finetune") == 2 * 3
    assert [run.test_accuracy for run in sweep.runs] == [run.test_accuracy for run in once[0].runs]
    for name in (run.name for run in sweep.runs):
        for one, other in zip(weights(path / name), weights(once[1] / name), strict=True):
            np.testing.assert_array_equal(one, other)


def test_finished_sweep_is_read(dataset: DataSet, model: keras.Model, once: tuple[Sweep, Path]) -> None:
    sweep, path = once
    steps: list[object] = []
    again = swept(
        *(dataset, model, path),
        **{
            "method": ["remaining-error", "taylor"],
            "resume": True,
            "on_step": lambda *step: steps.append(step),
        },
    )
    assert again == sweep
    assert not steps


def test_sweep_gives_way_to_another(dataset: DataSet, model: keras.Model, tmp_path: Path) -> None:
    path, at_once = tmp_path / "all", FinetuneConfig(epochs=0)
    swept(dataset, model, path, finetune=at_once)
    (path / "flops-0.6/notes.txt").write_text("mine")
    (path / "flops-0.3/notes.txt").write_text("mine")
    swept(dataset, model, path, finetune=at_once, max_flops=[0.3, 0.5], overwrite=True)
    assert {folder.name for folder in path.iterdir() if (folder / "report.json").exists()} == {
        "flops-0.3",
        "flops-0.5",
    }
    assert [file.name for file in (path / "flops-0.6").iterdir()] == ["notes.txt"]
    assert (path / "flops-0.3/notes.txt").read_text() == "mine"


@pytest.mark.parametrize("function", [load_run, stamp_tf.evaluate, stamp_tf.inspect])
def test_a_sweep_is_no_pruned_network(once: tuple[Sweep, Path], function: Callable[[Path], object]) -> None:
    with pytest.raises(StampError, match=r"holds 4; name one of them, such as .*remaining-error-flops-0\.6"):
        function(once[1])


def test_networks_of_a_sweep_are_compared(once: tuple[Sweep, Path]) -> None:
    assert len(stamp_tf.compare([once[1] / run.name for run in once[0].runs]).pairs) == 6


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"max_flops": [0.6, 0.001]},
            r"max.flops must allow the smallest reachable network .*but got 0\.001",
        ),
        ({"max_flops": [0.6, 1]}, "every channel stays with .*max.flops.1"),
        ({"max_flops": []}, "at least one value"),
        ({"max_flops": [0.6, 0.6]}, r"flops-0\.6 comes twice"),
        ({"max_flops": [0.6, 7]}, "above 0 and at most 1"),
        ({"max_flops": 0.6}, "needs a list of limits or methods"),
        ({"within": 0.1}, "finds the budget itself"),
        ({"method": ["l1", "none"]}, "none"),
        ({"options": {"rows": 2}, "method": ["l1", "taylor"]}, "takes allocation, but got"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is_written(
    dataset: DataSet, model: keras.Model, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises((StampError, stamp_tf.StampError, LookupError, ValueError), match=words):
        swept(dataset, model, tmp_path / "all", **options)
    assert not (tmp_path / "all").exists()


def test_folder_of_somebody_else_is_left_alone(dataset: DataSet, model: keras.Model, tmp_path: Path) -> None:
    path = tmp_path / "all"
    swept(dataset, model, path, finetune=FinetuneConfig(epochs=0))
    (path / "flops-0.5").mkdir()
    (path / "flops-0.5/mine.txt").touch()
    before = (path / "report.json").read_text()
    with pytest.raises(StampError, match=r"flops-0\.5 is not"):
        swept(dataset, model, path, max_flops=[0.5, 0.6], overwrite=True)
    assert (path / "report.json").read_text() == before


def test_sweep_goes_on_with_its_own_options_alone(
    dataset: DataSet, model: keras.Model, once: tuple[Sweep, Path], messages_in_python: Callable[[], None]
) -> None:
    with pytest.raises(StampError, match=r"max_flops was \[0\.6, 0\.3\] and is \[0\.6, 0\.2\]"):
        swept(
            dataset, model, once[1], method=["remaining-error", "taylor"], max_flops=[0.6, 0.2], resume=True
        )


def test_the_full_network_is_trained_once_for_all(
    dataset: DataSet, model: keras.Model, tmp_path: Path
) -> None:
    sweep = swept(dataset, model, tmp_path / "all", baseline=True)
    reports = [json.loads((tmp_path / "all" / run.name / "report.json").read_text()) for run in sweep.runs]
    assert ["baseline" in report["times"] for report in reports] == [True, False]
    for report in reports:
        assert report["full"]["accuracy"] == sweep.full_accuracy
        assert report["full"]["tuned_accuracy"] == sweep.full_tuned_accuracy is not None
    page = (tmp_path / "all/report.html").read_text()
    assert "full network, fine-tuned alike" in page
    # Another process finds the figures on disk.
    shutil.rmtree(tmp_path / "all/flops-0.3")
    again = swept(dataset, model, tmp_path / "all", baseline=True, resume=True)
    assert again.full_tuned_accuracy == sweep.full_tuned_accuracy
    report = json.loads((tmp_path / "all/flops-0.3/report.json").read_text())
    assert not {"full", "baseline"} & set(report["times"])
