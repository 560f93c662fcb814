"""What a mask of single weights saves: nothing of the work, and something of the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stamp_tf.errors import StampError

if TYPE_CHECKING:  # a page is drawn from a report without loading Keras
    from stamp_tf.weight_mask import WeightMask

_BYTES_PER_NUMBER = 4


@dataclass(frozen=True, kw_only=True)
class SparseSize:
    """How many weights stay, and how large files of the network are.

    Args:
        num_weights: Weights in the kernels that the mask is over.
        num_kept: Those that stay.
        dense_bytes: Bytes of all parameters in float32, as every exported file holds them.
        sparse_bytes: Bytes of those that stay and of a bit for each weight, which no exporter here writes.
    """

    num_weights: int
    num_kept: int
    dense_bytes: int
    sparse_bytes: int

    def __post_init__(self) -> None:
        if not 0 <= self.num_kept <= self.num_weights:
            raise StampError(
                f"num_kept must be 0 to {self.num_weights}, but is {self.num_kept}; count the mask."
            )

    @classmethod
    def of(cls, weights: WeightMask, *, num_params: int) -> SparseSize:
        """Return the figures of a mask.

        Args:
            weights: The mask.
            num_params: Parameters of the full network.
        """
        return cls(
            num_weights=weights.num_weights,
            num_kept=weights.num_kept,
            dense_bytes=_BYTES_PER_NUMBER * num_params,
            sparse_bytes=weights.num_bytes(num_params),
        )
