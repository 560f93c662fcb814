"""A truth value per single weight: which weights of a network's kernels stay, wherever they stand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np

from stamp_tf.errors import StampError

_BYTES_PER_NUMBER = 4


@dataclass(frozen=True, eq=False)
class WeightMask:
    """The weights that stay of some kernels. No layer gets smaller, and no multiply-add is saved.

    Args:
        kept: For each kernel, by its Keras path, whether each weight stays; bool, of the kernel's shape.

    Raises:
        StampError: If an array is not of truth values.
    """

    kept: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        for path, array in self.kept.items():
            if not isinstance(array, np.ndarray) or array.dtype != bool:
                raise StampError(
                    f"A mask of weights must hold truth values, but that of {path} holds others."
                )

    @classmethod
    def of_best(cls, scores: Mapping[str, np.ndarray], num_kept: int) -> WeightMask:
        """Return the mask of the weights of highest score, wherever they stand.

        Args:
            scores: Of every weight, by path of its kernel; higher stays longer.
            num_kept: How many stay, exactly.
        """
        flat = np.concatenate([array.ravel() for array in scores.values()])
        kept = np.zeros(flat.size, bool)
        kept[np.argsort(-flat, kind="stable")[:num_kept]] = True
        ends = np.cumsum([array.size for array in scores.values()])[:-1]
        parts = np.split(kept, ends)
        return cls({path: part.reshape(scores[path].shape) for path, part in zip(scores, parts, strict=True)})

    @cached_property
    def num_weights(self) -> int:
        """Number of weights in these kernels."""
        return sum(array.size for array in self.kept.values())

    @cached_property
    def num_kept(self) -> int:
        """Number of weights that stay."""
        return sum(int(np.count_nonzero(array)) for array in self.kept.values())

    @property
    def num_removed(self) -> int:
        """Number of weights that go."""
        return self.num_weights - self.num_kept

    @property
    def emptied(self) -> list[str]:
        """Paths of the kernels of which nothing stays."""
        return [path for path, array in self.kept.items() if not array.any()]

    def removed_by_layer(self) -> dict[str, int]:
        """Return the number of weights that go, by the path of their layer."""
        counts: dict[str, int] = {}
        for path, array in self.kept.items():
            layer = path.rpartition("/")[0]
            counts[layer] = counts.get(layer, 0) + array.size - int(np.count_nonzero(array))
        return counts

    def num_bytes(self, num_params: int) -> int:
        """Return the size of a network as a sparse file: what stays in float32, and a bit for each weight.

        Args:
            num_params: Parameters of the network, those outside of these kernels among them.
        """
        bits = sum(math.ceil(array.size / 8) for array in self.kept.values())
        return _BYTES_PER_NUMBER * (num_params - self.num_removed) + bits

    def variables_of(self, model: keras.Model) -> Iterator[tuple[keras.Variable, np.ndarray]]:
        """Yield every kernel of a network with its part of the mask.

        Args:
            model: The network, or a twin of it.

        Raises:
            StampError: If a kernel is not there, or has another shape.
        """
        by_path = {variable.path: variable for variable in model.weights}
        for path, array in self.kept.items():
            variable = by_path.get(path)
            if variable is None or tuple(variable.shape) != array.shape:
                found = "nothing" if variable is None else f"shape {tuple(variable.shape)}"
                raise StampError(
                    f"A mask of weights must be of the network's kernels, but of {path} it has shape {array.shape}, "
                    f"and {model.name} has {found}; take the mask of its own run."
                )
            yield variable, array

    def apply_to(self, model: keras.Model) -> None:
        """Set the weights that go to 0 in a network."""
        for variable, array in self.variables_of(model):
            variable.assign(keras.ops.convert_to_numpy(variable) * array)

    def to_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, list[int]]]:
        """Return the mask as arrays of bits and their shapes, both by path; undone by `of_arrays`."""
        return (
            {path: np.packbits(array) for path, array in self.kept.items()},
            {path: list(array.shape) for path, array in self.kept.items()},
        )

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]) -> WeightMask:
        """Return the mask that `to_arrays` took apart.

        Raises:
            StampError: If an array is missing or too short.
        """
        kept = {}
        for path, shape in shapes.items():
            bits, size = arrays.get(path), math.prod(shape)
            if bits is None or bits.dtype != np.uint8 or bits.size != math.ceil(size / 8):
                raise StampError(
                    f"A mask of weights must hold a bit for each weight, but that of {path} does not."
                )
            kept[path] = np.unpackbits(bits, count=size).astype(bool).reshape(shape)
        return cls(kept)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, WeightMask)
            and self.kept.keys() == other.kept.keys()
            and all(np.array_equal(array, other.kept[path]) for path, array in self.kept.items())
        )

    def __hash__(self) -> int:
        return hash((self.num_weights, self.num_kept))


def kernels_of(model: keras.Model) -> list[keras.Variable]:
    """Return what a mask of single weights is over: trained weights of two axes or more, without biases and scales."""
    return [weight for weight in model.trainable_variables if len(weight.shape) > 1]
