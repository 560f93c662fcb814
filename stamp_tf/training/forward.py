"""Run a network as in training, with values given for its variables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras

from stamp_tf.channels.graph import flat_layers
from stamp_tf.tensor import Tensor
from stamp_tf.training.fused_batch_norm import fused


def forward(
    model: keras.Model,
    weights: Sequence[Tensor],
    statistics: Sequence[Tensor],
    *,
    images: Tensor,
    is_frozen: bool = False,
) -> tuple[Tensor, list[Tensor]]:
    """Return what a network puts out in training mode, and the values that its other variables have then.

    Args:
        model: The network; its variables stay as they are.
        weights: Values of its trainable variables.
        statistics: Of the others.
        images: `[B, H, W, D]`.
        is_frozen: Whether batch normalisation goes by its moving statistics, which then stay, instead of the batch's.
    """
    if not is_frozen:
        with fused(_batch_norms(model)):
            return model.stateless_call(weights, statistics, images, training=True)
    others = model.non_trainable_variables
    values = [*zip(model.trainable_variables, weights, strict=True), *zip(others, statistics, strict=True)]
    with keras.StatelessScope(values) as scope, _moving_statistics(model):
        logits = model(images, training=True)
        return logits, [scope.get_current_value(variable) for variable in others]


def has_batch_norm(model: keras.Model) -> bool:
    """Return whether any layer of a network, wrapped ones included, is a batch normalisation."""
    return bool(_batch_norms(model))


def _batch_norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    return [layer for layer in flat_layers(model) if isinstance(layer, keras.layers.BatchNormalization)]


@contextmanager
def _moving_statistics(model: keras.Model) -> Iterator[None]:
    """Let every batch normalisation, wrapped ones included, go by its moving statistics while a step is traced.

    Keras has them do so where they are not trained, whatever mode they are called in; that of scale and shift would
    end, too, if they had not been named before.
    """
    norms = [layer for layer in _batch_norms(model) if layer.trainable]
    for layer in norms:
        layer.trainable = False
    try:
        yield
    finally:
        for layer in norms:
            layer.trainable = True
