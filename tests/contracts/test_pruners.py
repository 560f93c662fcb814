"""What every pruner must do, run over every registered name."""

from typing import Any

import numpy as np
import pytest

import stamp_registry
from stamp_tf.backbones.vgg import vgg19
from stamp_tf.channels import Budget, CostModel
from stamp_tf.data import DataSet, ImageSet, Normalization
from stamp_tf.pruning.pruner import Pruner, PruningTask
from stamp_tf.references.reference import BackboneConfig, Reference

GROUP = "stamp_tf.pruners"


@pytest.fixture(scope="module")
def reference() -> Reference:
    backbone = BackboneConfig("vgg19", (32, 32, 3), 3, {"width": 0.05})
    model = vgg19((32, 32, 3), 3, width=0.05)
    reference = Reference(backbone, model, None, Normalization((0.5,) * 3, (0.25,) * 3))
    reference.scores = np.random.default_rng(0).normal(size=reference.channel_map.num_channels)
    return reference


@pytest.fixture(scope="module")
def dataset() -> DataSet:
    rng = np.random.default_rng(1)

    def images(count: int) -> ImageSet:
        labels = np.arange(count, dtype="int32") % 3
        return ImageSet(rng.integers(0, 256, (count, 32, 32, 3), dtype="uint8"), labels, 3, ("a", "b", "c"))

    return DataSet("noise", images(12), images(6))


@pytest.fixture(params=stamp_registry.names(GROUP))
def pruner(request: pytest.FixtureRequest) -> Pruner:
    return stamp_registry.load(GROUP, request.param)()


def task_of(reference: Reference, dataset: DataSet, *, seed: int = 0, **options: Any) -> PruningTask:
    return PruningTask(
        reference,
        reference.model,
        CostModel(reference.model, reference.channel_map),
        dataset,
        Normalization.of(dataset.train),
        Budget(max_flops=0.5),
        seed=seed,
        options=options,
    )


def test_it_proposes_one_finite_score_per_channel(
    pruner: Pruner, reference: Reference, dataset: DataSet
) -> None:
    proposal = pruner.propose(task_of(reference, dataset))
    assert proposal.scores is not None
    assert np.shape(proposal.scores) == (reference.channel_map.num_channels,)
    assert np.isfinite(proposal.scores).all()


def test_its_scores_follow_from_the_seed(pruner: Pruner, reference: Reference, dataset: DataSet) -> None:
    first, second = (pruner.propose(task_of(reference, dataset, seed=3)).scores for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_it_leaves_the_reference_as_it_is(pruner: Pruner, reference: Reference, dataset: DataSet) -> None:
    before = [np.array(weight) for weight in reference.model.weights]
    pruner.propose(task_of(reference, dataset))
    for old, new in zip(before, reference.model.weights, strict=True):
        np.testing.assert_array_equal(old, np.array(new))


def test_its_masks_fit_the_budget(pruner: Pruner, reference: Reference, dataset: DataSet) -> None:
    mask = reference.cut.meet(pruner.propose(task_of(reference, dataset)).scores, Budget(max_flops=0.5))
    assert reference.cost_model.exact_fractions(mask)[1] <= 0.5


def test_it_names_its_options(pruner: Pruner) -> None:
    assert all(isinstance(name, str) for name in pruner.option_names)
