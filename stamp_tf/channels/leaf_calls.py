"""What the calls of a network do for one image: the tensors they write, how often they apply each kernel."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from stamp_tf.channels.graph import calls, functional_graph, graph_of

Shape = tuple[int | None, ...]

_AT_OUTPUTS = (
    *(layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D),
    *(layers.DepthwiseConv1D, layers.DepthwiseConv2D, layers.SeparableConv1D, layers.SeparableConv2D),
)
_AT_INPUTS = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)


@dataclass(frozen=True)
class LeafCall:
    """One call of a layer or operation that is no model itself.

    Args:
        path: Its path, `outer/inner` within a nested model.
        layer: The layer or operation.
        input_shape: Shape of the first tensor that it reads, batch first.
        output_shapes: Shapes of the tensors that it writes, batch first.
        traced_path: The same, but within a model that is called on other shapes than it was built for, whose
            channels are not traced, the path of that model.
    """

    path: str
    layer: Any
    input_shape: Shape
    output_shapes: tuple[Shape, ...]
    traced_path: str

    @property
    def is_traced(self) -> bool:
        """Whether its channels are traced."""
        return self.path == self.traced_path

    @property
    def is_sized(self) -> bool:
        """Whether all sizes that it works on, apart from the batch, are known."""
        return None not in {size for shape in (self.input_shape, *self.output_shapes) for size in shape[1:]}

    def applications(self) -> dict[int, int]:
        """Return how often the call applies each kernel to one image, by the `id` of the weight.

        A kernel of n numbers that is applied p times makes n * p multiply-adds. Dense and convolution layers have
        kernels; a transposed convolution is applied where it reads, any other where it writes.
        """
        if isinstance(self.layer, layers.EinsumDense):
            return {id(self.layer.kernel): self._of_einsum()}
        if isinstance(self.layer, _AT_INPUTS):
            shape = self.input_shape
        elif isinstance(self.layer, _AT_OUTPUTS):
            shape = self.output_shapes[0]
        else:
            return {}
        positions = num_positions(shape)
        return {id(weight): positions for weight in self.layer.weights if len(weight.shape) > 1}

    def _of_einsum(self) -> int:
        """Return the product of the output's sizes that are not the kernel's own."""
        kernel_axes, output_axes = self.layer.equation.split(",")[1].split("->")
        sizes = dict(zip(kernel_axes, self.layer.kernel.shape, strict=True))
        own = int(np.prod([sizes[axis] for axis in output_axes if axis in sizes]))
        return int(np.prod([size or 1 for size in self.output_shapes[0][1:]])) // own


def leaf_calls(model: keras.Model) -> Iterator[LeafCall]:
    """Yield every call of a layer or operation in the order of the graph, those of nested models in their place.

    Args:
        model: A functional or sequential model.

    Raises:
        StampError: If the model is not functional.
    """
    yield from _leaf_calls(functional_graph(model), "")


def num_positions(shape: Shape) -> int:
    """Return the number of places (height x width) between batch and features; open sizes count as 1.

    Args:
        shape: Of a tensor, batch first and features last.
    """
    return int(np.prod([1 if size is None else size for size in shape[1:-1]]))


def _leaf_calls(graph: Any, prefix: str, *, untraced: str | None = None) -> Iterator[LeafCall]:
    for node in calls(graph):
        path = prefix + node.operation.name
        inner = graph_of(node.operation)
        inputs = [tuple(tensor.shape) for tensor in node.input_tensors]
        if inner is None:
            outputs = tuple(tuple(tensor.shape) for tensor in node.outputs)
            yield LeafCall(path, node.operation, inputs[0], outputs, untraced or path)
        elif inputs == [tuple(tensor.shape) for tensor in inner.inputs]:
            yield from _leaf_calls(inner, f"{path}/", untraced=untraced)
        else:
            # Called on the sizes that it meets here, where it may have been built with open ones.
            fresh = [keras.Input(batch_shape=shape) for shape in inputs]
            outputs = inner._run_through_graph(fresh, operation_fn=lambda operation: operation)
            at_these = functional_graph(keras.Model(fresh, outputs))
            yield from _leaf_calls(at_these, f"{path}/", untraced=untraced or path)
