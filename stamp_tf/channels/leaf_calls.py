"""The calls of a network at the sizes that they really meet, for one image."""

import inspect
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from stamp_tf.channels.graph import calls, functional_graph, graph_of

logger = logging.getLogger(__name__)

Shape = tuple[int | None, ...]


@dataclass(frozen=True, kw_only=True)
class LeafCall:
    """One call of a layer or operation that is no model itself, for one image: the batch is a size like any other.

    Args:
        path: Its path, `outer/inner` within a nested model.
        layer: The layer or operation.
        arguments: What it is called on, by the name of the argument; tensors are symbolic.
        output_shapes: Shapes of the tensors that it writes.
        traced_path: The same as `path`, but within a model that is called on other shapes than it was built for,
            whose channels are not traced, the path of that model.
        batch: Size of the batch, 1 unless the network has a fixed one.
    """

    path: str
    layer: Any
    arguments: Mapping[str, Any] = field(repr=False)
    output_shapes: tuple[Shape, ...]
    traced_path: str
    batch: int = 1

    @property
    def input_shapes(self) -> tuple[Shape, ...]:
        """Shapes of the tensors of the graph that it reads."""
        tensors = keras.tree.flatten(dict(self.arguments))
        return tuple(tuple(tensor.shape) for tensor in tensors if isinstance(tensor, keras.KerasTensor))

    @property
    def is_traced(self) -> bool:
        """Whether its channels are traced."""
        return self.path == self.traced_path

    @property
    def is_sized(self) -> bool:
        """Whether all sizes that it works on are known."""
        return None not in {size for shape in (*self.input_shapes, *self.output_shapes) for size in shape}


def leaf_calls(model: keras.Model) -> Iterator[LeafCall]:
    """Yield every call of a layer or operation in the order of the graph, those of nested models in their place.

    A model that was built with open sizes is followed at those that it meets. Positions that are folded into the
    batch are counted there.

    Args:
        model: A functional or sequential model.

    Raises:
        StampError: If the model is not functional.
    """
    graph = functional_graph(model)
    batches = {tensor.shape[0] for tensor in graph.inputs if tensor.shape and tensor.shape[0]}
    batch = max(batches, default=1)
    known = {
        id(tensor): keras.KerasTensor((batch, *tensor.shape[1:]) if tensor.shape else (), tensor.dtype)
        for tensor in graph.inputs
    }
    yield from calls_at(graph, known, batch=batch)


def calls_at(
    graph: Any, known: dict[int, Any], *, prefix: str = "", batch: int = 1, untraced: str | None = None
) -> Iterator[LeafCall]:
    """Yield the calls of a graph at given sizes of its inputs.

    Args:
        graph: What `graph_of` returned.
        known: A symbolic tensor for the `id` of each input; those of all further tensors are added.
        prefix: Path of the graph's model.
        batch: Size of the batch.
        untraced: Path of the outermost model whose channels are not traced.
    """
    for node in calls(graph):
        operation, path = node.operation, prefix + node.operation.name
        args, kwargs = node.arguments.fill_in(known)
        inner = graph_of(operation)
        if inner is None:
            outputs = _outputs(node, args, kwargs)
            shapes = tuple(tuple(tensor.shape) for tensor in outputs)
            yield LeafCall(
                path=path,
                layer=operation,
                arguments=_named(operation, args, kwargs),
                output_shapes=shapes,
                traced_path=untraced or path,
                batch=batch,
            )
        else:
            at_these = {
                id(own): known[id(outer)] if len(outer.shape) == len(own.shape) else own
                for outer, own in zip(node.input_tensors, inner.inputs, strict=False)
            }
            whole = untraced or (None if _fits(node, inner) else path)
            yield from calls_at(inner, at_these, prefix=f"{path}/", batch=batch, untraced=whole)
            outputs = [at_these[id(tensor)] for tensor in inner.outputs]
        known.update((id(tensor), output) for tensor, output in zip(node.outputs, outputs, strict=True))


def num_numbers(shape: Shape) -> int:
    """Return how many numbers a tensor holds; open sizes count as 1.

    Args:
        shape: All of it.
    """
    return int(np.prod([1 if size is None else size for size in shape]))


def features_axis(layer: Any, shape: Shape) -> int:
    """Return the axis of a tensor that holds its features: the last, unless the layer says that they come first.

    Args:
        layer: What writes the tensor.
        shape: Of the tensor.
    """
    comes_first = getattr(layer, "data_format", None) == "channels_first" or (
        getattr(layer, "axis", None) == 1 and hasattr(layer, "epsilon")
    )
    return 1 if comes_first and len(shape) > 2 else len(shape) - 1


def _outputs(node: Any, args: Any, kwargs: Any) -> list[Any]:
    """Return what a call writes at the sizes that it meets, without adding a call to the graph."""
    operation = node.operation
    if isinstance(operation, keras.Layer) and type(operation).__module__.startswith("keras."):
        tensors = [each for each in keras.tree.flatten([args, kwargs]) if isinstance(each, keras.KerasTensor)]
        same = all(a.shape[1:] == b.shape[1:] for a, b in zip(tensors, node.input_tensors, strict=True))
        if same and len({each.shape[0] for each in tensors}) == 1:
            # Keras's own layers leave the batch alone.
            return [
                keras.KerasTensor((tensors[0].shape[0], *out.shape[1:]), out.dtype) for out in node.outputs
            ]
    try:
        outputs = keras.tree.flatten(operation.compute_output_spec(*args, **kwargs))
    # What a layer of somebody else's does with a batch of one it may refuse.
    except Exception as error:
        logger.debug("The sizes of %s are those it was built with: %r", operation.name, error)
        outputs = []
    return outputs if len(outputs) == len(node.outputs) else list(node.outputs)


def _named(operation: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """Return arguments by name; those that have none come as a tuple."""
    return dict(inspect.signature(operation.call).bind(*args, **kwargs).arguments)


def _fits(node: Any, inner: Any) -> bool:
    """Return whether a model is called on what it was built for, open sizes being any."""
    return len(node.input_tensors) == len(inner.inputs) and all(
        len(outer.shape) == len(own.shape)
        and all(own_size in (None, size) for size, own_size in zip(outer.shape, own.shape, strict=True))
        for outer, own in zip(node.input_tensors, inner.inputs, strict=True)
    )
