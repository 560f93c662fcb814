"""Find how a network ends, take the end off, and put it back."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from stamp_tf.channels.graph import call_of, calls, functional_graph, inlined, input_structure, maker
from stamp_tf.ends import ACTIVATIONS, Activation, End
from stamp_tf.errors import StampError

# So many random logits, and so wide, tell activations apart that differ at some values only.
_ROWS = 64
_SPREAD = 4.0
_MOST_OPERATIONS = 16
_REMEDY = "end it in a dense layer without activation, or with softmax or sigmoid behind it"


def split_end(model: keras.Model) -> tuple[keras.Model, End]:
    """Return a network that gives logits, and how the one given turns them into what it puts out.

    An end is known by what it computes, not by its name: whatever stands behind the last layer with weights is
    tried on random logits and compared. So it may be an argument of that layer, layers of its own or operations.

    Args:
        model: A functional or sequential model to classes `[B, classes]`, or `[B, 1]` for two.

    Returns:
        The network of logits and the end. All layers are shared with the model, but for a last layer that holds the
        activation itself: it has a twin of the same name and weights. The model itself where it gives logits.

    Raises:
        StampError: If it ends in neither logits, a softmax over the classes nor sigmoids.
    """
    model = inlined(model)
    output = model.outputs[0]
    for tensor, tail in reversed(list(_tails(model, output))):
        is_whole = not tail and len(tensor.shape) == 2
        layer = None if is_whole else maker(output).name
        own = _own_activation(tensor)
        activation = None if own is None else _matching(tensor, tail, output, first=own)
        if activation is not None:
            logits = _twin_of_last(tensor, "linear")
        else:
            activation = _matching(tensor, tail, output)
            if activation is None or (activation == "linear" and _nonlinearity(tensor) is not None):
                continue
            if is_whole:
                return model, End(is_binary=output.shape[-1] == 1)
            logits = tensor
        logits = logits if len(logits.shape) == 2 else keras.layers.Flatten()(logits)
        end = End(activation, is_binary=output.shape[-1] == 1, layer=layer)
        return _model_to(logits, model), end
    raise StampError(
        f"A network must end in logits, a softmax over its classes or sigmoids, but {model.name} ends in "
        f"{_nonlinearity(output)}; {_REMEDY}."
    )


def put_back(model: keras.Model, end: End) -> keras.Model:
    """Return a network that puts out what it did before its end was taken off.

    Args:
        model: A network of logits, as `split_end` or slicing left it; it is not changed.
        end: What `split_end` returned.

    Returns:
        A model that shares all layers but a last one that holds the activation; the model itself where it ends in
        logits.
    """
    logits = model.outputs[0]
    if end.layer is not None:
        output = keras.layers.Activation(end.activation, name=end.layer)(logits)
    elif end.activation == "linear":
        return model
    else:
        output = _twin_of_last(logits, end.activation)
    return _model_to(output, model)


def _model_to(output: Any, model: keras.Model) -> keras.Model:
    return keras.Model(input_structure(functional_graph(model)), output, name=model.name)


def _tails(model: keras.Model, output: Any) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Yield tensors that all of the output follows from without weights, and the calls in between; nearest first."""
    makers = {
        id(tensor): (place, node)
        for place, node in enumerate(calls(functional_graph(model)))
        for tensor in node.outputs
    }
    tail: list[Any] = []
    open_ends = {id(output): output}
    yield output, ()
    while len(tail) < _MOST_OPERATIONS and all(key in makers for key in open_ends):
        _, node = max((makers[key] for key in open_ends), key=lambda maker: maker[0])
        if isinstance(node.operation, keras.Layer) and node.operation.weights:
            return
        tail.insert(0, node)
        for tensor in node.outputs:
            open_ends.pop(id(tensor), None)
        open_ends |= {id(tensor): tensor for tensor in node.input_tensors}
        if len(open_ends) == 1:
            yield next(iter(open_ends.values())), tuple(tail)


def _matching(
    tensor: Any, tail: Sequence[Any], output: Any, *, first: Callable[[Any], Any] | None = None
) -> Activation | None:
    """Return the activation that the calls behind a tensor compute, if any of those that are known."""
    num_logits = output.shape[-1]
    if (
        len(output.shape) != 2
        or any(size != 1 for size in tensor.shape[1:-1])
        or tensor.shape[-1] != num_logits
    ):
        return None
    logits = _random((_ROWS, num_logits), seed=1)
    value = ops.cast(ops.reshape(logits, (_ROWS, *tensor.shape[1:])), tensor.dtype)
    with warnings.catch_warnings():
        # Keras warns of a softmax over one value, which is told by the refusal.
        warnings.simplefilter("ignore")
        values = {id(tensor): value if first is None else first(value)}
        for node in tail:
            arguments, options = node.arguments.fill_in(values)
            results = keras.tree.flatten(node.operation(*arguments, **options))
            values |= {id(one): each for one, each in zip(node.outputs, results, strict=True)}
    result = _as_array(values[id(output)])
    tolerance = 2e-2 if "16" in str(tensor.dtype) or "16" in str(output.dtype) else 1e-5
    # Over one value a softmax is always 1 and tells nothing.
    candidates = [each for each in ACTIVATIONS if num_logits > 1 or "softmax" not in each]
    for activation in candidates:
        expected = _as_array(keras.activations.get(activation)(logits))
        if np.allclose(result, expected, rtol=10 * tolerance, atol=tolerance):
            return activation
    return None


def _nonlinearity(tensor: Any, *, bounded_only: bool = False) -> str | None:
    """Name what keeps a tensor from being logits: something that is not linear behind the last weights.

    Args:
        tensor: The output.
        bounded_only: Whether that is only asked of values bounded on both sides. What was pooled or added up may
            come from a ReLU, but not from a softmax.
    """
    layer = maker(tensor)
    own = _own_activation(tensor)
    if own is not None:
        return _described(layer, own) if _is_nonlinear(own, tensor.shape, bounded_only=bounded_only) else None
    if isinstance(layer, keras.layers.InputLayer):
        return None
    if isinstance(layer, keras.Layer) and layer.weights and not isinstance(layer, keras.layers.PReLU):
        return None
    node = call_of(tensor)
    inputs = node.input_tensors
    if len(inputs) == 1 and inputs[0].shape == tensor.shape:

        def call(value: Any) -> Any:
            arguments, options = node.arguments.fill_in({id(inputs[0]): value})
            return layer(*arguments, **options)

        if _is_nonlinear(call, tensor.shape, bounded_only=bounded_only):
            return _described(layer, getattr(layer, "activation", None))
        return _nonlinearity(inputs[0], bounded_only=bounded_only)
    found = [_nonlinearity(each, bounded_only=True) for each in inputs]
    return found[0] if found and None not in found else None


def _is_nonlinear(function: Callable[[Any], Any], shape: Sequence[int | None], *, bounded_only: bool) -> bool:
    sizes = [_ROWS, *(size or 2 for size in shape[1:])]
    one, other = _random(sizes, seed=1), _random(sizes, seed=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        of_one, of_other, of_both, of_none = (
            _as_array(function(value)) for value in (one, other, one + other, ops.zeros_like(one))
        )
    if bounded_only and np.abs(of_one).max() > 1:
        return False
    is_affine = np.allclose(of_one + of_other, of_both + of_none, rtol=1e-3, atol=1e-3)
    return not is_affine or bool(np.ptp(of_one) == 0)


def _own_activation(tensor: Any) -> Callable[[Any], Any] | None:
    """Return the activation that a layer with weights applies at its own end, if it is not linear."""
    layer = maker(tensor)
    activation = getattr(layer, "activation", None)
    if not isinstance(layer, keras.Layer) or not layer.weights or not callable(activation):
        return None
    return None if activation is keras.activations.linear else activation


def _twin_of_last(tensor: Any, activation: Activation) -> Any:
    """Return what the layer that makes a tensor gives with another activation; its twin has copies of its weights."""
    layer, node = maker(tensor), call_of(tensor)
    twin = type(layer).from_config(layer.get_config() | {"activation": activation})
    result = twin(*node.arguments.args, **node.arguments.kwargs)
    twin.set_weights(layer.get_weights())
    return result


def _described(layer: Any, activation: Any) -> str:
    name = getattr(activation, "__name__", None) or type(activation).__name__
    return f"{layer.name} ({type(layer).__name__ if activation is None else name})"


def _random(shape: Sequence[int], *, seed: int) -> Any:
    values = _SPREAD * np.random.default_rng(seed).normal(size=tuple(shape))
    return ops.convert_to_tensor(values.astype(keras.config.floatx()))


def _as_array(value: Any) -> np.ndarray:
    array = np.asarray(ops.convert_to_numpy(ops.cast(value, "float32")), "float64")
    return array.reshape(len(array), -1)
