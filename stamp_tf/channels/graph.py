"""Walk a functional model: its calls in order, its layers by path, models within models included.

The graph of Keras has no public face. What it is called inside is known here alone, so that another release of Keras
is met in one file.
"""

import collections
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras

from stamp_tf.errors import StampError


def graph_of(operation: Any) -> Any | None:
    """Return the functional graph behind a model, or None for a layer or a model that computes in its own way.

    Args:
        operation: A model, layer or operation.
    """
    if isinstance(operation, keras.Sequential):
        own, graph = type(operation).call is keras.Sequential.call, operation._functional
    else:
        # Functional itself is not exported: it is what the functional constructor of Model makes.
        own, graph = (
            getattr(getattr(type(operation), "call", None), "__module__", "").startswith("keras."),
            operation,
        )
    return graph if own and hasattr(graph, "_nodes_by_depth") else None


def functional_graph(model: keras.Model) -> Any:
    """Return the graph of a model that has one.

    Args:
        model: A functional or built sequential model.

    Raises:
        StampError: If it is none.
    """
    graph = graph_of(model)
    if graph is None:
        remedy = (
            "call it on data or give it an Input first."
            if isinstance(model, keras.Sequential)
            else "build it with keras.Input and keras.Model(inputs, outputs)."
        )
        raise StampError(
            f"The network must be a functional Keras model, but got {type(model).__name__}; {remedy}"
        )
    return graph


def maker(tensor: keras.KerasTensor) -> Any:
    """Return the layer or operation that makes a symbolic tensor; of an input, its input layer."""
    return tensor._keras_history.operation


def call_of(tensor: keras.KerasTensor) -> Any:
    """Return the call that makes a symbolic tensor."""
    return calls_of(maker(tensor))[tensor._keras_history.node_index]


def calls_of(operation: Any) -> list[Any]:
    """Return all calls of a layer or operation, in the order in which they were made."""
    return operation._inbound_nodes


def input_structure(model: Any) -> Any:
    """Return the inputs of a model or graph, nested as it takes them.

    Args:
        model: Any built model; one without a graph has them as a list.
    """
    return getattr(model, "_inputs_struct", model.inputs)


def run_through(
    graph: Any,
    inputs: Any,
    *,
    operation_fn: Callable[[Any], Any] = lambda operation: operation,
    call_fn: Callable[..., Any] | None = None,
) -> Any:
    """Run a graph on other inputs, its operations replaced by others.

    Args:
        graph: What `graph_of` returned.
        inputs: Symbolic or true tensors, nested as `input_structure`.
        operation_fn: What takes an operation's place.
        call_fn: How that is called; None calls it.

    Returns:
        The outputs, nested as the graph gives them.
    """
    return graph._run_through_graph(inputs, operation_fn=operation_fn, call_fn=call_fn)


def run_call(node: Any, known: Mapping[int, Any]) -> list[Any]:
    """Return what one call writes for given tensors, as in inference.

    Args:
        node: The call.
        known: Value of each tensor that it reads, by the `id` of the symbolic one.
    """
    args, kwargs = node.arguments.fill_in(known)
    return keras.tree.flatten(node.operation(*args, **kwargs))


def flat_layers(model: keras.Layer) -> list[keras.Layer]:
    """Return a model or layer and every layer within it, wrapped ones and models included."""
    return model._flatten_layers()


def layers_within(model: keras.Model) -> Iterator[keras.Layer]:
    """Yield every layer that is no model itself, those of nested models included, with a graph or without."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_within(layer)
        else:
            yield layer


def is_keras_operation(operation: Any) -> bool:
    """Return whether something is an operation of `keras.ops`, rather than a layer or anybody's own."""
    return type(operation).__module__.startswith("keras.src.ops")


def calls(graph: Any) -> Iterator[Any]:
    """Yield the calls of a graph in topological order, its inputs left out.

    Args:
        graph: What `graph_of` returned.
    """
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if not node.is_input:
                yield node


def operations_within(operation: Any) -> list[Any]:
    """Return a layer or operation, and all within it where it is a model: inputs and models, too.

    Args:
        operation: A model, layer or operation.
    """
    graph = graph_of(operation)
    if graph is None:
        return [operation]
    inputs = [maker(tensor) for tensor in graph.inputs]
    inner = [operations_within(node.operation) for node in calls(graph)]
    found = [operation, *inputs, *(one for within in inner for one in within)]
    return list({id(one): one for one in found}.values())


def leaf_layers(model: keras.Model, prefix: str = "") -> Iterator[tuple[str, keras.Layer]]:
    """Yield every layer that is no model itself, with its path: `outer/inner` within a nested model.

    Args:
        model: A functional or sequential model.
        prefix: Path of the model.
    """
    for layer in model.layers:
        if graph_of(layer) is None:
            yield prefix + layer.name, layer
        else:
            yield from leaf_layers(layer, f"{prefix}{layer.name}/")


def inlined(model: keras.Model) -> keras.Model:
    """Return the same network without models in it; the layers and weights are shared.

    Args:
        model: A functional model.

    Returns:
        The model itself where nothing is nested.

    Raises:
        StampError: If two layers of different models have one name.
    """
    graph = functional_graph(model)
    if all(graph_of(node.operation) is None for node in calls(graph)):
        return model

    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        inner = graph_of(operation)
        if inner is None:
            return operation(*args, **kwargs)
        return run_through(inner, args[0], call_fn=call)

    inputs = keras.tree.map_structure(
        lambda tensor: keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name),
        input_structure(graph),
    )
    outputs = run_through(graph, inputs, call_fn=call)
    try:
        return keras.Model(inputs, outputs, name=model.name)
    except ValueError as error:
        raise StampError(
            f"The layers of nested models must have distinct names, but Keras said '{error}'; rename them."
        ) from None


@contextmanager
def layers_numbered_anew() -> Iterator[None]:
    """Let Keras number unnamed layers as in a fresh process.

    Checkpoints store weights by path, so a backbone has to have the same paths whatever was built before it.
    """
    # Keras offers only to forget all numbers for good, which would be felt outside.
    from keras.src.backend.common import global_state

    before = global_state.get_global_attribute("object_name_uids")
    global_state.set_global_attribute("object_name_uids", collections.defaultdict(int))
    try:
        yield
    finally:
        global_state.set_global_attribute("object_name_uids", before)
