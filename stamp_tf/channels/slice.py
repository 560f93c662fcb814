"""Slice a model's kernels to its kept channels: a new, plain Keras model."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from stamp_tf.channels.graph import calls, functional_graph, graph_of, leaf_layers
from stamp_tf.channels.groups import ChannelMap, LayerOption, WeightAxis
from stamp_tf.errors import StampError


def slice_model(model: keras.Model, channel_map: ChannelMap, mask: np.ndarray) -> keras.Model:
    """Build the smaller network that a mask leaves.

    Surviving input slices of a kernel are multiplied by their mask, so that soft values are folded into the
    weights; a 0/1 mask leaves them as they are.

    Args:
        model: The traced functional model; it is not changed.
        channel_map: Its channels.
        mask: Keep value per channel, `[num_channels]`; a channel goes where it is 0.

    Returns:
        A model of the same layers with fewer channels, and no layer of this library in it.

    Raises:
        StampError: If the mask has another length, or empties a group.
    """
    mask = np.asarray(mask, "float64")
    if mask.shape != (channel_map.num_channels,):
        raise StampError(
            f"A mask must have one value per channel ({channel_map.num_channels}), but has shape {mask.shape}."
        )
    for group in channel_map.groups:
        if not mask[group.slice].any():
            raise StampError(
                f"A mask must keep at least one channel of every layer, but empties {group.name}."
            )
    smaller = _Shrinker(model, channel_map, mask)(model)
    axes: dict[str, list[WeightAxis]] = {}
    for axis in channel_map.weight_axes:
        axes.setdefault(axis.path, []).append(axis)
    for (_, old_layer), (_, new_layer) in zip(leaf_layers(model), leaf_layers(smaller), strict=True):
        for old, new in zip(old_layer.weights, new_layer.weights, strict=True):
            new.assign(_sliced(keras.ops.convert_to_numpy(old), axes.get(old.path, ()), mask))
        if hasattr(new_layer, "finalize_state"):
            new_layer.finalize_state()  # Normalization computes with what it derives from its weights.
    return smaller


class _Shrinker:
    """Makes the smaller twin of a model, of the models within it, and of every layer and operation."""

    def __init__(self, model: keras.Model, channel_map: ChannelMap, mask: np.ndarray) -> None:
        self._kept = np.append(mask != 0, True)
        self._options: dict[str, list[LayerOption]] = {}
        for option in channel_map.options:
            self._options.setdefault(option.layer, []).append(option)
        self._paths: dict[int, str] = {}
        self._find_paths(functional_graph(model), prefix="")
        self._made: dict[int, Any] = {}

    def __call__(self, layer: Any) -> Any:
        """Return the smaller twin, always the same one for a layer that is called twice."""
        if id(layer) not in self._made:
            graph = graph_of(layer)
            if graph is None:
                twin = self._rebuilt(layer)
            elif isinstance(layer, keras.Sequential):
                twin = self._sequential(layer, graph)
            else:
                inputs = keras.tree.map_structure(self._input, graph._inputs_struct)
                twin = keras.models.clone_model(layer, input_tensors=inputs, clone_function=self)
            self._made[id(layer)] = twin
        return self._made[id(layer)]

    def _find_paths(self, graph: Any, *, prefix: str) -> None:
        operations = [tensor._keras_history.operation for tensor in graph.inputs]
        for operation in (*operations, *(node.operation for node in calls(graph))):
            path = self._paths.setdefault(id(operation), prefix + operation.name)
            if (inner := graph_of(operation)) is not None:
                self._find_paths(inner, prefix=f"{path}/")

    def _input(self, tensor: keras.KerasTensor) -> keras.KerasTensor:
        layer = tensor._keras_history.operation
        config = self._config(layer)
        return keras.Input(batch_shape=config["batch_shape"], dtype=tensor.dtype, name=layer.name)

    def _sequential(self, model: keras.Sequential, graph: Any) -> keras.Sequential:
        layers = [self._input(graph.inputs[0]), *(self(layer) for layer in model.layers)]
        twin = keras.Sequential(layers, name=model.name, trainable=model.trainable)
        if model.compiled:
            twin.compile_from_config(model.get_compile_config())
        return twin

    def _rebuilt(self, layer: Any) -> Any:
        try:
            return type(layer).from_config(self._config(layer))
        # A layer of somebody else's may raise anything.
        except Exception as error:
            raise StampError(
                f"Every layer must be rebuilt from its configuration, but {layer.name} "
                f"({type(layer).__name__}) gave {type(error).__name__}: {' '.join(str(error).split())[:200]}; "
                "mend its get_config."
            ) from error

    def _config(self, layer: Any) -> dict[str, Any]:
        """Return the layer's configuration with the number of channels that are left."""
        config = layer.get_config()
        for option in self._options.get(self._paths[id(layer)], ()):
            number = int(self._kept[option.channels].sum())
            if option.index is None:
                config[option.name] = number
            else:
                values = list(config[option.name])
                values[option.index] = number
                config[option.name] = tuple(values)
        return config


def _sliced(value: np.ndarray, axes: Sequence[WeightAxis], mask: np.ndarray) -> np.ndarray:
    """Take the kept slices along every axis, scaled by the mask where a kernel reads them."""
    with_kept = np.append(mask, 1.0)
    for axis in axes:
        kept = axis.kept_slices(mask)
        value = np.take(value, kept, axis.axis)
        if axis.role == "consumer":
            shape = [1] * value.ndim
            shape[axis.axis] = -1
            value = (value * with_kept[axis.channels[kept]].reshape(shape)).astype(value.dtype)
    return value
