"""A functional Keras 3 network as one of tf_keras, layer by layer, which TensorFlow Model Optimization understands.

It needs the extra `tfmot`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakValueDictionary

import keras
import numpy as np
import tf_keras

from stamp_tf.channels.graph import functional_graph, inlined, input_structure, maker, run_through
from stamp_tf.errors import StampError

TOLERANCE = 1e-6
"""Largest norm of the difference of outputs, as a part of the norm of the outputs."""

_OF_TRAINING = ("_initializer", "_regularizer", "_constraint")
# Operations of Keras 3 that are layers of tf_keras, which knows how to quantise them.
_LAYERS: Mapping[str, Callable[[str], Any]] = {
    "Add": lambda name: tf_keras.layers.Add(name=name),
    "Multiply": lambda name: tf_keras.layers.Multiply(name=name),
    "Relu": lambda name: tf_keras.layers.ReLU(name=name),
    "Relu6": lambda name: tf_keras.layers.ReLU(6.0, name=name),
}

# A configuration names what is computed, because it may hold no function; it is here as long as a layer computes it.
_COMPUTED: WeakValueDictionary[str, Callable[..., Any]] = WeakValueDictionary()


class OperationOfKeras(tf_keras.layers.Layer):
    """An operation of Keras 3, which has no weights, as a layer of tf_keras.

    Args:
        key: Of what it computes: of a function in `_COMPUTED` that takes the tensors that it reads, one by one.
        options: Of every layer.
    """

    def __init__(self, key: str, **options: Any) -> None:
        super().__init__(**options)
        self.key = key
        self.compute = _COMPUTED[key]

    def call(self, inputs: Any) -> Any:
        return self.compute(*inputs) if isinstance(inputs, list | tuple) else self.compute(inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "key": self.key}


def rebuild(model: keras.Model) -> tf_keras.Model:
    """Return the network as one of tf_keras, with the same names, weights and outputs.

    Args:
        model: A functional network of one input and one output.

    Raises:
        StampError: If tf_keras has no layer for one of its operations; it is named.
    """
    model = inlined(model)
    twins: dict[int, Any] = {}

    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(operation, keras.Layer):
            return _operation(operation, args, kwargs)
        try:
            twin = twins.get(id(operation)) or _twin(operation)
            options = {name: value for name, value in kwargs.items() if name not in ("training", "mask")}
            output = twin(*args, **options)
        # What does not fit is of any type.
        except (TypeError, ValueError, AttributeError) as error:
            raise _no_layer(operation) from error
        if id(operation) not in twins:
            _give_weights(twin, operation)
            twins[id(operation)] = twin
        return output

    image = tf_keras.Input(model.inputs[0].shape[1:], name=maker(model.inputs[0]).name)
    graph = functional_graph(model)
    inputs = keras.tree.map_structure(lambda _: image, input_structure(graph))
    output = keras.tree.flatten(run_through(graph, inputs, call_fn=call))[0]
    return tf_keras.Model(image, output, name=model.name)


def require_equal(model: keras.Model, rebuilt: tf_keras.Model, images: np.ndarray) -> float:
    """Return how far the outputs of two networks are apart, and refuse a rebuild that computes something else.

    The measure is ||difference|| / ||outputs||, Euclidean norms over all outputs of all images, in float32.

    Args:
        model: The network.
        rebuilt: Its twin in tf_keras.
        images: Normalised, float32 `[n, H, W, D]`.

    Raises:
        StampError: If they are further apart than `TOLERANCE`.
    """
    expected = np.asarray(keras.ops.convert_to_numpy(model(images, training=False)), "float64")
    found = np.asarray(rebuilt(images, training=False), "float64")
    apart = float(np.linalg.norm(found - expected)) / max(float(np.linalg.norm(expected)), 1e-12)
    if not apart <= TOLERANCE:
        raise StampError(
            f"`compress` needs a network that tf_keras computes alike, to {TOLERANCE:g} of its outputs, but with "
            f"{model.name} they are {apart:.2g} apart; leave `compress` out, and tell us of that network."
        )
    return apart


def _twin(layer: keras.Layer) -> Any:
    """Return the layer of tf_keras for one of Keras 3, without its weights."""
    if not type(layer).__module__.startswith("keras.src.layers."):
        raise TypeError(f"{type(layer).__name__} is no layer of Keras")
    kind = getattr(tf_keras.layers, type(layer).__name__)
    return kind(**_options(layer, kind))


def _options(layer: keras.Layer, kind: type) -> dict[str, Any]:
    """Return the arguments of a layer that tf_keras knows, too; those of training alone are left out."""
    known = {name for each in kind.__mro__ for name in inspect.signature(each).parameters}
    config = layer.get_config()
    if kind is tf_keras.layers.LeakyReLU:
        config["alpha"] = config["negative_slope"]
    return {
        name: value
        for name, value in config.items()
        if name in known | {"name"} and name != "dtype" and not name.endswith(_OF_TRAINING)
    }


def _operation(operation: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return what an operation without weights gives for tensors of tf_keras."""
    whole = (args, dict(kwargs))
    values = keras.tree.flatten(whole)
    places = [place for place, value in enumerate(values) if _is_tensor(value)]
    tensors = [values[place] for place in places]
    make = _LAYERS.get(type(operation).__name__)
    own = tensors if len(tensors) > 1 else tensors[0]
    if make is not None and len(places) == len([value for value in values if value is not None]):
        return make(operation.name)(own)

    def compute(*given: Any) -> Any:
        filled = list(values)
        for place, value in zip(places, given, strict=True):
            filled[place] = value
        arguments, options = keras.tree.pack_sequence_as(whole, filled)
        return operation(*arguments, **options)

    key = f"{operation.name}-{id(compute)}"
    _COMPUTED[key] = compute
    return OperationOfKeras(key, name=operation.name)(own)


def _is_tensor(value: Any) -> bool:
    try:
        return bool(tf_keras.backend.is_keras_tensor(value))
    except ValueError:  # it is a number, a slice or something else
        return False


def _give_weights(twin: Any, layer: keras.Layer) -> None:
    """Give a layer the values of the other, whose weights come in the same order."""
    if [tuple(weight.shape) for weight in twin.weights] != [tuple(one.shape) for one in layer.weights]:
        raise _no_layer(layer)
    twin.set_weights(layer.get_weights())


def local_name(weight: Any) -> str:
    """Return what a weight of tf_keras is called within its layer."""
    return str(weight.name).rpartition("/")[2].partition(":")[0]


def _no_layer(operation: Any) -> StampError:
    return StampError(
        f"`compress` needs layers that tf_keras has, too, but {operation.name} ({type(operation).__name__}) is none; "
        "replace it in your model, or leave `compress` out."
    )
