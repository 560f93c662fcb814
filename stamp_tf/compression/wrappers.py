"""TensorFlow Model Optimization's wrappers around the layers of a tf_keras network, and what undoes them.

It needs the extra `tfmot`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import tensorflow_model_optimization as tfmot
import tf_keras
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantize_registry,
)

from stamp_tf.compression.rebuild import OperationOfKeras

SPARSITY = 0.5
"""Share of the numbers in a kernel that become zeros."""
NUM_CLUSTERS = 16
"""Values that a kernel has left, such that 4 bits name one."""

# Depthwise kernels are small and worth every number; so are kernels of few numbers.
_COMPRESSED = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "Dense")
_FEWEST = 16 * NUM_CLUSTERS
# Zeros are set within this part of the steps, the others are trained around them.
_SETTLED_AT = 0.6
_TIMES = 20


@dataclass(frozen=True)
class Wrapped:
    """A network to be trained.

    Args:
        model: With wrapped layers.
        callbacks: What has to be told of its steps.
        layers: Of the trained network, by their names in the one that was wrapped: what holds their weights.
    """

    model: tf_keras.Model
    layers: Callable[[], dict[str, Any]]
    callbacks: Sequence[Any] = field(default=())


def wrap(model: tf_keras.Model, kind: str, *, num_steps: int) -> Wrapped:
    """Return a network whose layers learn to be compressed.

    Args:
        model: Not to be used afterwards, because its layers become those of the new one.
        kind: `sparsity`, `clustering` or `qat`.
        num_steps: How long it will be trained.

    Raises:
        ValueError: If TensorFlow Model Optimization has no word for a layer.
    """
    for layer in model.layers:
        if isinstance(layer, tf_keras.layers.BatchNormalization):
            # Its moving statistics are what the file will hold; few steps would not bring new ones about.
            layer.trainable = False
    return {"sparsity": _sparse, "clustering": _clustered, "qat": _quantised}[kind](model, num_steps)


def _sparse(model: tf_keras.Model, num_steps: int) -> Wrapped:
    settled = max(1, int(_SETTLED_AT * num_steps))
    schedule = tfmot.sparsity.keras.PolynomialDecay(
        0.0, SPARSITY, begin_step=0, end_step=settled, frequency=max(1, settled // _TIMES)
    )
    wrapped = _clone(
        model, lambda layer: tfmot.sparsity.keras.prune_low_magnitude(layer, pruning_schedule=schedule)
    )
    callback = tfmot.sparsity.keras.UpdatePruningStep()
    return Wrapped(wrapped, lambda: _by_name(tfmot.sparsity.keras.strip_pruning(wrapped)), (callback,))


def _clustered(model: tf_keras.Model, num_steps: int) -> Wrapped:
    start = tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS
    wrapped = _clone(
        model,
        lambda layer: tfmot.clustering.keras.cluster_weights(
            layer, number_of_clusters=NUM_CLUSTERS, cluster_centroids_init=start
        ),
    )
    return Wrapped(wrapped, lambda: _by_name(tfmot.clustering.keras.strip_clustering(wrapped)))


def _quantised(model: tf_keras.Model, num_steps: int) -> Wrapped:
    known = default_8bit_quantize_registry.Default8BitQuantizeRegistry()
    annotate = tfmot.quantization.keras.quantize_annotate_layer
    annotated = tf_keras.models.clone_model(
        model, clone_function=lambda layer: annotate(layer) if known.supports(layer) else layer
    )
    with tfmot.quantization.keras.quantize_scope({OperationOfKeras.__name__: OperationOfKeras}):
        wrapped = tfmot.quantization.keras.quantize_apply(annotated)
    names = [layer.name for layer in model.layers]

    def layers() -> dict[str, Any]:
        found = _by_name(wrapped)
        return {name: found.get(f"quant_{name}", found.get(name)) for name in names}

    return Wrapped(wrapped, layers)


def _clone(model: tf_keras.Model, wrap_layer: Callable[[Any], Any]) -> tf_keras.Model:
    def each(layer: Any) -> Any:
        is_worth_it = type(layer).__name__ in _COMPRESSED and layer.count_params() >= _FEWEST
        return wrap_layer(layer) if is_worth_it else layer

    return tf_keras.models.clone_model(model, clone_function=each)


def _by_name(model: tf_keras.Model) -> dict[str, Any]:
    return {layer.name: layer for layer in model.layers}
