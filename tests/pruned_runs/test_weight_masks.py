"""A run of which single weights are gone: written, read back, trained further."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from stamp_tf.channels import TracedNetwork
from stamp_tf.data import DataSet, ImageSet, Normalization
from stamp_tf.errors import StampError
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.pruned_runs.pruned_run import load_run
from stamp_tf.pruned_runs.train_further import train_further
from stamp_tf.pruned_runs.write import export_run
from stamp_tf.pruning.prune import prune
from stamp_tf.references.backbone_config import BackboneConfig
from stamp_tf.references.reference import Reference
from stamp_tf.report.report import Report
from stamp_tf.weight_mask import kernels_of

SHORT = FinetuneConfig(epochs=1, batch_size=12, learning_rate=0.05)


@pytest.fixture
def dataset() -> DataSet:
    rng = np.random.default_rng(1)
    labels = np.arange(24, dtype="int32") % 3
    images = ImageSet(
        rng.integers(0, 255, (24, 16, 16, 3), dtype="uint8"), labels, 3, class_names=("a", "b", "c")
    )
    return DataSet("noise", images, images)


@pytest.fixture
def run(make_plugin: Callable[..., Path], dataset: DataSet, tmp_path: Path) -> tuple[Path, Report]:
    """Return the folder of a run by SNIP, and its report."""
    source = Path(__file__).parents[1].joinpath("toy_backbones.py").read_text()
    make_plugin("small-network", {"stamp_tf.backbones": ["small = small_network:three"]}, source)
    backbone = BackboneConfig(name="small", input_shape=(16, 16, 3), num_classes=5)
    normalization = Normalization((0.5,) * 3, (0.25,) * 3)
    reference = Reference(
        backbone=backbone, network=TracedNetwork.of(backbone.build()), normalization=normalization
    )
    result = prune(dataset, reference, method="snip-pretrained", keep_params=0.3, finetune=SHORT)
    return tmp_path / "run", export_run(result, tmp_path / "run", exports=["keras"], speed=False)


def kept_in(model: keras.Model) -> dict[str, np.ndarray]:
    return {kernel.path: np.asarray(kernel) != 0 for kernel in kernels_of(model)}


def test_the_report_says_what_is_saved_and_what_is_not(run: tuple[Path, Report]) -> None:
    path, report = run
    assert report.flops == report.full_flops
    assert report.params == int(0.3 * report.full_params) == sum(row.params_after for row in report.layers)
    written = json.loads((path / "report.json").read_text())["sparse"]
    outside = report.full_params - written["num_weights"]
    assert written["dense_bytes"] == 4 * report.full_params
    bits = sum(-(-kept.size // 8) for kept in kept_in(load_run(path).model).values())
    assert written["sparse_bytes"] == 4 * (outside + written["num_kept"]) + bits
    assert "Size as a sparse file" in (path / "report.html").read_text()


def test_further_training_holds_the_mask(run: tuple[Path, Report], dataset: DataSet) -> None:
    path, report = run
    before = load_run(path).model
    again = train_further(path, dataset, config=dataclasses.replace(SHORT, learning_rate=0.1))
    after = load_run(path).model
    assert again.params == report.params
    assert again.sparse == report.sparse
    for kernel, kept in kept_in(before).items():
        np.testing.assert_array_equal(kept_in(after)[kernel], kept)
    assert not np.array_equal(before.get_weights()[0], after.get_weights()[0])


def test_a_run_without_its_mask_is_not_trained_further(run: tuple[Path, Report], dataset: DataSet) -> None:
    path, _ = run
    os.remove(path / "weight_mask.npz")
    with pytest.raises(StampError, match=r"must hold weight_mask.npz, because single weights .* are 0"):
        train_further(path, dataset, config=SHORT)


def test_another_result_in_the_same_folder_takes_the_mask_away(
    run: tuple[Path, Report], dataset: DataSet
) -> None:
    path, _ = run
    backbone = BackboneConfig(name="small", input_shape=(16, 16, 3), num_classes=5)
    reference = Reference(
        backbone=backbone,
        network=TracedNetwork.of(backbone.build()),
        normalization=Normalization((0.5,) * 3, (0.25,) * 3),
    )
    result = prune(dataset, reference, method="l1", max_flops=0.5, finetune=FinetuneConfig(epochs=0))
    assert export_run(result, path, exports=["keras"], speed=False).sparse is None
    assert not (path / "weight_mask.npz").exists()
