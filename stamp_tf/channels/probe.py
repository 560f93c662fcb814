"""Look at every channel of a network for given images: the activations that the mask generator reads."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from stamp_tf.channels import ChannelMap
from stamp_tf.channels.graph import calls_of
from stamp_tf.tensor import Tensor


class Probe:
    """The unmasked backbone, seen where its kernels read it (Eq. 3 and 12).

    Normalisations use their moving statistics: the batch is r pseudo-images, often one.

    Args:
        model: The traced network; the probe shares its variables.
        channel_map: Its channels.
    """

    def __init__(self, model: keras.Model, channel_map: ChannelMap) -> None:
        operations = {operation.name: operation for operation in model.operations}
        places = list(dict.fromkeys((probe.layer, probe.node) for probe in channel_map.probes))
        tensors = [calls_of(operations[layer])[node].outputs[0] for layer, node in places]
        starts = dict(
            zip(places, np.cumsum([0, *(tensor.shape[-1] for tensor in tensors[:-1])]), strict=True)
        )
        self._features = np.array(
            [starts[probe.layer, probe.node] + probe.feature for probe in channel_map.probes]
        )
        self._in_order = np.array_equal(
            self._features, np.arange(sum(tensor.shape[-1] for tensor in tensors))
        )
        self._model = keras.Model(model.input, tensors)
        self._weights = _places(self._model.trainable_variables, model.trainable_variables)
        self._statistics = _places(self._model.non_trainable_variables, model.non_trainable_variables)

    def __call__(self, weights: Sequence[Tensor], statistics: Sequence[Tensor], images: Tensor) -> Tensor:
        """Return each channel's spatial mean, `[r, C]`, for images `[r, H, W, D]`.

        Args:
            weights: Trainable values of the traced network, in its order.
            statistics: Its non-trainable values.
            images: What to show it, usually the r pseudo-images of a set.
        """
        return self._pool(self.outputs(weights, statistics, images))

    def outputs(
        self, weights: Sequence[Tensor], statistics: Sequence[Tensor], images: Tensor
    ) -> Sequence[Tensor]:
        """Return the tensors that hold the channels, `[r, ..., features]` each; takes what a call takes."""
        outputs, _ = self._model.stateless_call(
            [weights[index] for index in self._weights],
            [statistics[index] for index in self._statistics],
            images,
            training=False,
        )
        return outputs if isinstance(outputs, list | tuple) else [outputs]

    def in_order(self, features: Tensor) -> Tensor:
        """Return channels `[n, C]` in the order of the map, of the features of all tensors side by side `[n, F]`."""
        return features if self._in_order else ops.take(features, self._features, axis=1)

    def _pool(self, outputs: Sequence[Tensor]) -> Tensor:
        """Return each channel's spatial mean, `[b, C]`, in the order of the channel map."""
        # Half-precision activations would lose the difference between neighbours in rank.
        dtype = "float64" if keras.config.floatx() == "float64" else "float32"
        pooled = [
            ops.mean(ops.cast(output, dtype), axis=tuple(range(1, len(output.shape) - 1)))
            for output in map(_spatial, outputs)
        ]
        return self.in_order(ops.concatenate(pooled, axis=1))


def _places(some: Sequence[keras.Variable], of: Sequence[keras.Variable]) -> list[int]:
    """Return where variables stand in a list that holds them all."""
    index = {variable.path: number for number, variable in enumerate(of)}
    return [index[variable.path] for variable in some]


def _spatial(tensor: Tensor) -> Tensor:
    """Give a tensor `[r, C]` one position, so that all can be averaged alike."""
    return tensor[:, None, :] if len(tensor.shape) == 2 else tensor
