"""A network with masked kernels and the smaller network that they stand for must give the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from stamp_tf.channels import Budget, ChannelCut, CostModel, mask_kernels, slice_model, trace_channels
from stamp_tf.testing.require import array, require, require_close


def require_masked_equals_sliced(
    model: keras.Model,
    images: Any,
    *,
    max_flops: Iterable[float],
    training: bool = False,
    tolerance: float = 1e-5,
) -> None:
    """Hold a network to what the tracer says about its channels, for a hard mask and for a soft one.

    Args:
        model: A functional model; its weights are moved away from where training starts.
        images: What it reads, `[B, ...]`.
        max_flops: Of the smaller networks, as fractions.
        training: Whether to compare on the statistics of the batch.
        tolerance: Largest difference of the outputs.

    Raises:
        AssertionError: If they differ.
    """
    channel_map = trace_channels(enliven(model))
    cut = ChannelCut(channel_map, CostModel(model, channel_map))
    for budget in max_flops:
        rng = np.random.default_rng(int(100 * budget))
        hard = cut.meet(rng.normal(size=cut.num_channels), reachable(cut, max_flops=budget))
        soft = hard.times(rng.uniform(0.5, 1, len(hard)).astype("float32"))
        rule = f"The masked and the smaller network must give the same at {budget:g} of the FLOPs"
        for mask in (hard, soft):
            smaller = slice_model(model, channel_map, mask)
            masked = mask_kernels(
                channel_map,
                [variable.path for variable in model.trainable_variables],
                weights=[variable.value for variable in model.trainable_variables],
                mask=ops.convert_to_tensor(np.asarray(mask, "float32")),
            )
            of_masked = _outputs(model, masked, images, training=training)
            of_smaller = _outputs(
                smaller,
                [variable.value for variable in smaller.trainable_variables],
                images,
                training=training,
            )
            require(np.abs(of_masked).max() > 1e-2, rule, "all outputs are near zero")
            require_close(of_smaller, of_masked, rule, tolerance=tolerance)


def reachable(cut: ChannelCut, *, keep_params: float | None = None, max_flops: float | None = None) -> Budget:
    """Return a budget, with limits raised to what a channel of each layer costs: small networks cannot go below.

    Args:
        cut: Of the network.
        keep_params: Fraction of the parameters, or None.
        max_flops: Fraction of the FLOPs, or None.
    """
    fewest = cut.rank(np.arange(cut.num_channels, dtype="float64")[::-1]).mask(0)
    least = 1.05 * cut.cost_model.exact_fractions(fewest)
    return Budget(
        keep_params=None if keep_params is None else min(1.0, max(keep_params, float(least[0]))),
        max_flops=None if max_flops is None else min(1.0, max(max_flops, float(least[1]))),
    )


def enliven(model: keras.Model) -> keras.Model:
    """Move statistics, scales and shifts away from where training starts, so that a mix-up of channels shows.

    Args:
        model: The network, changed in place.
    """
    rng = np.random.default_rng(1)
    for weight in (*model.trainable_weights, *model.non_trainable_weights):
        name, shape = weight.path.rpartition("/")[2], tuple(weight.shape)
        if name in ("gamma", "moving_variance"):
            weight.assign(rng.uniform(0.6, 1.4, shape))
        elif len(shape) == 1 and "float" in str(weight.dtype):
            weight.assign(rng.normal(0, 0.2, shape))
    return model


def _outputs(model: keras.Model, weights: list[Any], images: Any, *, training: bool) -> np.ndarray:
    statistics = [variable.value for variable in model.non_trainable_variables]
    return array(model.stateless_call(weights, statistics, images, training=training)[0])
