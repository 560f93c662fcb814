"""The references that come with the library: what they hold, and the masks that they give."""

import hashlib

import numpy as np
import pytest

from stamp_tf.channels import Budget, ChannelCut, CostModel
from stamp_tf.references.bundled import load_bundled
from stamp_tf.references.reference import Reference

MASKS = {0.5: "efc074a9b786277c", 0.25: "2136095ad88e6a54", 0.1: "35e0f63171ddcb07"}
"""Digests of what `prune` kept at three limits on FLOPs, for CIFAR-10 and for GTSRB, while the bundled VGG-19 still
had a set encoder and a mask generator whose gains were zero."""


@pytest.fixture(scope="module")
def vgg19() -> Reference:
    return load_bundled("vgg19")


@pytest.mark.parametrize("num_classes", [10, 43])
def test_masks_of_the_vgg_are_those_of_its_learnt_order(vgg19: Reference, num_classes: int) -> None:
    scores = vgg19.propose_scores(np.zeros((1, 32, 32, 3), "uint8"), normalization=vgg19.normalization)
    model = vgg19.backbone.build(num_classes=num_classes)
    cut = ChannelCut(vgg19.channel_map, CostModel(model, vgg19.channel_map))
    found = {
        limit: hashlib.sha256(np.packbits(cut.meet(scores, Budget(max_flops=limit)).kept).tobytes())
        for limit in MASKS
    }
    assert {limit: digest.hexdigest()[:16] for limit, digest in found.items()} == MASKS


def test_only_the_resnet_is_meta_trained(vgg19: Reference) -> None:
    assert vgg19.set_encoder is vgg19.mask_generator is None
    resnet18 = load_bundled("resnet18")
    assert resnet18.backbone.options == {"width": 0.5}
    assert (resnet18.set_encoder.name, resnet18.mask_generator.name) == (
        "set-transformer",
        "score",
    )
