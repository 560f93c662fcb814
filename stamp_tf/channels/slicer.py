"""Make the smaller twin of a network, layer by layer, and carry over what stays."""

import inspect
import logging
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels.graph import (
    calls,
    functional_graph,
    graph_of,
    input_structure,
    is_keras_operation,
    maker,
    run_through,
)
from stamp_tf.channels.groups import ChannelMap, LayerOption, WeightAxis
from stamp_tf.channels.state import carry_assets, carry_data, carry_notes, carry_state
from stamp_tf.channels.twin import make_twin
from stamp_tf.errors import StampError

logger = logging.getLogger(__name__)


class Slicer:
    """Makes the smaller twin of a model, of the models within it, and of every layer and operation.

    Args:
        model: The traced functional model.
        channel_map: Its channels.
        mask: Keep value per channel, `[num_channels]`.

    Attributes:
        sliced: The smaller model.
    """

    def __init__(self, model: keras.Model, channel_map: ChannelMap, mask: ChannelMask) -> None:
        self._mask = mask
        self._options: dict[str, list[LayerOption]] = {}
        for option in channel_map.options:
            self._options.setdefault(option.layer, []).append(option)
        self._axes: dict[str, list[WeightAxis]] = {}
        for axis in channel_map.weight_axes:
            self._axes.setdefault(axis.path, []).append(axis)
        self._paths: dict[int, set[str]] = {}
        self._find_paths(functional_graph(model), prefix="")
        self._twins: dict[int, tuple[Any, Any]] = {}
        self._touched: set[int] = set()
        self._initializers: list[tuple[Any, str, Any]] = []
        self.sliced: keras.Model = self.twin_of(model)
        for twin, name, initializer in self._initializers:
            setattr(twin, name, initializer)
        self._carry()

    def twin_of(self, operation: Any) -> Any:
        """Return the smaller twin, always the same one for a layer that is called twice.

        Args:
            operation: A model, layer or operation of the network.
        """
        if id(operation) not in self._twins:
            graph = graph_of(operation)
            if graph is None:
                twin = self._rebuilt(operation)
            elif isinstance(operation, keras.Sequential):
                layers = [self._input(graph.inputs[0]), *map(self.twin_of, operation.layers)]
                twin = keras.Sequential(layers, name=operation.name)
            else:
                inputs = keras.tree.map_structure(self._input, input_structure(graph))
                outputs = run_through(graph, inputs, call_fn=self.call)
                twin = _model_like(operation, inputs, outputs)
            self._twins[id(operation)] = operation, twin
        return self._twins[id(operation)][1]

    def call(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        """Call the smaller twin of an operation, with fewer channels in arguments that count them.

        Args:
            operation: A model, layer or operation of the network.
            *args: What the network calls it on, with tensors of the smaller one.
            **kwargs: The same by name.
        """
        twin = self.twin_of(operation)
        if not is_keras_operation(operation):
            return twin(*args, **kwargs)
        bound = inspect.signature(operation.call).bind(*args, **kwargs)
        bound.arguments.update(self._changed(operation, bound.arguments))
        return twin(*bound.args, **bound.kwargs)

    def kept(self, channels: np.ndarray) -> np.ndarray:
        """Return which of some features stay, `[features]`.

        Args:
            channels: Channel of each feature, or `KEPT`.
        """
        return self._mask.kept_features(channels)

    def _find_paths(self, graph: Any, *, prefix: str) -> None:
        operations = [maker(tensor) for tensor in graph.inputs]
        for operation in (*operations, *(node.operation for node in calls(graph))):
            path = prefix + operation.name
            self._paths.setdefault(id(operation), set()).add(path)
            if (inner := graph_of(operation)) is not None:
                self._find_paths(inner, prefix=f"{path}/")

    def _input(self, tensor: keras.KerasTensor) -> keras.KerasTensor:
        layer = maker(tensor)
        shape = self._changed(layer).get("batch_shape", layer.batch_shape)
        return keras.Input(
            batch_shape=shape,
            dtype=tensor.dtype,
            name=layer.name,
            sparse=tensor.sparse,
            optional=layer.optional,
        )

    def _rebuilt(self, operation: Any) -> Any:
        changed = self._changed(operation)
        is_touched = self._is_touched(operation, changed)
        twin = make_twin(operation, changed, is_touched=is_touched)
        if is_touched:
            self._touched.add(id(operation))
            # The values come from the old layer. An initializer need not know the new shapes, nor take time.
            for name, value in vars(twin).items():
                if name.endswith("_initializer") and value is not None:
                    self._initializers.append((twin, name, self._sliced_initializer(operation, name, value)))
            for layer, name, _ in self._initializers:
                if layer is twin:
                    setattr(twin, name, keras.initializers.Zeros())
        return twin

    def _is_touched(self, operation: Any, changed: Mapping[str, Any]) -> bool:
        """Return whether a layer loses anything; options that stay as they are do not count."""
        if any(_as_list(getattr(operation, name, None)) != _as_list(new) for name, new in changed.items()):
            return True
        axes = [
            one for weight in getattr(operation, "weights", ()) for one in self._axes.get(weight.path, ())
        ]
        return any((self._mask.values_of(axis.channels) != 1).any() for axis in axes)

    def _changed(self, operation: Any, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the options that count channels, with the number that is left.

        Args:
            operation: A layer or operation.
            arguments: Of a call of it, of which alone those that count channels are returned; None means its
                configuration.
        """
        options = [one for path in self._paths[id(operation)] for one in self._options.get(path, ())]
        changed: dict[str, Any] = {}
        for option in options:
            if _is_argument(operation, option.name) == (arguments is None):
                continue
            number = int(self.kept(option.channels).sum())
            if not option.index:
                changed[option.name] = number
                continue
            held = arguments[option.name] if arguments is not None else getattr(operation, option.name, None)
            # A configuration may not be to be had, of an operation that was given an array.
            known = changed.get(option.name, operation.get_config()[option.name] if held is None else held)
            changed[option.name] = _replaced(known, option.index, number)
        return changed

    def _sliced_initializer(self, layer: Any, name: str, initializer: Any) -> Any:
        """Return an initializer that fits the new shape: of a constant array, the slices that stay."""
        value: Any = getattr(initializer, "value", None)
        if not isinstance(initializer, keras.initializers.Constant) or not np.ndim(value):
            return initializer
        stem = name.removesuffix("_initializer")
        for weight in layer.weights:
            if weight.name.startswith(stem) and weight.shape == np.shape(value):
                return keras.initializers.Constant(self._new_value(weight, np.asarray(value), scale=False))
        return keras.initializers.Constant(0.0)

    def _carry(self) -> None:
        """Give every twin the state of its original, models from the outermost to the innermost first."""
        models = [both for both in self._twins.values() if isinstance(both[0], keras.Model)]
        for model, twin in reversed(models):
            carry_notes(model, twin)
            if model.dtype_policy != twin.dtype_policy:
                # Of a global policy that has changed since; compile asks it whether a loss has to be scaled.
                twin.dtype_policy = model.dtype_policy
            if model.trainable != twin.trainable:
                twin.trainable = model.trainable
        self._warn_of_shared()
        for layer, twin in self._twins.values():
            if isinstance(layer, keras.Layer) and graph_of(layer) is None:
                try:
                    carry_state(layer, twin, self._new_value)
                    if id(layer) not in self._touched:
                        carry_data(layer, twin)
                    if layer.variables:
                        carry_assets(layer, twin)
                except ValueError as error:
                    raise StampError(
                        f"Every layer must be rebuilt with its weights, but {layer.name} "
                        f"({type(layer).__name__}) was not: {error}; mend its get_config."
                    ) from error

    def _warn_of_shared(self) -> None:
        """Say which layers held one variable, and do no more."""
        holders: dict[int, list[str]] = {}
        for layer, _ in self._twins.values():
            if isinstance(layer, keras.Layer) and graph_of(layer) is None:
                for weight in layer.weights:
                    holders.setdefault(id(weight), []).append(layer.name)
        for names in dict.fromkeys(tuple(one) for one in holders.values() if len(one) > 1):
            logger.warning("%s share a variable; in the smaller model each has its own.", " and ".join(names))

    def _new_value(self, weight: Any, value: np.ndarray | None = None, *, scale: bool = True) -> np.ndarray:
        """Take the kept slices along every axis, scaled by the mask where a kernel reads them."""
        value = keras.ops.convert_to_numpy(weight) if value is None else value
        for axis in self._axes.get(weight.path, ()):
            kept = axis.kept_slices(self._mask)
            value = np.take(value, kept, axis.axis)
            if scale and axis.role == "consumer":
                shape = [1] * value.ndim
                shape[axis.axis] = -1
                value = (value * self._mask.values_of(axis.channels)[kept].reshape(shape)).astype(value.dtype)
        return value


def _model_like(model: keras.Model, inputs: Any, outputs: Any) -> keras.Model:
    """Return a functional model of the same class where it takes inputs and outputs; else a plain one."""
    parameters = inspect.signature(type(model).__init__).parameters
    takes_any = {one.kind for one in parameters.values()} >= {
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD,
    }
    is_alike = [*parameters][1:4] == ["inputs", "outputs", "name"]
    make = type(model) if takes_any or is_alike else keras.Model
    return make(inputs, outputs, name=model.name)


def _is_argument(operation: Any, name: str) -> bool:
    """Return whether a count is no option but an argument of a call, as the slices of `GetItem` are."""
    return is_keras_operation(operation) and name in inspect.signature(operation.call).parameters


def _replaced(nest: Any, index: tuple[int, ...], number: int) -> Any:
    """Return lists in lists with another number at one place; of a slice the start is at 0 and the stop at 1."""
    if not index:
        return number
    is_slice = isinstance(nest, slice)
    values = [nest.start, nest.stop, nest.step] if is_slice else list(nest)
    values[index[0]] = _replaced(values[index[0]], index[1:], number)
    return slice(*values) if is_slice else tuple(values)


def _as_list(value: Any) -> Any:
    return [*map(_as_list, value)] if isinstance(value, list | tuple | np.ndarray) else value
