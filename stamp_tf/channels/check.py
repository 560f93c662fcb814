"""See on random inputs that a sliced network computes what the full one does without the removed channels."""

import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

import keras
import numpy as np

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels.draw import draw_inputs
from stamp_tf.channels.graph import calls, flat_layers, functional_graph, graph_of
from stamp_tf.channels.groups import ChannelMap
from stamp_tf.channels.mask import mask_kernels
from stamp_tf.channels.slicer import Slicer
from stamp_tf.channels.trace import misfit
from stamp_tf.channels.twin import why
from stamp_tf.errors import StampError

logger = logging.getLogger(__name__)

MAX_NUMBERS = 2**27
"""A network that writes more numbers than this for one input is not checked."""

NUMBERS_FOR_MORE = 2**22
"""Networks that write less see three inputs of different scales, others one."""

_TOLERANCES = {"float64": 1e-8, "float32": 1e-3}
"""By the least precise type in the network, relative to the largest number; half precision has 0.1."""


def check_sliced(slicer: Slicer, model: keras.Model, *, channel_map: ChannelMap, mask: ChannelMask) -> None:
    """Compare a sliced network with the full one, whose kernels read zeros where channels are removed.

    Both see the same few random inputs, as in inference. Where their outputs differ by more than rounding, every
    layer is looked at by itself, on what the full network's layer reads, and the first one that differs is named.
    Nothing is compared where inputs cannot be drawn, where the network is too large, or where it answers
    differently each time; the log says so.

    Args:
        slicer: What made the sliced network.
        model: The full network; it is not changed.
        channel_map: Its channels.
        mask: Keep value per channel, `[num_channels]`.

    Raises:
        StampError: If a layer of the sliced network computes something else.
    """
    numbers = sum(output.positions * len(output.channels) for output in channel_map.outputs)
    if numbers > MAX_NUMBERS:
        return _skip(model, f"it writes {numbers:,} numbers for one input")
    weights = _masked_weights(model, channel_map, mask)
    reason = ""
    for small_numbers in (False, True):
        inputs = draw_inputs(model, 3 if numbers < NUMBERS_FOR_MORE else 1, small_numbers=small_numbers)
        try:
            expected = _outputs(model, inputs, weights)
        # A layer may refuse what was drawn, such as a number that is no index.
        except Exception as refusal:
            reason = f"it does not run on random inputs ({why(refusal)})"
            continue
        if all(map(_says_something, expected)):
            break
        reason = "it gives no finite number on random inputs"
    else:
        return _skip(model, reason)
    tolerance = _tolerance(model)
    try:
        found = _outputs(slicer.sliced, inputs, [])
    except Exception as failure:
        name = _first_difference(slicer, model, channel_map=channel_map, inputs=inputs, weights=weights)
        raise StampError(_complaint(name or model.name, why(failure))) from failure
    if _all_agree(found, expected, tolerance):
        return None
    if not _all_agree(_outputs(model, inputs, weights), expected, tolerance):
        return _skip(model, "it answers differently each time")
    name = _first_difference(slicer, model, channel_map=channel_map, inputs=inputs, weights=weights)
    if name is not None:
        raise StampError(_complaint(name, "other numbers"))
    logger.info(
        "On noise the sliced %s differs from the full one without its channels, though no layer by itself does: "
        "rounding grows along its depth.",
        model.name,
    )
    return None


def _says_something(output: np.ndarray) -> bool:
    return not np.issubdtype(output.dtype, np.floating) or not output.size or bool(np.isfinite(output).any())


def _skip(model: keras.Model, reason: str) -> None:
    logger.info("The sliced %s is not compared with the full one: %s.", model.name, reason)


def _complaint(name: str, what: str) -> str:
    return (
        f"A sliced network must compute what the full one does without the channels, but {name} gives {what}: it "
        "has state that its get_config and save_own_variables do not cover, or a channel rule of it is wrong; mend "
        "these, or replace the layer before channels are removed."
    )


def _masked_weights(
    model: keras.Model, channel_map: ChannelMap, mask: ChannelMask
) -> list[tuple[keras.Variable, Any]]:
    """Return the variables whose value a mask changes, with that value."""
    read = {axis.path for axis in channel_map.weight_axes if axis.role == "consumer"}
    variables = [variable for variable in model.weights if variable.path in read]
    values = mask_kernels(
        channel_map,
        [variable.path for variable in variables],
        weights=[keras.ops.convert_to_tensor(variable.value) for variable in variables],
        mask=keras.ops.convert_to_tensor(np.asarray(mask, "float32")),
    )
    return list(zip(variables, values, strict=True))


def _outputs(model: keras.Model, inputs: Any, weights: list[tuple[keras.Variable, Any]]) -> list[np.ndarray]:
    """Return what a model writes; neither its statistics nor its random states change."""
    with keras.StatelessScope(state_mapping=weights):
        return [_array(tensor) for tensor in keras.tree.flatten(model(inputs, training=False))]


def _array(tensor: Any) -> np.ndarray:
    array = np.asarray(keras.ops.convert_to_numpy(tensor))
    return array.astype("float32") if array.dtype.name in ("bfloat16", "float16") else array


def _tolerance(model: keras.Model) -> float:
    types = {layer.compute_dtype for layer in flat_layers(model)} | {model.compute_dtype}
    floats = [str(name) for name in types if "float" in str(name)]
    return max((_TOLERANCES.get(name, 0.1) for name in floats), default=1e-3)


def _all_agree(
    found: list[np.ndarray], expected: list[np.ndarray], tolerance: float, *, scale: float = 0.0
) -> bool:
    return len(found) == len(expected) and all(
        _agree(one, other, tolerance, scale=scale) for one, other in zip(found, expected, strict=True)
    )


def _agree(found: np.ndarray, expected: np.ndarray, tolerance: float, *, scale: float) -> bool:
    """Return whether two arrays are the same but for rounding, each entry of the batch by its own scale.

    Where the full network gives no finite number there is nothing to compare: it reads zero times what is removed,
    and the removed channel itself may be infinite or no number.
    """
    if found.shape != expected.shape:
        return False
    if not np.issubdtype(expected.dtype, np.floating):
        return np.array_equal(found, expected)
    is_finite = np.isfinite(expected)
    if (is_finite & ~np.isfinite(found)).any():
        return False
    found, expected = (np.where(is_finite, one, 0) for one in (found, expected))
    size, difference = np.abs(expected), np.abs(found - expected)
    of_rows = tuple(range(1, expected.ndim))
    scales = (
        np.maximum(size.max(axis=of_rows, keepdims=True, initial=0), scale)
        if expected.ndim
        else np.maximum(size, scale)
    )
    return bool((difference <= tolerance * scales + 1e-30).all())


def _first_difference(
    slicer: Slicer,
    model: keras.Model,
    *,
    channel_map: ChannelMap,
    inputs: Any,
    weights: list[tuple[keras.Variable, Any]],
) -> str | None:
    """Return the path of the first layer whose twin writes something else when it reads the same."""
    graph, axes = functional_graph(model), iter(channel_map.outputs)
    values: dict[int, Any] = {}
    smaller: dict[int, Any] = {}
    for tensor, value in zip(graph.inputs, keras.tree.flatten(inputs), strict=True):
        values[id(tensor)] = smaller[id(tensor)] = keras.ops.convert_to_tensor(value, tensor.dtype)
    for path, node in _steps(graph, values, smaller, prefix=""):
        with keras.StatelessScope(state_mapping=weights):
            outputs = keras.tree.flatten(_call(node.operation, *node.arguments.fill_in(values)))
        expected = []
        for tensor, output in zip(node.outputs, outputs, strict=True):
            values[id(tensor)] = output
            axis = next(axes, None)
            kept = None if axis is None else slicer.kept(axis.channels)
            smaller[id(tensor)] = _taken(output, kept)
            expected.append(_array(smaller[id(tensor)]))
        try:
            with keras.StatelessScope():
                twin = partial(slicer.call, node.operation)
                written = _call(node.operation, *node.arguments.fill_in(smaller), twin=twin)
                found = [*map(_array, keras.tree.flatten(written))]
        # What it raises is a difference like any other.
        except Exception:
            return path
        read = [_array(values[id(tensor)]) for tensor in node.input_tensors]
        scale = max(
            (float(np.abs(one[np.isfinite(one)]).max(initial=0)) for one in read if one.dtype.kind == "f"),
            default=0.0,
        )
        if not _all_agree(found, expected, _tolerance(model), scale=scale):
            return path
    return None


def _steps(
    graph: Any, values: dict[int, Any], smaller: dict[int, Any], *, prefix: str
) -> Iterator[tuple[str, Any]]:
    """Yield every call in the order of the tracer, which has to be made before the next one is asked for."""
    for node in calls(graph):
        path = prefix + node.operation.name
        inner = graph_of(node.operation)
        if inner is None or misfit(node, inner):
            yield path, node
            continue
        for known in (values, smaller):
            known |= {
                id(own): known[id(outer)] for outer, own in zip(node.input_tensors, inner.inputs, strict=True)
            }
        yield from _steps(inner, values, smaller, prefix=f"{path}/")
        for known in (values, smaller):
            known |= {
                id(outer): known[id(own)] for outer, own in zip(node.outputs, inner.outputs, strict=True)
            }


def _call(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, twin: Any = None) -> Any:
    """Call an operation or its twin as in inference."""
    training = {"training": False} if getattr(operation, "_call_has_training_arg", False) else {}
    return (twin or operation)(*args, **kwargs | training)


def _taken(tensor: Any, kept: np.ndarray | None) -> Any:
    """Return the kept features of a tensor, and of Keras's mask nothing is lost."""
    size = tensor.shape[-1] if len(tensor.shape) > 1 else None
    if kept is None or kept.all() or len(kept) != size:
        return tensor
    taken = keras.ops.take(tensor, np.flatnonzero(kept), axis=-1)
    if (mask := getattr(tensor, "_keras_mask", None)) is not None:
        taken._keras_mask = mask
    return taken
