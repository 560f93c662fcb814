"""The report's figures, its JSON, and its page."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stamp_tf.errors import StampError
from stamp_tf.export.calling import Calling
from stamp_tf.measure.full_accuracy import FullAccuracy
from stamp_tf.measure.tried import Tried
from stamp_tf.quantities import factor
from stamp_tf.report import page
from stamp_tf.report.curves import nice_axis
from stamp_tf.report.page import kept_channels, render_page, write_report
from stamp_tf.report.report import GroupRow, LayerRow, Report, SpeedRow
from stamp_tf.storage.records import check
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.training.epoch_record import EpochRecord


@pytest.fixture
def report() -> Report:
    return Report(
        method="stamp",
        backbone="toy",
        dataset="digits <b>&",
        seed=3,
        test_accuracy=0.875,
        params=50,
        full_params=200,
        flops=100,
        full_flops=1000,
        seconds=36.0,
        times={"load": 1.0, "finetune": 35.0},
        dollars_per_hour=2.0,
        speed=(
            SpeedRow(kind="inference", batch_size=1, full_seconds=0.004, pruned_seconds=0.002),
            SpeedRow(kind="training", batch_size=128, full_seconds=0.3, pruned_seconds=0.1),
        ),
        layers=(
            LayerRow(
                name="conv1",
                kind="Conv2D",
                channels_before=4,
                channels_after=2,
                params_before=100,
                params_after=50,
                flops_before=900,
                flops_after=90,
            ),
            LayerRow(
                name="head",
                kind="Dense",
                channels_before=3,
                channels_after=3,
                params_before=100,
                params_after=0,
                flops_before=100,
                flops_after=10,
            ),
        ),
        groups=(GroupRow("conv1", 4, (0, 3)), GroupRow("conv2", 8, (1, 2, 7))),
        curve=(
            EpochRecord(epoch=0, seconds=0.0, train_loss=None, test_accuracy=0.5),
            EpochRecord(epoch=1, seconds=2.0, train_loss=1.5, test_accuracy=0.75),
            EpochRecord(epoch=2, seconds=4.0, train_loss=1.0, test_accuracy=0.875),
        ),
        details={"width": 0.25},
        command="stamp-tf prune --dataset digits",
        versions={"keras": "3.15"},
        hardware="2 cores",
    )


def test_fractions_and_expense_follow_from_the_counts(report: Report) -> None:
    assert (report.params_fraction, report.flops_fraction, report.flops_speed_up) == (0.25, 0.1, 10.0)
    assert report.expense == pytest.approx(0.02)
    assert replace(report, dollars_per_hour=None).expense is None


def test_names_with_control_characters_are_shown_and_do_nothing(report: Report) -> None:
    evil = "a\x1b[2J\x07b\u202ec\r\udcff"
    page = render_page(replace(report, dataset=evil, command=evil, groups=(GroupRow(evil, 4, (0, 3)),)))
    assert not set(page) & set("\x1b\x07\r\u202e\udcff")
    assert page.count(r"a\x1b[2J\x07b\u202ec\r\xff") >= 3
    page.encode()


def test_json_has_the_headline_at_its_top_level(report: Report, tmp_path: Path) -> None:
    write_report(report, RunDirectory(tmp_path))
    content = json.loads((tmp_path / "report.json").read_text())
    figures = {
        name: content[name] for name in ("method", "test_accuracy", "params_fraction", "flops_fraction")
    }
    assert figures == {
        "method": "stamp",
        "test_accuracy": 0.875,
        "params_fraction": 0.25,
        "flops_fraction": 0.1,
    }
    assert content["seconds"] == 36.0
    assert content["groups"][0] == {"name": "conv1", "size": 4, "kept": [0, 3]}
    assert content["speed"][1]["ratio"] == pytest.approx(3.0)


def test_json_reads_back_to_the_same_report(report: Report) -> None:
    content = json.loads(json.dumps(report.to_json()))
    assert check(content, Report, source="report.json", remedy="prune again") == report


def test_json_of_something_else_is_refused() -> None:
    with pytest.raises(
        StampError, match=r"report.json must be JSON written by stamp-tf, but it lacks backbone; prune again"
    ):
        check({"method": "stamp"}, Report, source="report.json", remedy="prune again")


def test_numpy_numbers_and_nan_become_plain_json(report: Report) -> None:
    odd = replace(
        report,
        test_accuracy=np.float32(0.5),
        groups=(GroupRow("conv1", 4, np.array([1, 2])),),
        curve=(EpochRecord(epoch=0, seconds=0.0, train_loss=float("nan"), test_accuracy=np.float32(0.5)),),
    )
    content = json.loads(json.dumps(odd.to_json(), allow_nan=False))
    point = {"epoch": 0, "seconds": 0.0, "train_loss": None, "test_accuracy": 0.5}
    point |= {"entry": 0, "validation_accuracy": None}
    assert content["curve"] == [point]


@pytest.mark.parametrize("kept", [(0, 4), (-1, 2), (2, 1), (1, 1)])
def test_kept_indices_must_rise_inside_the_group(kept: tuple[int, ...]) -> None:
    with pytest.raises(StampError, match="rising indices below 4, but group conv1"):
        GroupRow("conv1", 4, kept)


def test_accuracy_is_a_share(report: Report) -> None:
    with pytest.raises(StampError, match=r"test_accuracy must be in \[0, 1\], but is 87.5"):
        replace(report, test_accuracy=87.5)


def test_page_says_how_the_network_is_called(report: Report) -> None:
    calling = Calling((32, 24, 3), ("cat", "dog <b>")).to_json()
    text = render_page(replace(report, calling=calling))
    for part in (
        "tf.saved_model.load",
        "pixels 0 to 255, of any size (resized to 32 x 24",
        "cat, dog &lt;b&gt;",
    ):
        assert part in text
    assert "How to call it" not in render_page(report)


def test_page_needs_nothing_from_outside(report: Report) -> None:
    text = render_page(report)
    assert not re.search(r"https?:|//\w|<script|<link|<img|@import|url\(", text)


def test_page_shows_figures_pictures_and_origin(report: Report) -> None:
    text = render_page(report)
    for part in (
        "87.5 %",
        "25.0 %",
        factor(10.0),
        factor(3.0),
        "36.0 s",
        "$0.0200",
        "stamp-tf prune --dataset digits",
    ):
        assert part in text
    for section in ("kept-channels", "layers", "curves", "speed", "time", "origin"):
        assert f'id="{section}"' in text
    assert text.count('class="chart"') == 2


def test_a_page_is_drawn_without_loading_keras() -> None:
    code = "import sys, stamp_tf.report.page, stamp_cli.report_tables; sys.exit('keras' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_page_escapes_names(report: Report) -> None:
    text = render_page(report)
    assert "digits &lt;b&gt;&amp;" in text
    assert "digits <b>" not in text


def test_a_tick_stands_at_the_index_of_each_kept_channel(report: Report) -> None:
    strips = kept_channels(report.groups)
    assert [re.findall(r"M(\d+) 0", strip.ticks) for strip in strips] == [["0", "3"], ["1", "2", "7"]]
    assert [strip.length for strip in strips] == [0.5, 1.0]


def test_page_of_a_bare_report_leaves_sections_out(report: Report) -> None:
    names = ("speed", "layers", "groups", "curve")
    bare = replace(report, dollars_per_hour=None, times={}, hardware="", **dict.fromkeys(names, ()))
    text = render_page(bare)
    for section in ("kept-channels", "layers", "curves", "speed", "time"):
        assert f'id="{section}"' not in text
    assert "$" not in text


def test_a_failing_page_leaves_the_old_report(report: Report, tmp_path: Path, monkeypatch) -> None:
    write_report(report, RunDirectory(tmp_path))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def broken(groups: object) -> None:
        raise RuntimeError("midway")

    monkeypatch.setattr(page, "kept_channels", broken)
    with pytest.raises(RuntimeError, match="midway"):
        write_report(replace(report, method="random"), RunDirectory(tmp_path))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("values", "axis"),
    [((0.0, 1.0), (0.0, 1.0, 0.5)), ((47.0, 62.0), (45.0, 65.0, 5.0)), ((3.0, 3.0), (1.0, 5.0, 1.0))],
)
def test_axis_ends_are_round_and_hold_the_values(values, axis) -> None:
    assert nice_axis(values) == pytest.approx(axis)


def test_the_search_for_a_budget_is_drawn_and_listed(report: Report) -> None:
    assert "How it was chosen" not in render_page(report)
    tried = tuple(
        Tried(
            params_fraction=flops,
            flops_fraction=flops,
            accuracy=accuracy,
            lost=0.9 - accuracy,
            error=0.004,
            images=1000,
            is_chosen=accuracy == 0.88,
        )
        for flops, accuracy in ((1.0, 0.9), (0.5, 0.88), (0.25, 0.7))
    )
    page = render_page(replace(report, tried=tried))
    assert "<title>FLOPs 50 %: 88 %</title>" in page
    assert page.count(">chosen<") == 2
    assert ">full network<" in page
    content = json.loads(json.dumps(replace(report, tried=tried).to_json()))
    assert check(content, Report, source="report.json", remedy="prune again").tried == tried


def test_candidates_of_one_size_are_listed_by_name(report: Report) -> None:
    tried = Tried(
        name="<l1>", params_fraction=0.5, flops_fraction=0.5, accuracy=0.8, lost=0.1, error=0.01, images=9
    )
    page = render_page(replace(report, tried=(tried, tried)))
    assert "&lt;l1&gt;" in page
    assert "by FLOPs left" not in page


def test_ways_and_the_sizes_of_the_best_are_two_tables(report: Report) -> None:
    way = Tried(
        name="l1", params_fraction=0.5, flops_fraction=0.5, accuracy=0.8, lost=0.1, error=0.01, images=9
    )
    sizes = tuple(replace(way, name="", flops_fraction=flops) for flops in (1.0, 0.7))
    searched = replace(report, tried=(way, *sizes))
    assert searched.searches == ((way,), sizes)
    page = render_page(searched)
    assert page.count("<th>Candidate</th>") == 1
    assert page.count("<th>Lost, points</th>") == 2
    assert page.count("by FLOPs left</h3>") == 1


def test_the_full_network_stands_beside_the_pruned_one(report: Report) -> None:
    full = FullAccuracy(
        accuracy=0.9, images=400, has_new_head=True, tuned_accuracy=0.95, tuned_epochs=3, tuned_seconds=60.0
    )
    told = replace(report, full=full)
    page = render_page(told)
    assert "90.0 %, 86.7 to 92.6, with a new head, not fine-tuned" in page
    assert "95.0 %, 92.4 to 96.7, fine-tuned alike (3 epochs in 60.0 s)" in page
    assert check(told.to_json(), Report, source="report.json", remedy="prune again").full == full
    assert "Full network" not in render_page(report)


def test_an_accuracy_has_its_interval_where_the_images_are_counted(report: Report) -> None:
    step = replace(report.history[0], test_images=153, test_accuracy=137 / 153)
    counted = replace(report, history=(step,), test_accuracy=137 / 153)
    assert counted.to_json()["interval"] == pytest.approx((0.837, 0.935), abs=1e-3)
    assert "83.7 to 93.5 % with 95 % certainty, of 153 images" in render_page(counted)
    unknown = replace(counted, history=(replace(step, test_images=None),))
    assert unknown.to_json()["interval"] is None
