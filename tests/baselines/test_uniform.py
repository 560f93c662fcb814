"""Uniform widths from one cut over all layers."""

import numpy as np
import pytest

from stamp_tf.backbones.resnet import resnet18
from stamp_tf.baselines.l1 import L1Norm
from stamp_tf.baselines.random import RandomChannels
from stamp_tf.baselines.uniform import uniform_scores
from stamp_tf.channels import Budget, CostModel, TracedNetwork
from stamp_tf.data import Normalization
from stamp_tf.errors import StampError
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.pruner import PruningProblem
from stamp_tf.references.backbone_config import BackboneConfig
from stamp_tf.references.reference import Reference


@pytest.fixture(scope="module")
def reference() -> Reference:
    backbone = BackboneConfig(
        name="resnet18", input_shape=(32, 32, 3), num_classes=3, options={"width": 0.125}
    )
    model = resnet18((32, 32, 3), 3, width=0.125)
    return Reference(
        backbone=backbone,
        network=TracedNetwork.of(model),
        normalization=Normalization((0.5,) * 3, (0.25,) * 3),
    )


def task_of(reference: Reference, **options: object) -> PruningProblem:
    cost = CostModel(reference.model, reference.channel_map)
    return PruningProblem(
        reference=reference,
        model=reference.model,
        cost=cost,
        dataset=None,
        normalization=reference.normalization,
        budget=Budget(max_flops=0.3),
        options=options,
    )


def test_one_cut_keeps_the_same_fraction_of_every_layer(reference: Reference) -> None:
    values = np.random.default_rng(0).normal(size=reference.channel_map.num_channels)
    mask = reference.cut.meet(uniform_scores(reference.channel_map, values), Budget(max_flops=0.3))
    ratios = [mask[group.slice].mean() for group in reference.channel_map.groups]
    smallest = min(reference.channel_map.group_sizes)
    assert max(ratios) - min(ratios) <= 1 / smallest + 1e-9


def test_within_a_layer_the_better_value_stays(reference: Reference) -> None:
    values = np.random.default_rng(0).normal(size=reference.channel_map.num_channels)
    scores = uniform_scores(reference.channel_map, values)
    for group in reference.channel_map.groups:
        np.testing.assert_array_equal(np.argsort(scores[group.slice]), np.argsort(values[group.slice]))


def test_l1_adds_up_the_norms_of_tied_layers(reference: Reference) -> None:
    group = reference.channel_map.groups[-1]
    assert len(group.producers) == 2
    norms = np.zeros(group.size)
    for name in group.producers:
        norms += np.abs(np.array(reference.model.get_layer(name).kernel)).sum(axis=(0, 1, 2))
    scores = L1Norm().propose(task_of(reference)).scores
    np.testing.assert_array_equal(np.argsort(scores[group.slice]), np.argsort(norms))


def test_random_channels_take_given_widths(reference: Reference) -> None:
    widths = {group.name: 1 + index % group.size for index, group in enumerate(reference.channel_map.groups)}
    mask = RandomChannels().propose(task_of(reference, widths=widths)).mask
    assert {group.name: int(mask[group.slice].sum()) for group in reference.channel_map.groups} == widths


def test_widths_of_another_network_are_refused(reference: Reference) -> None:
    config = PruneConfig(method="random", max_flops=0.5, options={"widths": {"stem": 1}})
    with pytest.raises(StampError, match="--widths must give 1 to"):
        RandomChannels().check(reference, config)
