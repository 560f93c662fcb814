"""A network with all that follows from its graph: worked out once, and carried along."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import keras

from stamp_tf.channels.cost import CostModel
from stamp_tf.channels.cut import ChannelCut
from stamp_tf.channels.groups import ChannelMap
from stamp_tf.channels.trace import trace_channels


@dataclass(frozen=True, eq=False, kw_only=True)
class TracedNetwork:
    """A network, its channels, what they cost, and the cut at a budget.

    Args:
        model: The network.
        channel_map: Its channels.
        cost_model: What each of them costs.
    """

    model: keras.Model
    channel_map: ChannelMap
    cost_model: CostModel

    @classmethod
    def of(cls, model: keras.Model, channel_map: ChannelMap | None = None) -> TracedNetwork:
        """Trace a network.

        Args:
            model: A functional model.
            channel_map: Its channels, where they are known: of a network with another head, say.

        Raises:
            StampError: If it cannot be traced.
        """
        channel_map = channel_map or trace_channels(model)
        return cls(model=model, channel_map=channel_map, cost_model=CostModel(model, channel_map))

    @cached_property
    def cut(self) -> ChannelCut:
        """From scores and a budget to a mask.

        Raises:
            StampError: If no channel can be removed.
        """
        return ChannelCut(self.channel_map, self.cost_model)
