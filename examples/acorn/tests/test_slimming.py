"""A method gives scores; the budget is met whatever they are."""

import stamp_tf
from acorn.slimming import Slimming
from stamp_tf.channels import TracedNetwork
from stamp_tf.data import Normalization, load_dataset
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.references.backbone_config import BackboneConfig
from stamp_tf.references.reference import Reference
from stamp_tf.testing import check_pruner


def test_it_is_a_pruner():
    check_pruner(Slimming)


def test_the_pruned_network_meets_the_budget():
    dataset = load_dataset("digits", image_shape=(32, 32, 3), train_size=100)
    backbone = BackboneConfig(
        name="resnet18",
        input_shape=dataset.image_shape,
        num_classes=dataset.num_classes,
        options={"width": 0.1},
    )
    network = TracedNetwork.of(backbone.build())
    reference = Reference(backbone=backbone, network=network, normalization=Normalization.of(dataset.train))
    result = stamp_tf.prune(
        dataset, reference, method="slimming", max_flops=0.5, finetune=FinetuneConfig(epochs=0)
    )
    assert 0.3 < result.flops_fraction <= 0.5
    assert result.model.output_shape == (None, 10)
