"""Suites whose targets are some classes of a data set, with a memory of others."""

from pathlib import Path

import numpy as np
import pytest

from stamp_tf.benchmarking.cases import Setup
from stamp_tf.benchmarking.plots import draw
from stamp_tf.benchmarking.render import render_suite
from stamp_tf.benchmarking.run_suite import run_suite
from stamp_tf.benchmarking.summary import summaries
from stamp_tf.benchmarking.swaps import swaps_table


def test_what_others_start_from_is_run_first_on_all_images() -> None:
    setup = Setup.of("mvp-accuracy", scale="cpu", rows=("mvp-0.1", "random-0.1"))
    first, last = setup.cases[0], setup.cases[-1]
    assert (first.row, first.train_size, first.task) == ("ifp-0.1", 500, next(iter(setup.size.remembered)))
    numbers = ",".join(map(str, setup.size.remembered[first.task]))
    assert setup.spec(first) == f"classes:{numbers}@cifar100"
    assert {case.row for case in setup.cases if case.task in setup.size.tasks} == {"mvp-0.1", "random-0.1"}
    assert last.task in setup.size.tasks
    assert not {tuple(one) for one in setup.size.tasks.values()} & {
        tuple(one) for one in setup.size.remembered.values()
    }


def test_a_suite_that_starts_from_other_rows_runs_those_alone() -> None:
    cases = Setup.of("mvp-accuracy", scale="cpu", rows=("random-0.1",)).cases
    assert {case.row for case in cases} == {"random-0.1"}


@pytest.mark.parametrize("scale", ["paper", "cpu"])
def test_tasks_share_as_many_classes_as_their_names_say(scale: str) -> None:
    for suite in ("mvp-accuracy", "mvp-sharing"):
        size = Setup.of(suite, scale=scale).size
        for name, numbers in (size.tasks | size.remembered).items():
            target, _, rest = name.partition("-s")
            if rest:
                assert len({*size.tasks[target]} & {*numbers}) == int(rest[0])


def test_sharing_is_drawn_from_records(recwarn: pytest.WarningsRecorder) -> None:
    setup = Setup.of("mvp-sharing", scale="cpu", rows=("ifp-0.1",))
    rng, sizes = np.random.default_rng(0), {"conv1": 8, "conv2": 16}
    records = [
        {
            "case": case.to_json(),
            "classes": [str(number) for number in setup.size.tasks[case.task]],
            "sizes": sizes,
            "kept": {
                name: sorted(rng.choice(size, 4, replace=False).tolist()) for name, size in sizes.items()
            },
        }
        for case in setup.cases
    ]
    found = summaries(setup, records)
    iou, odds, filters = (
        draw(view, found, setup) for view in ("iou_by_similarity", "odds_by_votes", "filters_by_votes")
    )
    assert [axes.get_legend().get_title().get_text() for axes in iou.axes] == [
        "shared classes",
        "shared parent classes",
    ]
    assert [axes.get_title() for axes in odds.axes if axes.get_visible()] == ["all layers", "conv1", "conv2"]
    shares = [line.get_ydata().sum() for axes in filters.axes[:3] for line in axes.lines]
    np.testing.assert_allclose(shares, 1)


def test_swaps_stand_with_two_standard_errors_over_seeds() -> None:
    targets = {"one": "digits", "other": "rendered"}
    setup = Setup.of("figure-5", scale="cpu", targets=targets, rows=("stamp",), seeds=(0, 1))
    lost = {0: 0.02, 1: 0.04}
    records = [
        {
            "case": case.to_json(),
            "swaps": [
                {"dataset_of": "one", "masks_of": "other", "own": 0.5, "swapped": 0.5 - lost[case.seed]}
            ]
            if case.target == "other"
            else [],
        }
        for case in setup.cases
    ]
    _, row = swaps_table(summaries(setup, records))
    assert row == ("STAMP", "one", "other", "2", "50.00", "47.00", "3.00 ± 2.00")


@pytest.mark.slow
def test_a_row_starts_from_runs_of_another(tmp_path: Path) -> None:
    labels = np.arange(160) % 4
    images = np.random.default_rng(0).integers(256, size=(160, 32, 32, 3)).astype("uint8")
    names = np.array(["ant", "bee", "cat", "dog"])
    path = tmp_path / "toy.npz"
    np.savez(path, x_train=images, y_train=labels, x_test=images[:40], y_test=labels[:40], class_names=names)
    setup = Setup.of("mvp-accuracy", scale="quick", targets={"toy": f"npz:{path}"}, rows=("mvp-0.1",))
    folder = run_suite(setup, tmp_path / "runs")
    remembered, compared = folder.records()
    assert (remembered["case"]["row"], compared["case"]["row"]) == ("ifp-0.1", "mvp-0.1")
    assert remembered["classes"] == ["bee", "cat"]
    assert compared["figures"]["images_search"] == compared["figures"]["train_images"]
    table = {file.name: file for file in render_suite(folder)}["runs.csv"].read_text().splitlines()
    assert len(table) == 2
