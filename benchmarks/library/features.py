"""A backbone below its head: what a head in closed form is fitted to."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from stamp_tf.backbones.head import head_layer
from stamp_tf.channels import ChannelMap
from stamp_tf.tensor import Tensor


class Features:
    """The pooled features of a network as a pure function of its weights.

    Args:
        model: The traced network; its last layer is a dense one.
        channel_map: Its channels.

    Raises:
        StampError: If the network ends in something else.
    """

    def __init__(self, model: keras.Model, channel_map: ChannelMap) -> None:
        head = head_layer(model)
        self.extractor = keras.Model(model.input, head.input)
        weights = {variable.path: place for place, variable in enumerate(model.trainable_variables)}
        self._weights = [weights[variable.path] for variable in self.extractor.trainable_variables]
        statistics = {variable.path: place for place, variable in enumerate(model.non_trainable_variables)}
        self._statistics = [statistics[variable.path] for variable in self.extractor.non_trainable_variables]
        axes = [axis for axis in channel_map.weight_axes if axis.path == head.kernel.path]
        consumed = [axis.channels for axis in axes if axis.role == "consumer"]
        # Where the last features cannot be removed, no channel is theirs.
        self._channels = consumed[0] if consumed else np.full(head.kernel.shape[0], -1)

    def __call__(
        self, weights: Sequence[Tensor], statistics: Sequence[Tensor], images: Tensor, *, training: bool
    ) -> tuple[Tensor, list[Tensor]]:
        """Return features `[B, F]` and all of the network's statistics after these images.

        Args:
            weights: Trainable values of the whole network, in its order.
            statistics: Its non-trainable values.
            images: Normalised, `[B, H, W, D]`.
            training: Whether normalisations use the batch's own statistics.
        """
        features, fresh = self.extractor.stateless_call(
            [weights[place] for place in self._weights],
            [statistics[place] for place in self._statistics],
            images,
            training=training,
        )
        new = list(statistics)
        for place, value in zip(self._statistics, fresh, strict=True):
            new[place] = value
        return features, new

    def keep(self, mask: Tensor) -> Tensor:
        """Return the mask `[C]` of the channels that become features, `[F]`; 1 where none does."""
        padded = ops.concatenate([mask, ops.ones((1,), mask.dtype)])
        return ops.take(padded, self._channels % (mask.shape[0] + 1))
