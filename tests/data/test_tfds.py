"""Sets of TensorFlow Datasets: a tiny prepared one, and answers about those that are not."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stamp_tf.data import Batches, ImageSet, Normalization, StreamedSet, load_dataset
from stamp_tf.data.split import with_test_split
from stamp_tf.errors import StampError


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepare sets of 3 classes with real files: one with a test split, one without."""
    import tensorflow_datasets
    from etils import epath

    tensorflow_datasets.disable_progress_bar()
    data_dir = tmp_path_factory.mktemp("tfds")

    class Toy(tensorflow_datasets.core.GeneratorBasedBuilder):
        VERSION = tensorflow_datasets.core.Version("1.0.0")
        pkg_dir_path = epath.Path(data_dir)
        splits: tuple[tuple[str, int], ...] = ()
        size: tuple[int | None, int | None] = (None, None)

        def _info(self) -> Any:
            features = {
                "image": tensorflow_datasets.features.Image(shape=(*self.size, 3)),
                "label": tensorflow_datasets.features.ClassLabel(names=["cat", "dog", "eel"]),
            }
            return self.dataset_info_from_configs(
                features=tensorflow_datasets.features.FeaturesDict(features),
                supervised_keys=("image", "label"),
            )

        def _split_generators(self, dl_manager: object) -> dict[str, Any]:
            return {name: self._generate_examples(count) for name, count in self.splits}

        def _generate_examples(self, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
            for index in range(count):
                height = self.size[0] or 8 + index % 3
                pixels = np.full((height, 8, 3), index, np.uint8)
                yield index, {"image": pixels, "label": index % 3}

    class StampToy(Toy):
        splits = (("train", 30), ("test", 9))

    class StampToyWhole(Toy):
        splits = (("train", 30),)
        size = (8, 8)

    class StampToyTestOnly(Toy):
        splits = (("test", 3),)

    for builder in (StampToy, StampToyWhole, StampToyTestOnly):
        builder(data_dir=data_dir).download_and_prepare()
    return data_dir


def test_prepared_set_is_read(prepared: Path) -> None:
    dataset = load_dataset("stamp_toy", data_dir=prepared, image_shape=(16, 16, 3))
    assert (len(dataset.train), len(dataset.test)) == (30, 9)
    assert dataset.class_names == ("cat", "dog", "eel")
    # The toy images are uniform, and their colour modulo 3 is their label.
    np.testing.assert_array_equal(dataset.train.images[:, 0, 0, 0] % 3, dataset.train.labels)
    assert dataset.flips


def test_version_and_explicit_prefix(prepared: Path) -> None:
    dataset = load_dataset("tfds:stamp_toy:1.0.0", data_dir=prepared, image_shape=(16, 16, 3))
    assert len(dataset.train) == 30


def test_missing_test_split_is_split_off(prepared: Path) -> None:
    dataset = load_dataset("stamp_toy_whole", data_dir=prepared)
    assert dataset.image_shape == (8, 8, 3)
    assert (np.bincount(dataset.test.labels, minlength=3) >= 1).all()
    assert len(dataset.train) + len(dataset.test) == 30
    # The same pictures in memory fall on the same sides: what counts is their content.
    images = np.stack([np.full((8, 8, 3), index, np.uint8) for index in range(30)])
    every = ImageSet(images, np.arange(30, dtype=np.int32) % 3, 3, class_names=dataset.class_names)
    expected = with_test_split("toy", every).test.images[:, 0, 0, 0]
    assert sorted(dataset.test.images[:, 0, 0, 0]) == sorted(expected)


def test_missing_test_split_of_a_stream(prepared: Path) -> None:
    dataset = load_dataset("stamp_toy_whole", data_dir=prepared, stream_above=0)
    in_memory = load_dataset("stamp_toy_whole", data_dir=prepared)
    assert (len(dataset.train), len(dataset.test)) == (len(in_memory.train), len(in_memory.test))
    np.testing.assert_array_equal(dataset.test.in_memory().images, in_memory.test.images)
    images = np.concatenate(
        [
            images[:, 0, 0, 0]
            for part in (dataset.train, dataset.test)
            for images, _ in part.raw_batches(4, order_seed=None, drop_remainder=False)
        ]
    )
    np.testing.assert_array_equal(np.sort(images), np.arange(30))


def test_stream_in_order_equals_memory(prepared: Path) -> None:
    in_memory, streamed = (
        load_dataset("stamp_toy_whole", data_dir=prepared, train_size=None, stream_above=limit)
        for limit in (10**9, 0)
    )
    assert isinstance(in_memory.train, ImageSet)
    assert isinstance(streamed.train, StreamedSet)
    whole = np.concatenate([part.in_memory().images for part in (streamed.train, streamed.test)])
    known = {image.tobytes() for part in (in_memory.train, in_memory.test) for image in part.images}
    assert {image.tobytes() for image in whole} == known


def test_streamed_epochs_are_shuffled_complete_and_repeatable(prepared: Path) -> None:
    train = load_dataset("stamp_toy_whole", data_dir=prepared, stream_above=0).train

    def epoch(index: int) -> np.ndarray:
        identity = Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        batches = Batches(train, 8, normalization=identity, seed=0, augment=False)
        return np.rint(np.concatenate([images[:, 0, 0, 0] for images, _ in batches.epoch(index)]) * 255)

    np.testing.assert_array_equal(epoch(3), epoch(3))
    assert (epoch(3) != epoch(4)).any()
    # Full batches alone: what is left over waits for another epoch.
    assert len(np.unique(epoch(3))) == len(train) // 8 * 8


def test_train_size_of_a_stream_is_balanced(prepared: Path) -> None:
    train = load_dataset(
        "stamp_toy", data_dir=prepared, image_shape=(8, 8, 3), stream_above=0, train_size=9
    ).train
    assert isinstance(train, ImageSet)
    np.testing.assert_array_equal(np.bincount(train.labels), [3, 3, 3])


def test_refuses_several_sizes_without_a_wanted_shape(prepared: Path) -> None:
    with pytest.raises(StampError, match=r"stamp_toy must be brought to one size.*give image_shape"):
        load_dataset("stamp_toy", data_dir=prepared)


def test_refuses_a_set_without_a_train_split(prepared: Path) -> None:
    with pytest.raises(StampError, match="must have a train split, but has test; choose another set"):
        load_dataset("stamp_toy_test_only", data_dir=prepared, image_shape=(8, 8, 3))


def test_set_that_is_not_prepared_is_answered_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start = time.perf_counter()
    with pytest.raises(
        StampError, match=f"cifar10 must be prepared.*not in {tmp_path}; add --download .*--data-dir"
    ):
        load_dataset("cifar10", data_dir=tmp_path)
    # Without a network, asking for it would hang for minutes.
    assert time.perf_counter() - start < 20
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not list(tmp_path.iterdir())


def test_failed_download_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow_datasets

    def fail(self: object) -> None:
        raise ConnectionError("no route to host\nand much more")

    monkeypatch.setattr(tensorflow_datasets.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(
        StampError, match=r"cifar10 must be fetched.*failed: no route to host; check"
    ) as caught:
        load_dataset("cifar10", data_dir=tmp_path, download=True)
    assert "\n" not in str(caught.value)


def test_refuses_what_is_not_image_classification(tmp_path: Path) -> None:
    with pytest.raises(StampError, match=r"glue must have one 8-bit image and one class label.*has sentence"):
        load_dataset("glue", data_dir=tmp_path)


@pytest.mark.parametrize("spec", ["cifar10/no_such_configuration", "cifar10:9.9.9"])
def test_refuses_an_unknown_configuration_or_version(spec: str, tmp_path: Path) -> None:
    with pytest.raises(StampError, match=f"{spec} must be a set that TensorFlow Datasets can build.*check"):
        load_dataset(spec, data_dir=tmp_path)


def test_refuses_a_prefix_without_a_name() -> None:
    with pytest.raises(StampError, match=r"tfds must name a set.*tfds:cifar10"):
        load_dataset("tfds")


@pytest.mark.parametrize(
    "spec", ["mnist", "emnist/letters", "svhn_cropped:3.1.0", "visual_domain_decathlon/gtsrb"]
)
def test_glyphs_are_not_mirrored(spec: str) -> None:
    from stamp_tf.data.tfds import shows_glyphs

    assert shows_glyphs(spec)
    assert not shows_glyphs("cifar10")
    assert not shows_glyphs("visual_domain_decathlon/aircraft")
