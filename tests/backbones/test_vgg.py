"""VGG-19's counts."""

import keras
import numpy as np
import pytest

from stamp_tf.backbones.vgg import vgg19
from stamp_tf.channels import CostModel, trace_channels
from stamp_tf.errors import StampError


def test_published_counts() -> None:
    model = vgg19((32, 32, 3), 10)
    cost = CostModel(model, trace_channels(model))
    full = np.ones(cost.num_channels)
    assert cost.parameters(full) == 20_040_522
    assert cost.flops(full) == 398_136_320


def test_sixteen_convolutions_and_one_dense_layer() -> None:
    model = vgg19((32, 32, 3), 10, width=0.1)
    kinds = [type(layer) for layer in model.layers]
    assert kinds.count(keras.layers.Conv2D) == 16
    assert kinds.count(keras.layers.Dense) == 1
    assert trace_channels(model).group_sizes == (6,) * 2 + (13,) * 2 + (26,) * 4 + (51,) * 8


@pytest.mark.parametrize("width", [0, -1, 1e9, float("nan"), float("inf"), 10**400, True, None, "a", [1]])
def test_a_width_that_is_none_is_refused(width: object) -> None:
    with pytest.raises(StampError, match="--width must be a number above 0 and at most 16, but got"):
        vgg19((32, 32, 3), 10, width=width)


def test_the_narrowest_width_leaves_one_channel_a_layer() -> None:
    assert set(trace_channels(vgg19((32, 32, 3), 10, width=1e-6)).group_sizes) == {1}
