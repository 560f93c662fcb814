"""What every data set must do, run over every registered name."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import stamp_registry
from stamp_tf.data import load_dataset
from stamp_tf.errors import StampError
from stamp_tf.testing.dataset import PROPERTIES

GROUP = "stamp_tf.datasets"


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
    "classes": (write_npz, "2,0@npz:{root}/toy.npz"),
    "folder": (write_folder, "{root}/pictures"),
    "npz": (write_npz, "{root}/toy.npz"),
    "rendered": (lambda root: None, "3"),
    "tfds": (write_tfds, "contract_toy"),
}


@pytest.fixture(scope="module", params=stamp_registry.names(GROUP))
def named(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What a user writes for a registered name, and where prepared sets lie."""
    name, root = request.param, tmp_path_factory.mktemp("data")
    if name in WRITERS:
        write, argument = WRITERS[name]
        write(root)
        return f"{name}:{argument.format(root=root)}", root
    try:
        load_dataset(name, data_dir=root)
    except StampError as error:
        pytest.skip(f"{name} needs what nobody has written here: {error}")
    return name, root


@pytest.mark.parametrize("proven", PROPERTIES, ids=lambda proven: proven.__name__)
def test_a_data_set(named: tuple[str, Path], proven: Callable[..., None]) -> None:
    spec, root = named
    proven(spec, data_dir=root)
