"""The steps of a run, and what of them may be compared."""

import re
from dataclasses import replace

import numpy as np
import pytest

from stamp_tf.data import DataSet, ImageSet
from stamp_tf.report.history import HistoryEntry, history_entry, parts_of_one_data
from stamp_tf.report.page import render_page
from stamp_tf.report.report import Report
from stamp_tf.storage.records import check
from stamp_tf.training.epoch_record import EpochRecord


def entry(dataset: str = "digits", digest: str | None = "1", **changes: object) -> HistoryEntry:
    """A step on a data set whose images are known by `digest`."""
    known = None if digest is None else {"train": digest, "test": digest, "classes": "c"}
    values = {"step": "prune", "command": "", "path": None, "train_images": 8, "test_images": 4, "epochs": 1}
    values |= {"dataset": dataset, "digest": known, "test_accuracy": 0.5, "time": "", "seconds": 1.0}
    return HistoryEntry(**values | changes)


def test_an_entry_says_what_it_was_on_and_when() -> None:
    part = ImageSet(np.zeros((40, 2, 2, 3), np.uint8), np.zeros(40, np.int32), 2, class_names=("a", "b"))
    made = history_entry(
        "prune", DataSet("toy", part, part), test_accuracy=0.5, epochs=2, seconds=3.0, command="typed"
    )
    assert (made.dataset, made.train_images, made.test_images, made.path) == ("toy", 40, 40, None)
    assert set(made.digest) == {"train", "test", "classes"}
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", made.time)


def test_the_same_images_under_another_name_are_the_same_data() -> None:
    assert entry("npz:a.npz").is_on_data_of(entry("npz:/data/a.npz"))
    assert not entry("digits", "1").is_on_data_of(entry("digits", "2"))


def test_without_digests_name_and_count_have_to_do() -> None:
    assert entry(digest=None).is_on_data_of(entry())
    assert not entry(digest=None, test_images=5).is_on_data_of(entry())


def test_a_stretch_ends_where_the_data_change() -> None:
    steps = [entry(digest=digest) for digest in "aabba"]
    assert parts_of_one_data(steps) == [0, 0, 1, 1, 2]


def test_a_report_without_a_history_has_one_step(make_report) -> None:
    content = replace(make_report(), details={"train_images": 8, "test_images": 4, "epochs": 2}).to_json()
    del content["history"]
    for point in content["curve"]:
        del point["entry"]
    (step,) = check(content, Report, source="report.json", remedy="prune again").history
    assert (step.step, step.dataset, step.test_images, step.test_accuracy) == ("prune", "digits", 4, 0.5)
    assert step.digest is None


CURVE = (
    EpochRecord(epoch=0, seconds=0.0, train_loss=None, test_accuracy=0.2),
    EpochRecord(epoch=1, seconds=1.0, train_loss=2.0, test_accuracy=0.4),
    EpochRecord(epoch=2, seconds=2.0, train_loss=1.0, test_accuracy=0.5),
)


def accuracy_lines(page: str) -> int:
    """How many separate lines the chart of accuracies has."""
    chart = page[page.index('aria-label="Test accuracy by epoch"') :]
    return re.search(r'<path class="line" d="([^"]*)"', chart)[1].count("M")


def test_accuracies_of_two_data_sets_are_not_joined(make_report) -> None:
    further = (
        EpochRecord(epoch=2, seconds=2.0, train_loss=None, test_accuracy=0.1, entry=1),
        EpochRecord(epoch=3, seconds=3.0, train_loss=1.5, test_accuracy=0.6, entry=1),
    )
    other = entry("signs", "2", step="finetune")
    page = render_page(make_report(history=(entry(), other), curve=CURVE + further))
    assert accuracy_lines(page) == 2
    assert "from here on signs" in page
    assert "accuracies on its two sides are of other images" in page
    assert "10.0 % before fine-tuning" in page


def test_accuracies_of_one_data_set_are_joined(make_report) -> None:
    further = (EpochRecord(epoch=3, seconds=3.0, train_loss=0.5, test_accuracy=0.6, entry=1),)
    page = render_page(make_report(history=(entry(), entry(step="finetune")), curve=CURVE + further))
    assert accuracy_lines(page) == 1
    assert 'class="mark"' not in page
    assert "20.0 % before fine-tuning" in page


@pytest.mark.parametrize(("steps", "is_shown"), [(1, False), (2, True)])
def test_the_table_is_for_more_than_one_step(make_report, steps: int, is_shown: bool) -> None:
    page = render_page(make_report(history=(entry(path="/data/toys.npz"),) * steps, curve=CURVE))
    assert ('id="history"' in page) == is_shown
    assert ("/data/toys.npz" in page) == is_shown


def test_the_page_has_every_command(make_report) -> None:
    steps = [entry(command=f"stamp-tf {name} runs/one") for name in ("prune", "finetune")]
    assert "stamp-tf prune runs/one\nstamp-tf finetune runs/one" in render_page(
        make_report(history=tuple(steps))
    )
