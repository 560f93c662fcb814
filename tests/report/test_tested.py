"""What the test showed beside the accuracy, on the page and in its figures."""

import json
import re
from dataclasses import replace

import numpy as np

from stamp_tf.measure.mistakes import Mistake
from stamp_tf.report.page import render_page
from stamp_tf.report.report import Report
from stamp_tf.report.tested import Tested
from stamp_tf.report.thumbnails import thumbnail
from stamp_tf.storage.records import check
from stamp_tf.training.accuracy import TestCounts


def counts(num_classes: int, *, size: int = 8) -> TestCounts:
    """Ten images of each class, of which one is taken for the next class."""
    labels = np.repeat(np.arange(num_classes), 10)
    answers = labels.copy()
    answers[::10] = (labels[::10] + 1) % num_classes
    pixels = np.random.default_rng(0).integers(0, 256, (12, size, size, 3), np.uint8)
    mistakes = tuple(
        Mistake(
            place=10 * index, label=index, answer=(index + 1) % num_classes, probability=0.9, pixels=picture
        )
        for index, picture in enumerate(pixels[:num_classes])
    )
    return TestCounts(labels, answers, num_classes, confidences=np.full(len(labels), 0.9), mistakes=mistakes)


def test_a_few_classes_make_a_matrix_and_many_a_list(make_report) -> None:
    few = Tested.of(counts(3), ("a", "b <i>", "c"))
    assert few.matrix == ((9, 1, 0), (0, 9, 1), (1, 0, 9))
    page = render_page(make_report(tested=few))
    assert 'title="a taken for b &lt;i&gt;: 1 of 10"' in page
    assert "<i>" not in page[page.index('id="confusions"') : page.index('id="origin"')]
    many = Tested.of(counts(21), [f"class {label}" for label in range(21)])
    assert not many.matrix
    assert len(many.confusions) == 20
    assert "The most frequent confusions" in render_page(make_report(tested=many))


def test_the_page_holds_its_pictures_and_stays_small(make_report) -> None:
    found = counts(12, size=224)
    report = make_report(tested=Tested.of(found, [f"class {label}" for label in range(12)]))
    without, page = render_page(report), render_page(report, pictures=[one.pixels for one in found.mistakes])
    sources = re.findall(r'<img src="([^"]*)"', page)
    assert len(sources) == 12
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    # Noise, of which no picture takes more.
    assert len(page) - len(without) < 300_000
    assert "<img" not in without
    assert thumbnail(found.mistakes[0].pixels[:8, :8]).startswith("data:image/png")


def test_figures_read_back(make_report) -> None:
    report = make_report(tested=Tested.of(counts(3), "abc"))
    content = json.loads(json.dumps(report.to_json()))
    assert check(content, Report, source="report.json", remedy="prune again") == report
    del content["tested"]
    old = check(content, Report, source="report.json", remedy="prune again")
    assert old == replace(report, tested=None)
    assert 'id="mistakes"' not in render_page(old)
