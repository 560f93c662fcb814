"""Channels of a functional model: trace, mask, slice, count their cost, meet a budget."""

from stamp_tf.channels.budget import Budget
from stamp_tf.channels.call import Call
from stamp_tf.channels.cost import CostModel, LayerCost
from stamp_tf.channels.cut import ChannelCut, add_logistic_noise
from stamp_tf.channels.graph import inlined
from stamp_tf.channels.groups import ChannelGroup, ChannelMap, KeptWhole, WeightAxis
from stamp_tf.channels.mask import mask_kernels
from stamp_tf.channels.ranking import Ranking
from stamp_tf.channels.slice import slice_model
from stamp_tf.channels.trace import trace_channels
from stamp_tf.channels.traced_network import TracedNetwork
from stamp_tf.channels.widths import WidthRules

__all__ = [
    "Budget",
    "Call",
    "ChannelCut",
    "ChannelGroup",
    "ChannelMap",
    "CostModel",
    "KeptWhole",
    "LayerCost",
    "Ranking",
    "TracedNetwork",
    "WeightAxis",
    "WidthRules",
    "add_logistic_noise",
    "inlined",
    "mask_kernels",
    "slice_model",
    "trace_channels",
]
