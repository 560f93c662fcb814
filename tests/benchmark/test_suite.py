"""Tasks of the suite: balanced, apart from what they learn from, and never the same in both parts."""

import numpy as np
import pytest

from library.suite_tables import attempts_table
from library.target_tasks import SUITES, SuiteRow, draw_tasks
from stamp_tf.data import DataSet
from stamp_tf.data.dataset import ImageSet
from stamp_tf.errors import StampError


def image_set(per_class: int, *, num_classes: int = 6, first: int = 0) -> ImageSet:
    """Images that all differ, so that each can be found again."""
    labels = np.repeat(np.arange(num_classes, dtype=np.int32), per_class)
    images = np.zeros((len(labels), 4, 4, 3), np.uint8)
    numbers = first + np.arange(len(labels))
    images[:, 0, 0, 0], images[:, 0, 0, 1] = numbers % 256, numbers // 256
    return ImageSet(
        images, labels, num_classes, class_names=tuple(f"class {label}" for label in range(num_classes))
    )


@pytest.fixture
def dataset() -> DataSet:
    return DataSet("toy", image_set(40), image_set(10, first=1000))


ROWS = (
    SuiteRow(source="toy", ways=2, train_size=20, num_tasks=6),
    SuiteRow(source="toy", ways=3, train_size=30, num_tasks=6),
)


def numbers(images: ImageSet) -> set[int]:
    return set((images.images[:, 0, 0, 0].astype(int) + 256 * images.images[:, 0, 0, 1].astype(int)).tolist())


@pytest.mark.parametrize("part", SUITES)
def test_a_task_has_as_many_images_of_each_class(dataset, part):
    for task in draw_tasks({"toy": dataset}, part, rows=ROWS, test_size=12):
        assert task.dataset.num_classes == task.row.ways == len(set(task.classes))
        np.testing.assert_array_equal(
            np.bincount(task.dataset.train.labels), task.row.train_size // task.row.ways
        )
        np.testing.assert_array_equal(np.bincount(task.dataset.test.labels), 12 // task.row.ways)


@pytest.mark.parametrize("part", SUITES)
def test_labels_follow_the_classes(dataset, part):
    task = draw_tasks({"toy": dataset}, part, rows=ROWS)[0]
    for images, source in (
        (task.dataset.train, 40),
        (task.dataset.test, 40 if part == "development" else 10),
    ):
        position = images.images[:, 0, 0, 0].astype(int) + 256 * images.images[:, 0, 0, 1].astype(int)
        original = (position % 1000) // source
        np.testing.assert_array_equal(np.array(task.classes)[images.labels], original)
    assert task.dataset.class_names == tuple(f"class {label}" for label in task.classes)


def test_development_never_sees_a_test_image(dataset):
    for task in draw_tasks({"toy": dataset}, "development", rows=ROWS):
        learnt, tested = numbers(task.dataset.train), numbers(task.dataset.test)
        assert not learnt & tested
        assert max(learnt | tested) < 1000


def test_the_end_is_judged_on_test_images(dataset):
    assert all(min(numbers(t.dataset.test)) >= 1000 for t in draw_tasks({"toy": dataset}, "final", rows=ROWS))


def test_tasks_of_few_classes_are_others_at_the_end(dataset):
    drawn = {
        part: {frozenset(task.classes) for task in draw_tasks({"toy": dataset}, part, rows=ROWS)}
        for part in SUITES
    }
    assert not drawn["development"] & drawn["final"]


def test_the_same_tasks_are_drawn_every_time(dataset):
    first, second = (draw_tasks({"toy": dataset}, "development", rows=ROWS) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.dataset.train.images, other.dataset.train.images)


def test_tasks_of_a_row_differ(dataset):
    tasks = draw_tasks({"toy": dataset}, "development", rows=ROWS)
    assert len({task.classes for task in tasks}) > len(tasks) // 2


def test_sources_that_are_missing_are_left_out(dataset):
    tasks = draw_tasks(
        {"cifar10": DataSet("c", image_set(800, num_classes=10), image_set(60, num_classes=10))}, "final"
    )
    assert {task.row.source for task in tasks} == {"cifar10"}


def test_classes_of_too_few_images_are_not_drawn():
    images = image_set(40)
    rare = images.take(np.flatnonzero((images.labels != 3) | (np.arange(240) % 10 == 0)))
    tasks = draw_tasks({"toy": DataSet("toy", rare, image_set(10))}, "final", rows=ROWS)
    assert not any(3 in task.classes for task in tasks)


def test_too_few_images_are_refused(dataset):
    with pytest.raises(
        StampError, match=r"2 classes with 50 images each .* but toy has 0 with 75 images or more"
    ):
        draw_tasks({"toy": dataset}, "development", rows=[SuiteRow(source="toy", ways=2, train_size=100)])


def test_the_suites_have_24_tasks_of_few_classes_and_8_of_many():
    for part, rows in SUITES.items():
        without_svhn = [row for row in rows if row.source != "svhn"]
        assert sum(row.num_tasks for row in without_svhn if row.ways <= 5) == 24, part
        assert sum(row.num_tasks for row in without_svhn if row.ways >= 10) == 8, part


def test_attempts_are_rows_and_pair_every_task_with_itself():
    accuracies = {
        # task: (static, own, own-in-static, swapped)
        "a": (0.50, 0.53, 0.51, 0.52),
        "b": (0.80, 0.81, 0.80, 0.78),
    }
    records = [
        {
            "case": {"task": task, "method": method, "max_flops": 0.1, "reference": "abcd1234"},
            "figures": {"accuracy": value, "ways": 3, "source": "toy", "reference_name": "gains held"},
        }
        for task, values in accuracies.items()
        for method, value in zip(("static", "own", "own-in-static", "swapped"), values, strict=True)
    ]
    few, many = attempts_table(records, budgets=(0.1,)).splitlines()[2:]
    # Differences +3 and +1, +1 and 0, +1 and +3.
    assert few == "| gains held | 2 to 5 | 65.0 | +2.0 ± 1.0 | +0.5 ± 0.5 | +2.0 ± 1.0 |"
    assert many == "| gains held | 10 and more | - | - | - | - |"
