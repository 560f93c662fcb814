"""ResNet-18's counts and its shortcuts."""

import keras
import numpy as np
import pytest

from stamp_tf.backbones.resnet import resnet18
from stamp_tf.backbones.vgg import vgg19
from stamp_tf.channels import CostModel, trace_channels
from stamp_tf.errors import StampError


def test_counts_by_hand() -> None:
    """Stem, four stages of two blocks, one dense layer; convolutions without bias, two vectors per norm."""
    parameters, flops = 9 * 3 * 64 + 2 * 64, 32 * 32 * 9 * 3 * 64
    channels, positions = 64, 32 * 32
    for filters, strides in ((64, 1), (128, 2), (256, 2), (512, 2)):
        positions //= strides**2
        for _ in range(2):
            kernels = 9 * channels * filters + 9 * filters * filters + channels * filters
            parameters += kernels + 3 * 2 * filters
            flops += positions * kernels
            channels = filters
    model = resnet18((32, 32, 3), 10)
    cost = CostModel(model, trace_channels(model))
    full = np.ones(cost.num_channels)
    assert cost.parameters(full) == parameters + 512 * 10 + 10
    assert cost.flops(full) == flops + 512 * 10


def test_every_block_can_lose_channels_of_its_own() -> None:
    channel_map = trace_channels(resnet18((32, 32, 3), 10, width=0.125))
    # The stem, and of each block the inner channels and the ones it hands on.
    assert len(channel_map.groups) == 1 + 8 * 2
    assert all(len(group.producers) <= 2 for group in channel_map.groups)
    handed_on = [group for group in channel_map.groups if len(group.producers) == 2]
    assert [sorted(group.producers) for group in handed_on] == [
        [f"stage{stage}_block{block}_conv2", f"stage{stage}_block{block}_shortcut"]
        for stage in (1, 2, 3, 4)
        for block in (1, 2)
    ]


def test_every_shortcut_has_a_convolution() -> None:
    model = resnet18((32, 32, 3), 10, width=0.1)
    sums = [layer for layer in model.layers if isinstance(layer, keras.layers.Add)]
    shortcuts = [layer for layer in model.layers if getattr(layer, "kernel_size", None) == (1, 1)]
    assert len(sums) == len(shortcuts) == 8


@pytest.mark.parametrize("backbone", [vgg19, resnet18])
@pytest.mark.parametrize("shape", [(31, 32, 3), (32, 28, 1)])
def test_smaller_images_are_refused(backbone, shape: tuple[int, int, int]) -> None:
    with pytest.raises(StampError, match=r"at least 32"):
        backbone(shape, 10)
