"""TensorFlow Model Optimization's wrappers around the layers of a tf_keras network, and what undoes them.

It needs the extra `tfmot`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow_model_optimization as tfmot
import tf_keras
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantize_registry,
)

from stamp_tf.compression.rebuild import OperationOfKeras, local_name

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
# What is quantised but weights, and how many images are looked at together.
_RANGED = ("activation", "output", "quantize_layer")
_AT_ONCE = 16
_FOLDING = ("Conv2D", "DepthwiseConv2D", "Dense")


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


def wrap(model: tf_keras.Model, kind: str, *, images: np.ndarray, num_steps: int) -> Wrapped:
    """Return a network whose layers learn to be compressed.

    Args:
        model: Not to be used afterwards, because its layers become those of the new one.
        kind: `sparsity`, `clustering` or `qat`.
        images: Normalised training images, float32 `[n, H, W, D]`, that show what flows through it.
        num_steps: How long it will be trained.

    Raises:
        ValueError: If TensorFlow Model Optimization has no word for a layer.
    """
    for layer in model.layers:
        if isinstance(layer, tf_keras.layers.BatchNormalization):
            # Its moving statistics are what the file will hold; few steps would not bring new ones about.
            layer.trainable = False
    if kind == "sparsity":
        return _sparse(model, num_steps)
    return _clustered(model) if kind == "clustering" else _quantised(model, images)


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


def _clustered(model: tf_keras.Model) -> Wrapped:
    start = tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS
    wrapped = _clone(
        model,
        lambda layer: tfmot.clustering.keras.cluster_weights(
            layer, number_of_clusters=NUM_CLUSTERS, cluster_centroids_init=start
        ),
    )
    return Wrapped(wrapped, lambda: _by_name(tfmot.clustering.keras.strip_clustering(wrapped)))


def _quantised(model: tf_keras.Model, images: np.ndarray) -> Wrapped:
    ranges = _ranges(model, images)
    known = default_8bit_quantize_registry.Default8BitQuantizeRegistry()
    annotate = tfmot.quantization.keras.quantize_annotate_layer

    def each(layer: Any) -> Any:
        return annotate(layer) if known.supports(layer) or _is_folded(layer) else layer

    annotated = tf_keras.models.clone_model(model, clone_function=each)
    with tfmot.quantization.keras.quantize_scope({OperationOfKeras.__name__: OperationOfKeras}):
        wrapped = tfmot.quantization.keras.quantize_apply(annotated)
    found = _by_name(wrapped)
    layers = {name: found.get(f"quant_{name}", found.get(name)) for name in ranges}
    # The layer that quantises the images themselves has no name of the network's.
    (of_images,) = (layer for name, layer in found.items() if name.startswith("quantize_layer"))
    for name, layer in (*layers.items(), (model.input_names[0], of_images)):
        _start_at(layer, ranges[name])
    return Wrapped(wrapped, lambda: layers)


def _is_folded(layer: Any) -> bool:
    """Whether a layer normalises what a kernel in front of it writes, so that both become one."""
    if not isinstance(layer, tf_keras.layers.BatchNormalization):
        return False
    before = layer.inbound_nodes[0].inbound_layers
    return type(before).__name__ in _FOLDING and before.activation is tf_keras.activations.linear


def _ranges(model: tf_keras.Model, images: np.ndarray) -> dict[str, tuple[float, float]]:
    """Return the least and the largest value that each layer writes, 0 among them."""
    seen = tf_keras.Model(model.input, {layer.name: layer.output for layer in model.layers})
    found = {layer.name: (0.0, 0.0) for layer in model.layers}
    for start in range(0, len(images), _AT_ONCE):
        for name, values in seen(images[start : start + _AT_ONCE], training=False).items():
            low, high = found[name]
            found[name] = min(low, float(np.min(values))), max(high, float(np.max(values)))
    return found


def _start_at(layer: Any, ends: tuple[float, float]) -> None:
    """Let outputs be quantised in a range: the one of [-6, 6] that they have would take thousands of steps to move."""
    for weight in layer.weights:
        name = local_name(weight)
        for ending, value in zip(("_min", "_max"), ends, strict=True):
            if name.endswith(tuple(f"{part}{ending}" for part in _RANGED)):
                weight.assign(value)


def _clone(model: tf_keras.Model, wrap_layer: Callable[[Any], Any]) -> tf_keras.Model:
    def each(layer: Any) -> Any:
        is_worth_it = type(layer).__name__ in _COMPRESSED and layer.count_params() >= _FEWEST
        return wrap_layer(layer) if is_worth_it else layer

    return tf_keras.models.clone_model(model, clone_function=each)


def _by_name(model: tf_keras.Model) -> dict[str, Any]:
    return {layer.name: layer for layer in model.layers}
