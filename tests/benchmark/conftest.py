"""Benchmark programs as modules, and a toy backbone with a reference and a data set for them."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType

import pytest

PROGRAMS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(PROGRAMS))  # as `python benchmarks/PROGRAM.py` does


@pytest.fixture
def program() -> Callable[[str], ModuleType]:
    """Load a program of the benchmarks' folder by name."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(
            f"benchmarks_{name.replace('/', '_')}", PROGRAMS / f"{name}.py"
        )
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def eagerly(eager_steps: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Compile no step for the length of a test."""
    with eager_steps():
        yield


@pytest.fixture
def toy_backbone(make_plugin: Callable[..., Path]) -> str:
    """Name of an installed backbone of two convolutions."""
    source = Path(__file__).parents[1].joinpath("toy_backbones.py").read_text()
    make_plugin("toy-network", {"stamp_tf.backbones": ["toy = toy_network:even"]}, source)
    return "toy"


@pytest.fixture
def toy_reference(toy_backbone: str, tmp_path: Path) -> Path:
    """File of a reference with random weights and scores."""
    import numpy as np

    from stamp_tf.channels import TracedNetwork
    from stamp_tf.data import Normalization
    from stamp_tf.references.backbone_config import BackboneConfig
    from stamp_tf.references.reference import Reference
    from stamp_tf.references.reference_file import save_reference

    backbone = BackboneConfig(name=toy_backbone, input_shape=(32, 32, 3), num_classes=4)
    scores = np.random.default_rng(0).standard_normal(16).astype("float32")
    normalization = Normalization((0.5,) * 3, (0.25,) * 3)
    path = tmp_path / "toy" / "reference.npz"
    network = TracedNetwork.of(backbone.build())
    reference = Reference(backbone=backbone, network=network, scores=scores, normalization=normalization)
    save_reference(reference, path)
    return path


@pytest.fixture
def toy_images(tmp_path: Path) -> str:
    """Data set of random images in three classes, as after `--dataset`."""
    import numpy as np

    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3, dtype=np.int32), 30)
    images = rng.integers(256, size=(90, 32, 32, 3)).astype(np.uint8)
    path = tmp_path / "images.npz"
    np.savez(path, x_train=images, y_train=labels, x_test=images[::5], y_test=labels[::5])
    return f"npz:{path}"


@pytest.fixture
def toy_network(toy_backbone):
    """The toy backbone with random weights and three classes."""
    from stamp_tf.references.backbone_config import BackboneConfig

    return BackboneConfig(name=toy_backbone, input_shape=(32, 32, 3), num_classes=3).build()
