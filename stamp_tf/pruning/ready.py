"""From a mask to a network that is ready for its target: sliced, its statistics and head measured on its images."""

from __future__ import annotations

import keras

from stamp_tf.backbones.head import head_layer
from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import slice_model
from stamp_tf.channels.derived_state import derive_state
from stamp_tf.measure.phases import clock
from stamp_tf.pruning.target import Target
from stamp_tf.training.ridge_head import fit_head
from stamp_tf.training.statistics import recalibrate_statistics, statistics_images


def sliced_network(
    target: Target, values: ChannelMask, *, structure_only: bool = False, check: bool = False
) -> keras.Model:
    """Return the smaller network of a mask.

    Args:
        target: With the full network; it stays as it is.
        values: Per channel what survivors are multiplied by, 0 for those that go, `[C]`.
        structure_only: Whether it gets fresh weights.
        check: Whether to compare its outputs with the masked network's, see `slice_model`.
    """
    small = slice_model(target.model, target.reference.channel_map, values, check=check)
    # Slicing rebuilt the layers, so a clone of them draws fresh weights.
    return _drawn_anew(small) if structure_only else small


def make_ready(
    model: keras.Model,
    target: Target,
    *,
    seed: int,
    head: str = "ridge",
    is_drawn: bool = False,
    times: dict[str, float] | None = None,
) -> None:
    """Measure a network's statistics and the head on the target's images, without a gradient step.

    Args:
        model: The network, full or sliced; it is changed.
        target: What for.
        seed: Decides which images measure the statistics.
        head: `ridge` in closed form, `random`, or `keep`.
        is_drawn: Whether its weights are fresh, so that a random head is there already.
        times: Gets the seconds of the phases `statistics` and `head`.
    """
    times = {} if times is None else times
    with clock(times, "statistics"):
        images = statistics_images(target.dataset.train, target.normalization, seed=seed)
        recalibrate_statistics(model, images)
    with clock(times, "head"):
        if head == "ridge":
            fit_head(
                model,
                target.dataset.train,
                normalization=target.normalization,
                end=target.reference.backbone.end,
            )
        elif head == "random" and not is_drawn:
            _draw_head(model)


def _drawn_anew(model: keras.Model) -> keras.Model:
    """Return the same network with fresh weights; how it scales its pixels is no weight that training finds again."""
    clone = keras.models.clone_model(model)
    for old, new in zip(model.layers, clone.layers, strict=True):
        if isinstance(old, keras.layers.Normalization):
            new.set_weights(old.get_weights())
    derive_state(clone)
    return clone


def _draw_head(model: keras.Model) -> None:
    """Give the last layer fresh values; with as many classes it would have come along with the rest."""
    layer = head_layer(model)
    layer.kernel.assign(layer.kernel_initializer(layer.kernel.shape))
    if layer.use_bias:
        layer.bias.assign(layer.bias_initializer(layer.bias.shape))
