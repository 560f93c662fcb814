"""Multiply-adds of one call: of kernels, which masks shrink, and of products of what the network computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from stamp_tf.channels.leaf_calls import Shape, num_numbers


@dataclass(frozen=True)
class Work:
    """What a call computes.

    Args:
        kernels: How often each kernel is applied, by the `id` of the weight. A kernel of n numbers that is applied p
            times makes n * p multiply-adds.
        products: Multiply-adds without a kernel, such as those of a product of two tensors.
        is_whole: Whether this is all.
    """

    kernels: Mapping[int, int] = field(default_factory=dict)
    products: int = 0
    is_whole: bool = True

    def __add__(self, other: Work) -> Work:
        """Return what both compute together."""
        uses = {
            key: self.kernels.get(key, 0) + other.kernels.get(key, 0)
            for key in {*self.kernels, *other.kernels}
        }
        return Work(uses, self.products + other.products, self.is_whole and other.is_whole)

    def times(self, number: int) -> Work:
        """Return the same work done so many times."""
        kernels = {key: number * uses for key, uses in self.kernels.items()}
        return Work(kernels, number * self.products, self.is_whole)


NOTHING = Work()
UNKNOWN = Work(is_whole=False)

Rule = Callable[[Any, Mapping[str, Any], Sequence[Shape]], Work]
"""From a layer or operation, its arguments by name, and the shapes of what it writes."""


def shapes_of(nest: Any) -> list[Shape]:
    """Return the shapes of all tensors and arrays in a nest, of arguments in their order.

    Args:
        nest: Tensors, arrays, and anything else, which is left out.
    """
    values = list(nest.values()) if isinstance(nest, Mapping) else nest
    return [tuple(each.shape) for each in keras.tree.flatten(values) if hasattr(each, "shape")]


def places(shape: Shape, data_format: str | None = None) -> int:
    """Return how many places hold features, the batch included; open sizes count as 1.

    Args:
        shape: Of a tensor.
        data_format: `channels_first` if the features come behind the batch; None stands for Keras's own.
    """
    data_format = data_format or keras.config.image_data_format()
    features = 1 if data_format == "channels_first" else len(shape) - 1
    return num_numbers((*shape[:features], *shape[features + 1 :]))
