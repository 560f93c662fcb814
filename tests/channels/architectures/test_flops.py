"""Multiply-adds of every architecture against the count of TensorFlow's own profiler."""

import numpy as np

from stamp_tf.channels import CostModel, trace_channels


def test_multiply_adds_are_those_of_the_profiler(name: str, build, profiled_flops) -> None:
    model = build(name)
    channel_map = trace_channels(model)
    ours = CostModel(model, channel_map).flops(np.ones(channel_map.num_channels))
    assert ours == profiled_flops(model)
