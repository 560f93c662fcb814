"""What every data set must do, run over every registered name."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import stamp_registry
from stamp_tf.data import DataSet, load_dataset
from stamp_tf.errors import StampError

GROUP = "stamp_tf.datasets"
SHAPE = (12, 10, 3)
Loader = Callable[..., DataSet]


def toy_pixels(index: int) -> np.ndarray:
    """Return one image of 8 x 8 pixels; its colour tells which."""
    return np.full((8, 8, 3), index, np.uint8)


def write_folder(root: Path) -> None:
    for index in range(30):
        path = root / "pictures" / ("cat", "dog", "eel")[index % 3] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(toy_pixels(index)).save(path)


def write_npz(root: Path) -> None:
    images = np.stack([toy_pixels(index) for index in range(30)])
    np.savez(root / "toy.npz", x_train=images, y_train=np.arange(30) % 3)


def write_tfds(root: Path) -> None:
    """Prepare a set of TensorFlow Datasets, so that no network is asked."""
    import tensorflow_datasets
    from etils import epath

    tensorflow_datasets.disable_progress_bar()

    class ContractToy(tensorflow_datasets.core.GeneratorBasedBuilder):
        VERSION = tensorflow_datasets.core.Version("1.0.0")
        pkg_dir_path = epath.Path(root)

        def _info(self) -> Any:
            features = {
                "image": tensorflow_datasets.features.Image(shape=(8, 8, 3)),
                "label": tensorflow_datasets.features.ClassLabel(names=["cat", "dog", "eel"]),
            }
            return self.dataset_info_from_configs(
                features=tensorflow_datasets.features.FeaturesDict(features),
                supervised_keys=("image", "label"),
            )

        def _split_generators(self, dl_manager: object) -> dict[str, Any]:
            return {"train": self._generate_examples()}

        def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
            for index in range(30):
                yield index, {"image": toy_pixels(index), "label": index % 3}

    ContractToy(data_dir=root).download_and_prepare()


# What a name reads from disk: how to write it below a folder, and what then follows the name's colon.
WRITERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "folder": (write_folder, "{root}/pictures"),
    "npz": (write_npz, "{root}/toy.npz"),
    "tfds": (write_tfds, "contract_toy"),
}


@pytest.fixture(scope="module", params=stamp_registry.names(GROUP))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def load(name: str, tmp_path_factory: pytest.TempPathFactory) -> Loader:
    root = tmp_path_factory.mktemp("data")
    spec = name
    if name in WRITERS:
        write, argument = WRITERS[name]
        write(root)
        spec = f"{name}:{argument.format(root=root)}"

    def loaded(**options: Any) -> DataSet:
        return load_dataset(spec, data_dir=root, **options)

    try:
        loaded()
    except StampError as error:
        if name in WRITERS:
            raise
        pytest.skip(f"{name} needs what nobody has written here: {error}")
    return loaded


def parts(dataset: DataSet) -> tuple[Any, Any]:
    return dataset.train, dataset.test


def read_all(part: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return every image and label of a part, in memory or streamed."""
    batches = list(part.raw_batches(7, order_seed=None, drop_remainder=False))
    return tuple(np.concatenate(arrays) for arrays in zip(*batches, strict=True))


def test_it_has_images_to_learn_from_and_others_to_be_judged_on(load: Loader) -> None:
    dataset = load()
    assert isinstance(dataset, DataSet)
    assert dataset.train.class_names == dataset.test.class_names
    assert dataset.train.image_shape == dataset.test.image_shape
    assert dataset.num_classes > 1
    for part in parts(dataset):
        assert (np.bincount(part.labels, minlength=dataset.num_classes) > 0).all()


def test_images_are_bytes_and_labels_small_integers(load: Loader) -> None:
    for part in parts(load()):
        images, labels = read_all(part)
        assert (images.dtype, labels.dtype) == (np.uint8, np.int32)
        assert images.shape == (len(part), *part.image_shape)
        assert images.max() > images.min()


@pytest.mark.parametrize("stream_above", [0, 2**31], ids=["streamed", "in memory"])
@pytest.mark.parametrize("image_shape", [SHAPE, (16, 16, 1)])
def test_images_come_in_the_shape_that_is_asked_for(
    load: Loader, image_shape: tuple[int, int, int], stream_above: int
) -> None:
    dataset = load(image_shape=image_shape, stream_above=stream_above)
    assert dataset.image_shape == image_shape
    for part in parts(dataset):
        images, labels = read_all(part)
        assert images.shape[1:] == image_shape
        assert images.dtype == np.uint8
        assert len(images) == len(labels) == len(part)


def test_the_seed_decides_what_is_held_out(load: Loader) -> None:
    first, second = (load(seed=3) for _ in range(2))
    for one, other in zip(parts(first), parts(second), strict=True):
        for ours, theirs in zip(read_all(one), read_all(other), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_part_of_it_is_balanced(load: Loader) -> None:
    num_classes = load().num_classes
    train = load(train_size=2 * num_classes).train
    np.testing.assert_array_equal(np.bincount(train.labels), [2] * num_classes)


def test_a_wrong_argument_is_named_in_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(StampError, match="no such thing") as caught:
        load_dataset(f"{name}:{tmp_path}/no such thing", data_dir=tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
