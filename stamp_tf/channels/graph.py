"""Walk a functional model: its calls in order, its layers by path, models within models included."""

from collections.abc import Iterator
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
    inputs = [tensor._keras_history.operation for tensor in graph.inputs]
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
        return inner._run_through_graph(args[0], operation_fn=lambda one: one, call_fn=call)

    inputs = keras.tree.map_structure(
        lambda tensor: keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name),
        graph._inputs_struct,
    )
    outputs = graph._run_through_graph(inputs, operation_fn=lambda one: one, call_fn=call)
    try:
        return keras.Model(inputs, outputs, name=model.name)
    except ValueError as error:
        raise StampError(
            f"The layers of nested models must have distinct names, but Keras said '{error}'; rename them."
        ) from None
