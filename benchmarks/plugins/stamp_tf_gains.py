"""Masks that follow from a set through the errors that its channels leave: an encoder, a probe, a generator."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from stamp_tf.channels import ChannelMap
from stamp_tf.channels.probe import Probe
from stamp_tf.layers.mask_generator import MaskGenerator, relaxed_bernoulli
from stamp_tf.tensor import Tensor

_TINY = 1e-12


@keras.saving.register_keras_serializable(package="stamp_tf_gains")
class Images(keras.layers.Layer):
    """Every image stands for itself: r = B, and nothing is learnt.

    Example:
        >>> tuple(Images()(np.zeros((20, 32, 32, 3), "float32")).shape)
        (20, 32, 32, 3)
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, images: Tensor) -> Tensor:
        return images

    def compute_output_shape(self, images_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return tuple(images_shape)


class ErrorProbe(Probe):
    """Tells for each channel what is missing without it alone, once the others of its group stand in for it.

    E_c = ||W_c||^2 / (G^-1)_cc, with G the covariance of the group's channels over images and places and W_c what its
    readers multiply channel c by; relative, for each reader, to what it would write if its inputs were independent.
    Taps of a kernel count as inputs of their own. A ridge of a hundredth of the mean variance keeps the condition
    number of G below 100 C + 1, for which float32 has digits enough.

    Args:
        model: The traced network.
        channel_map: Its channels.
        places: At how many places of each image channels are looked at, the same ones of every image.
        ridge: As a fraction of the mean variance.

    Source:
        Hassibi & Stork 1993, Optimal Brain Surgeon.
    """

    def __init__(
        self, model: keras.Model, channel_map: ChannelMap, *, places: int = 8, ridge: float = 1e-2
    ) -> None:
        super().__init__(model, channel_map)
        self._groups = [group.slice for group in channel_map.groups]
        self._num_channels = channel_map.num_channels
        self._places, self._ridge = places, ridge
        kernels = {variable.path: place for place, variable in enumerate(model.trainable_variables)}
        self._readers = [
            (kernels[axis.path], axis.axis, axis.channels % (self._num_channels + 1))
            for axis in channel_map.weight_axes
            if axis.role == "consumer"
        ]

    def __call__(self, weights: Sequence[Tensor], statistics: Sequence[Tensor], images: Tensor) -> Tensor:
        """Return the logarithm of every channel's relative error, `[1, C]`; nothing is learnt through it."""
        outputs = self.outputs(weights, statistics, images)
        rows = self.in_order(ops.concatenate([self._picked(output) for output in outputs], axis=1))
        rows = ops.stop_gradient(rows - ops.mean(rows, axis=0))
        variances = ops.mean(ops.square(rows), axis=0)
        shares = self._shares([ops.stop_gradient(weight) for weight in weights], variances)
        alone = ops.concatenate([self._unexplained(rows[:, group]) for group in self._groups])
        return ops.log(shares * alone + _TINY)[None]

    def _picked(self, output: Tensor) -> Tensor:
        """Return the features of a tensor at some places of each image, `[B * places, features]`."""
        flat = ops.reshape(output, (output.shape[0], -1, output.shape[-1]))
        total = flat.shape[1]
        # Fixed for a size; fewer places come several times, so that all tensors have as many rows.
        places = np.resize(np.random.default_rng(total).permutation(total), self._places)
        picked = ops.reshape(ops.take(flat, places, axis=1), (-1, output.shape[-1]))
        return ops.cast(picked, "float64" if keras.config.floatx() == "float64" else "float32")

    def _shares(self, weights: Sequence[Tensor], variances: Tensor) -> Tensor:
        """Return the square of what each channel is multiplied by, relative to the reader's energy, `[C]`."""
        shares = ops.zeros_like(variances)
        for place, axis, channels in self._readers:
            kernel = ops.cast(weights[place], variances.dtype)
            others = tuple(other for other in range(len(kernel.shape)) if other != axis)
            squares = ops.sum(ops.square(kernel), axis=others)
            # What belongs to no channel comes last.
            squares = ops.segment_sum(squares, channels, num_segments=self._num_channels + 1)[:-1]
            shares = shares + squares / (ops.sum(squares * variances) + _TINY)
        return shares

    def _unexplained(self, rows: Tensor) -> Tensor:
        """Return what of each channel's variance the others of its group do not explain, `[size]`."""
        size = rows.shape[1]
        gram = ops.matmul(ops.transpose(rows), rows) / rows.shape[0]
        loading = self._ridge * ops.trace(gram) / size + _TINY
        inverse = ops.linalg.inv(gram + loading * ops.eye(size, dtype=gram.dtype))
        return 1 / ops.diagonal(inverse)


@keras.saving.register_keras_serializable(package="stamp_tf_gains")
class RemainingErrors(MaskGenerator):
    """scores = base + gain of the layer * its errors + shift of the layer * (their mean - what it usually is).

    Errors are logarithms, standardised within the layer; their mean says how many channels a layer keeps on this set.
    Only gains and, unless told otherwise, shifts are learnt. At 0, where they start, the order is the learnt one.

    Args:
        group_sizes: Number of channels of each layer's group.
        gain: First value of the gains, in units of the scores.
        shift: First value of the shifts.
        usual: Mean logarithm of each layer's errors on the reference data set; 0 if None.
        learns_shifts: Whether shifts are trained.
    """

    def __init__(
        self,
        group_sizes: Sequence[int],
        *,
        gain: float = 0.0,
        shift: float = 0.0,
        usual: Sequence[float] | None = None,
        learns_shifts: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(group_sizes, **kwargs)
        self.gain, self.shift = gain, shift
        self.learns_shifts = learns_shifts
        self.usual = None if usual is None else [float(value) for value in usual]

    def make_probe(self, model: keras.Model, channel_map: ChannelMap) -> Probe:
        return ErrorProbe(model, channel_map)

    def build(self, pooled_shape: tuple[int | None, int]) -> None:
        constant = keras.initializers.Constant
        self.base_scores = self.add_weight(
            shape=(self.num_channels,), initializer="zeros", trainable=False, name="base_scores"
        )
        shape = (len(self.group_sizes),)
        self.gains = self.add_weight(shape=shape, initializer=constant(self.gain), name="gains")
        self.shifts = self.add_weight(
            shape=shape, initializer=constant(self.shift), trainable=self.learns_shifts, name="shifts"
        )

    def start_from(self, scores: np.ndarray) -> None:
        self.base_scores.assign(scores)

    def shift_scores(self, amount: float) -> None:
        self.base_scores.assign_add(np.full(self.num_channels, amount))

    def call(self, pooled: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        errors = ops.mean(pooled, axis=0, keepdims=True)
        offsets = self.shifts * (
            self.layer_means(errors[0]) - np.array(self.usual or 0.0, self.compute_dtype)
        )
        scores = (
            self.base_scores + self._spread(self.gains) * self.standardized(errors)[0] + self._spread(offsets)
        )
        return scores, relaxed_bernoulli(scores, uniform[0]), ops.zeros((), scores.dtype)

    def layer_means(self, errors: Tensor) -> Tensor:
        """Return the mean over each layer's channels, `[groups]`, of errors `[C]`."""
        sums = ops.segment_sum(errors, self._group_of, num_segments=len(self.group_sizes))
        return sums / np.array(self.group_sizes, "float32")

    def _spread(self, values: Tensor) -> Tensor:
        return ops.take(values, self._group_of)

    @property
    def _group_of(self) -> np.ndarray:
        return np.repeat(np.arange(len(self.group_sizes)), self.group_sizes)

    def get_config(self) -> dict[str, Any]:
        names = ("gain", "shift", "usual", "learns_shifts")
        return super().get_config() | {name: getattr(self, name) for name in names}
