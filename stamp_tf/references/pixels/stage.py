"""Where a network is still at pixels: follow its input through all that acts on each pixel alone."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from stamp_tf.channels.graph import calls, functional_graph, graph_of
from stamp_tf.channels.work_operations import OPERATION_RULES

logger = logging.getLogger(__name__)

LEVELS = (0.0, 0.25, 0.5, 1.0, 64.0, 128.0, 255.0)
"""Grey levels that are sent through the network."""

_LEFT_OPEN = 32
_NOTHING = 1e-7
# They move pixels, or mix neighbours of one kind: an even image stays even.
_MOVING = (
    *(layers.Flatten, layers.Reshape, layers.Permute, layers.ZeroPadding2D, layers.Cropping2D),
    *(layers.Resizing, layers.CenterCrop, layers.UpSampling2D, layers.AveragePooling2D, layers.MaxPooling2D),
    *(
        layers.RandomCrop,
        layers.RandomZoom,
        layers.RandomTranslation,
        layers.RandomRotation,
        layers.RandomFlip,
    ),
)
_MOVING_OPERATIONS = (
    *(
        "Reshape",
        "Transpose",
        "Moveaxis",
        "Swapaxes",
        "ExpandDims",
        "Squeeze",
        "Pad",
        "PadImages",
        "CropImages",
    ),
    *("Flip", "Rot90", "Resize", "AveragePool", "MaxPool", "GetItem", "Stack", "Ravel"),
)


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """What reaches an operation that looks at more than one pixel, or that has learnt.

    Args:
        name: The operation.
        has_kernel: Whether it has a kernel, as convolutions and dense layers have.
        values: What grey images of `LEVELS` have become, one row a level `[levels, features]`.
        is_learnt: Whether weights that training changes are on the way.
        is_measured: Whether the mean and deviation of images are on the way, as somebody measured them: those of a
            batch normalisation, or of a normalisation that was adapted.
    """

    name: str
    has_kernel: bool
    values: np.ndarray
    is_learnt: bool
    is_measured: bool = False


@dataclass(frozen=True)
class Line:
    """A number that is `slope * pixel + offset`.

    Args:
        slope: Not 0.
        offset: What a pixel of 0 becomes.
        is_whole: Whether it holds in [0, 255], or in [0, 1] alone.
    """

    slope: float
    offset: float
    is_whole: bool = True

    @property
    def zero(self) -> float:
        """The pixel that becomes 0."""
        return -self.offset / self.slope

    @property
    def unit(self) -> float:
        """How far apart two pixels are that end up 1 apart."""
        return 1 / abs(self.slope)


def arrivals(model: keras.Model) -> tuple[Arrival, ...]:
    """Return what the pixels have become where the part of the network ends that acts on each pixel alone.

    That part holds layers and operations alike, in whatever way they are written; whether one acts on each pixel
    alone is tried on random images. A batch normalisation in it counts with its moving statistics.

    Args:
        model: A functional model of one image `[B, H, W, D]`.
    """
    graph = functional_graph(model)
    shape = [size or _LEFT_OPEN for size in graph.inputs[0].shape[1:]]
    grey = np.broadcast_to(np.reshape(LEVELS, (-1, 1, 1, 1)), (len(LEVELS), *shape))
    walk = _Walk()
    walk.values[id(graph.inputs[0])] = ops.cast(np.ascontiguousarray(grey), "float32")
    walk(graph)
    return tuple(walk.found)


class _Walk:
    """The values of the tensors that are pixels still, while the graph is walked."""

    def __init__(self) -> None:
        self.values: dict[int, Any] = {}
        self.learnt: set[int] = set()
        self.measured: set[int] = set()
        self.found: list[Arrival] = []

    def __call__(self, graph: Any) -> None:
        """Go through a graph whose inputs have values."""
        for node in calls(graph):
            tensors = node.input_tensors
            operation, known = node.operation, [id(tensor) in self.values for tensor in tensors]
            if not any(known):
                continue
            inner = graph_of(operation)
            if inner is not None and len(inner.inputs) == len(tensors) == 1:
                self._enter(inner, tensors[0], node.outputs)
            elif (
                all(known)
                and _is_pixelwise(operation, node, [self.values[id(tensor)] for tensor in tensors])
                and (results := _tried(operation, node, self.values))
            ):
                self._pass(operation, node, results)
            else:
                for tensor in tensors:
                    if id(tensor) in self.values:
                        self._arrive(operation, tensor)

    def _enter(self, inner: Any, tensor: Any, outputs: Any) -> None:
        own = inner.inputs[0]
        self.values[id(own)] = self.values[id(tensor)]
        for marked in (self.learnt, self.measured):
            if id(tensor) in marked:
                marked.add(id(own))
        self(inner)
        for outer, last in zip(outputs, inner.outputs, strict=True):
            if id(last) in self.values:
                self.values[id(outer)] = self.values[id(last)]
            for marked in (self.learnt, self.measured):
                if id(last) in marked:
                    marked.add(id(outer))

    def _pass(self, operation: Any, node: Any, results: list[Any]) -> None:
        learns = bool(getattr(operation, "trainable_weights", ())) and not _is_batch_norm(operation)
        for tensor, value in zip(node.outputs, results, strict=True):
            self.values[id(tensor)] = value
            for marked, is_new in ((self.learnt, learns), (self.measured, _holds_statistics(operation))):
                if is_new or any(id(each) in marked for each in node.input_tensors):
                    marked.add(id(tensor))

    def _arrive(self, operation: Any, tensor: Any) -> None:
        values = np.asarray(ops.convert_to_numpy(self.values[id(tensor)]), "float64")
        features = values.reshape(len(LEVELS), -1, values.shape[-1])
        # Padding is another value than the pixels that it surrounds.
        middle = np.median(features, axis=1)
        has_kernel = type(operation).__name__ in OPERATION_RULES or any(
            len(weight.shape) > 1 for weight in getattr(operation, "weights", ())
        )
        self.found.append(
            Arrival(
                name=operation.name,
                has_kernel=has_kernel,
                values=middle,
                is_learnt=id(tensor) in self.learnt,
                is_measured=id(tensor) in self.measured,
            )
        )


def _is_batch_norm(operation: Any) -> bool:
    return type(operation) is layers.BatchNormalization


def _holds_statistics(operation: Any) -> bool:
    """Return whether a layer knows the mean and deviation of images that it has seen."""
    is_adapted = isinstance(operation, layers.Normalization) and operation.input_mean is None
    return is_adapted or _is_batch_norm(operation)


def _is_pixelwise(operation: Any, node: Any, values: list[Any]) -> bool:
    """Return whether an operation acts on each pixel alone, by its kind or as random images show."""
    if isinstance(operation, _MOVING) or type(operation).__name__ in _MOVING_OPERATIONS:
        return True
    if getattr(operation, "weights", ()) and not (
        _is_batch_norm(operation)
        or isinstance(operation, layers.Normalization)
        or _is_map_of_depths(operation)
    ):
        return False
    rng = np.random.default_rng(0)
    first, second = {}, {}
    for tensor, value in zip(node.input_tensors, values, strict=True):
        draw = rng.uniform(0, 255, value.shape).astype("float32")
        changed = draw.copy()
        changed[_first_place(draw)] += 8
        first[id(tensor)], second[id(tensor)] = ops.convert_to_tensor(draw), ops.convert_to_tensor(changed)
    before, after = (_tried(operation, node, each) for each in (first, second))
    if before is None or after is None:
        return False
    places = values[0].shape[:-1] if len(values[0].shape) > 2 else values[0].shape
    return all(
        tuple(one.shape[: len(places)]) == tuple(places) and _differs_at_one(one, other)
        for one, other in zip(before, after, strict=True)
    )


def _first_place(values: np.ndarray) -> tuple[Any, ...]:
    """Return the index of the first pixel of each image, of the first number where they are flat."""
    return (slice(None), *[0] * max(1, values.ndim - 2))


def _differs_at_one(first: Any, second: Any) -> bool:
    """Return whether two results agree but at the first place of each image."""
    one, other = np.asarray(ops.convert_to_numpy(first)), np.array(ops.convert_to_numpy(second))
    other[_first_place(one)] = one[_first_place(one)]
    return np.array_equal(one, other)


def _is_map_of_depths(layer: Any) -> bool:
    """Return whether a layer scales each depth, or exchanges depths, by a kernel of one pixel."""
    if not isinstance(layer, layers.DepthwiseConv2D | layers.Conv2D):
        return False
    square = layer.kernel.shape[-1] * (
        layer.kernel.shape[-2] if isinstance(layer, layers.DepthwiseConv2D) else 1
    )
    return (
        set(layer.kernel_size) == set(layer.strides) == {1}
        and square == layer.input_spec.axes[-1 if layer.data_format == "channels_last" else 1]
        and layer.activation is keras.activations.linear
        and (isinstance(layer, layers.DepthwiseConv2D) or not layer.trainable)
    )


def _tried(operation: Any, node: Any, values: dict[int, Any]) -> list[Any] | None:
    """Compute a call, or return None where it refuses images that were made up."""
    try:
        results = keras.tree.flatten(_run(operation, node, values))
    # An operation of somebody else's may raise anything; then it is not passed.
    except Exception as error:
        logger.debug("Not followed through %s, which raised %r", operation.name, error)
        return None
    return results if len(results) == len(node.outputs) else None


def _run(operation: Any, node: Any, values: dict[int, Any]) -> Any:
    """Compute a call as in inference; of a batch normalisation only what its statistics do."""
    args, kwargs = node.arguments.fill_in(values)
    if _is_batch_norm(operation):
        return _by_statistics(operation, args[0])
    if "training" in inspect.signature(operation.call).parameters:
        kwargs = {**kwargs, "training": False}
    return operation(*args, **kwargs)


def _by_statistics(layer: Any, values: Any) -> Any:
    shape = [1] * len(values.shape)
    shape[layer.axis] = -1
    mean, variance = (
        ops.reshape(ops.cast(each, "float32"), shape) for each in (layer.moving_mean, layer.moving_variance)
    )
    fresh = bool(ops.all(mean == 0)) and bool(ops.all(variance == 1))
    return values if fresh else (values - mean) / ops.sqrt(variance + layer.epsilon)


def lines(arrived: Arrival) -> Iterator[Line | None]:
    """Yield what each feature is of a grey level, each line once, or None where it is no straight line.

    Args:
        arrived: What the network made of the grey levels.
    """
    levels = np.array(LEVELS)
    for column in np.unique(arrived.values.T.round(9), axis=0):
        if np.ptp(column) < _NOTHING:
            continue  # Padding alone, or a feature that does not look at the pixel.
        # All levels first; then those of pixels in [0, 1], where what lies above may be clipped.
        for is_whole, inside in ((True, levels >= 0), (False, levels <= 1)):
            slope, offset = np.polyfit(levels[inside], column[inside], 1)
            error = np.abs(slope * levels[inside] + offset - column[inside]).max()
            # As much as half precision rounds.
            if abs(slope) > _NOTHING and error <= 1e-2 * np.ptp(column[inside]):
                yield Line(float(slope), float(offset), is_whole)
                break
        else:
            yield None
