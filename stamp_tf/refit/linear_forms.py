"""Layers whose kernels mix channels, each as a product of rows that it reads and a matrix."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import keras
import numpy as np
from keras import layers, ops

from stamp_tf.data.npz_file import usable_memory

logger = logging.getLogger(__name__)

# Of the products of all inputs, in float64: sums, means, what is solved and its factor.
_COPIES = 4


class LinearForm(ABC):
    """What a layer computes before its bias: at each place of its output, a row of what it reads times a matrix.

    Args:
        layer: The layer.
    """

    output_axis: ClassVar[int] = -1
    """The kernel's axis over what is written."""

    groups = 1
    """Parts of the kernel that read and write channels of their own."""

    num_written_axes = 1
    """Axes behind the places that the output has."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    @property
    def kernel(self) -> keras.Variable:
        """The kernel that mixes."""
        kernel: keras.Variable = self.layer.kernel
        return kernel

    @property
    def bias(self) -> keras.Variable | None:
        """What is added to every row of the output, if anything is."""
        return self.layer.bias if self.layer.use_bias else None

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of what is written for inputs of a shape, batch first."""
        return tuple(self.layer.compute_output_shape(shape))

    @abstractmethod
    def rows(self, inputs: Any, places: np.ndarray) -> np.ndarray:
        """Return what the matrix is multiplied by at some places.

        Args:
            inputs: What the layer reads, a tensor `[B, ..., C]`.
            places: Numbers of places of the output, `[B, k]`.

        Returns:
            `[B * k, groups, I]`.
        """

    @abstractmethod
    def matrix(self, kernel: np.ndarray) -> np.ndarray:
        """Return a kernel as a matrix `[groups, I, O]`."""

    @abstractmethod
    def shaped(self, matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return a matrix as a kernel of a shape; undoes `matrix`."""


class DenseForm(LinearForm):
    """A dense layer: a row is what lies at one place."""

    def rows(self, inputs: Any, places: np.ndarray) -> np.ndarray:
        return values_at(as_array(inputs), places)[:, None]

    def matrix(self, kernel: np.ndarray) -> np.ndarray:
        return kernel.reshape(1, -1, kernel.shape[-1])

    def shaped(self, matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        return matrix.reshape(shape)


class EinsumForm(LinearForm):
    """A dense layer over the last axes, written in Einstein's notation, such as `abc,cde->abde`."""

    def __init__(self, layer: Any) -> None:
        super().__init__(layer)
        self._num_read, self.num_written_axes = _dense_axes(layer) or (1, 1)

    @property
    def bias(self) -> keras.Variable | None:
        bias: keras.Variable | None = self.layer.bias
        return bias

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*shape[: -self._num_read], *self.kernel.shape[self._num_read :])

    def rows(self, inputs: Any, places: np.ndarray) -> np.ndarray:
        values = as_array(inputs)
        return values_at(values.reshape(*values.shape[: -self._num_read], -1), places)[:, None]

    def matrix(self, kernel: np.ndarray) -> np.ndarray:
        return kernel.reshape(1, int(np.prod(kernel.shape[: self._num_read])), -1)

    def shaped(self, matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        return matrix.reshape(shape)


def _dense_axes(layer: Any) -> tuple[int, int] | None:
    """Return over how many last axes an `EinsumDense` reads and writes; None where it is no dense layer over them."""
    operands, _, output = layer.equation.replace(" ", "").partition("->")
    inputs, _, kernel = operands.partition(",")
    num_read = sum(letter in inputs for letter in kernel)
    read, written, places = kernel[:num_read], kernel[num_read:], inputs[: len(inputs) - num_read]
    is_dense = (inputs, output) == (places + read, places + written) and "" not in (read, written, places)
    letters = places.replace("...", "") + kernel
    # A bias of fewer axes cannot take up every constant.
    is_whole = layer.bias_axes is None or sorted(layer.bias_axes) == sorted(written)
    return (num_read, len(written)) if is_dense and is_whole and len(set(letters)) == len(letters) else None


class SeparableForm(DenseForm):
    """A separable convolution: a row is what its depthwise half writes at one place."""

    @property
    def kernel(self) -> keras.Variable:
        kernel: keras.Variable = self.layer.pointwise_kernel
        return kernel

    def rows(self, inputs: Any, places: np.ndarray) -> np.ndarray:
        layer = self.layer
        filtered = ops.depthwise_conv(
            inputs,
            ops.cast(layer.depthwise_kernel, inputs.dtype),
            strides=layer.strides,
            padding=layer.padding,
            dilation_rate=layer.dilation_rate,
        )
        return super().rows(filtered, places)


class ConvolutionForm(LinearForm):
    """A convolution in any number of dimensions, grouped or not: a row is a patch."""

    def __init__(self, layer: Any) -> None:
        super().__init__(layer)
        self.groups = layer.groups

    def rows(self, inputs: Any, places: np.ndarray) -> np.ndarray:
        layer, values = self.layer, as_array(inputs)
        written = layer.compute_output_shape(values.shape)[1:-1]
        geometry = zip(
            values.shape[1:-1], written, layer.kernel_size, layer.strides, layer.dilation_rate, strict=True
        )
        padding = [
            self._padding(read, written, width=width, stride=stride, rate=rate)
            for read, written, width, stride, rate in geometry
        ]
        values = np.pad(values, ((0, 0), *padding, (0, 0)))
        starts = [
            place * stride
            for place, stride in zip(np.unravel_index(places, written), layer.strides, strict=True)
        ]
        images = np.arange(len(values))[:, None]
        taps = [
            values[
                (
                    images,
                    *(
                        start + step * rate
                        for start, step, rate in zip(starts, tap, layer.dilation_rate, strict=True)
                    ),
                )
            ]
            for tap in np.ndindex(*layer.kernel_size)
        ]
        patches = np.stack(taps, axis=2).reshape(places.size, len(taps), self.groups, -1)
        return patches.swapaxes(1, 2).reshape(places.size, self.groups, -1)

    def matrix(self, kernel: np.ndarray) -> np.ndarray:
        return kernel.reshape(-1, self.groups, kernel.shape[-1] // self.groups).swapaxes(0, 1)

    def shaped(self, matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        return matrix.swapaxes(0, 1).reshape(shape)

    def _padding(self, read: int, written: int, *, width: int, stride: int, rate: int) -> tuple[int, int]:
        span = rate * (width - 1)
        if self.layer.padding == "valid":
            return 0, 0
        if self.layer.padding == "causal":
            return span, 0
        missing = max((written - 1) * stride + span + 1 - read, 0)
        return missing // 2, missing - missing // 2


class TransposedForm(LinearForm):
    """A transposed convolution: a row is, tap by tap, the input that the tap spreads to a place, or 0."""

    output_axis = -2

    def rows(self, inputs: Any, places: np.ndarray) -> np.ndarray:
        layer, values = self.layer, as_array(inputs)
        read, written = values.shape[1:-1], layer.compute_output_shape(values.shape)[1:-1]
        at = np.unravel_index(places, written)
        images = np.arange(len(values))[:, None]
        taps = []
        for tap in np.ndindex(*layer.kernel_size):
            sources, is_there = [], np.ones(places.shape, bool)
            for axis, step in enumerate(tap):
                stride, rate = layer.strides[axis], layer.dilation_rate[axis]
                span = (read[axis] - 1) * stride + rate * (layer.kernel_size[axis] - 1) + 1
                before = max(span - written[axis], 0) // 2 if layer.padding == "same" else 0
                source, rest = np.divmod(at[axis] + before - step * rate, stride)
                is_there &= (rest == 0) & (source >= 0) & (source < read[axis])
                sources.append(np.clip(source, 0, read[axis] - 1))
            taps.append(values[(images, *sources)] * is_there[..., None])
        return np.stack(taps, axis=2).reshape(places.size, 1, -1)

    def matrix(self, kernel: np.ndarray) -> np.ndarray:
        return kernel.swapaxes(-1, -2).reshape(1, -1, kernel.shape[-2])

    def shaped(self, matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        return matrix.reshape(*shape[:-2], shape[-1], shape[-2]).swapaxes(-1, -2)


_FORMS: dict[tuple[type, ...], type[LinearForm]] = {
    (layers.Dense,): DenseForm,
    (layers.Conv1D, layers.Conv2D, layers.Conv3D): ConvolutionForm,
    (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose): TransposedForm,
    (layers.SeparableConv1D, layers.SeparableConv2D): SeparableForm,
    (layers.EinsumDense,): EinsumForm,
}


def linear_form(operation: Any) -> LinearForm | None:
    """Return the form of a layer whose kernel mixes channels, or None for any other.

    Args:
        operation: A layer or operation.
    """
    # Padding may be numbers of one's own, too.
    is_known = isinstance(getattr(operation, "padding", ""), str)
    if not is_known or getattr(operation, "data_format", None) == "channels_first":
        return None
    # Then the kernel is no variable, or not all that is multiplied.
    if getattr(operation, "lora_enabled", False) or getattr(operation, "quantization_mode", None):
        return None
    if type(operation) is layers.EinsumDense and _dense_axes(operation) is None:
        return None
    for kinds, form in _FORMS.items():
        # The exact class, as in tracing: a subclass may do anything in its `call`.
        if type(operation) in kinds:
            return form(operation)
    return None


def is_affordable(form: LinearForm) -> bool:
    """Return whether least squares for a layer fit into half of the machine's memory; the log names one that does not.

    Args:
        form: The layer.
    """
    groups, inputs, outputs = form.matrix(np.empty(form.kernel.shape, "int8")).shape
    needed = _COPIES * 8 * groups * inputs * (inputs + outputs)
    if needed > usable_memory() / 2:
        logger.warning(
            "%s reads %s numbers at a place: it is left as it is, because least squares would take %.0f GB.",
            form.layer.name,
            f"{inputs:,}",
            needed / 1e9,
        )
        return False
    return True


def as_array(tensor: Any) -> np.ndarray:
    """Return a tensor as an array in which products have digits enough, float32 at least."""
    array: np.ndarray = ops.convert_to_numpy(tensor)
    return array.astype("float32") if array.dtype.itemsize < 4 else array


def values_at(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the features at some places of each image.

    Args:
        values: `[B, ..., C]`.
        places: Numbers of places, `[B, k]`.

    Returns:
        `[B * k, C]`.
    """
    flat = values.reshape(len(values), -1, values.shape[-1])
    picked = np.take_along_axis(flat, places[..., None], axis=1)
    return picked.reshape(-1, values.shape[-1])


def drawn_places(form: LinearForm, inputs: Any, count: int, *, seed: tuple[int, ...]) -> np.ndarray:
    """Return numbers of places of a layer's output, `[B, k]`; all of them where there are no more.

    Args:
        form: The layer.
        inputs: What it reads, `[B, ..., C]`.
        count: How many to draw.
        seed: Decides which.
    """
    written = form.output_shape(tuple(inputs.shape))
    total = int(np.prod(written[1 : -form.num_written_axes]))
    if total <= count:
        return np.tile(np.arange(total), (written[0], 1))
    draws = np.random.default_rng(seed).random((written[0], total), "float32")
    return draws.argpartition(count, axis=1)[:, :count]
