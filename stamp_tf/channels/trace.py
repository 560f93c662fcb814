"""Trace channels through a functional graph: who produces, passes on and consumes them."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import keras

from stamp_tf.channels import rules
from stamp_tf.channels.call import Call, num_features
from stamp_tf.channels.graph import (
    calls,
    functional_graph,
    graph_of,
    input_structure,
    maker,
    operations_within,
)
from stamp_tf.channels.groups import ChannelMap
from stamp_tf.channels.trace_state import OUTPUT, Trace


def trace_channels(model: keras.Model) -> ChannelMap:
    """Find every channel that can be removed, and all weight slices that go with it.

    What no rule covers is kept whole and named in `kept_whole`; nothing is guessed.

    Args:
        model: A functional or sequential model with channels last; models within it are traced, too.

    Returns:
        The model's channel map; `print` shows it as a table.

    Raises:
        StampError: If the model is not functional.

    Example:
        >>> groups = stamp_tf.trace_channels(keras.applications.ResNet50(weights=None))
        >>> print(groups)
    """
    graph = functional_graph(model)
    trace = Trace(ambiguous=_repeated(weight.path for weight in model.weights))
    for tensor in graph.inputs:
        channels = trace.new_channels(num_features(tensor) or 0)
        trace.ids[id(tensor)] = channels
        trace.lock(channels, tensor.name, "it is the model's input")
    _walk(trace, graph, prefix="")
    for tensor in graph.outputs:
        trace.lock(trace.ids[id(tensor)], maker(tensor).name, OUTPUT)
    return trace.finish()


def _walk(trace: Trace, graph: Any, *, prefix: str) -> None:
    """Apply the rules to every call, and walk into models that are called."""
    for node in calls(graph):
        path = prefix + node.operation.name
        inner = graph_of(node.operation)
        if inner is None:
            rules.apply_rule(Call(trace, node, path))
        elif reason := misfit(node, inner) or _walk_into(trace, node, inner, path=path):
            Call(trace, node, path).keep_whole(reason, operations=operations_within(node.operation))


def _walk_into(trace: Trace, node: Any, inner: Any, *, path: str) -> str | None:
    """Walk a model that is called; where it writes other sizes than it is read for, take all back and say so."""
    start = trace.mark()
    for outer, own in zip(node.input_tensors, inner.inputs, strict=True):
        channels = trace.ids[id(own)] = trace.ids[id(outer)]
        if own.shape and own.shape[-1] is not None:
            layer = maker(own)
            trace.count(
                layer, "batch_shape", channels, index=(len(own.shape) - 1,), layer=f"{path}/{layer.name}"
            )
    _walk(trace, inner, prefix=f"{path}/")
    for outer, own in zip(node.outputs, inner.outputs, strict=True):
        if num_features(outer) not in (None, len(trace.ids[id(own)])):
            trace.take_back(start)
            return "its channels are not known before it is called"
        # Back to the outer graph, where the inner one's last tensor has another identity.
        trace.ids[id(outer)] = trace.ids[id(own)]
    return None


def misfit(node: Any, inner: Any) -> str | None:
    """Return why the tensors that a model is called on cannot be set beside those it was built for.

    Args:
        node: The call.
        inner: The graph of the model.
    """
    if len(node.input_tensors) != len(inner.inputs):
        return "it is called without some of its inputs"
    # Of one input there is no order; tensors of several may be handed over by name.
    if len(inner.inputs) > 1 and not _is_alike(node.arguments.args[0], input_structure(inner)):
        return "it is called on inputs in another structure than it was built for"
    if not all(map(_fits, node.input_tensors, inner.inputs)):
        return "it is called on other shapes than it was built for"
    return None


def _is_alike(outer: Any, own: Any) -> bool:
    """Return whether two nests have the same containers and keys, so that they are flattened in one order."""
    if isinstance(own, dict):
        return (
            isinstance(outer, dict)
            and outer.keys() == own.keys()
            and all(_is_alike(outer[key], own[key]) for key in own)
        )
    if isinstance(own, list | tuple):
        return isinstance(outer, list | tuple) and len(outer) == len(own) and all(map(_is_alike, outer, own))
    return isinstance(outer, keras.KerasTensor)


def _fits(outer: Any, own: Any) -> bool:
    """Return whether a tensor has the shape that an inner model was built for, open sizes being any."""
    return len(outer.shape) == len(own.shape) and all(
        open_size is None or size == open_size for size, open_size in zip(outer.shape, own.shape, strict=True)
    )


def _repeated(paths: Iterable[str]) -> frozenset[str]:
    return frozenset(path for path, number in Counter(paths).items() if number > 1)
