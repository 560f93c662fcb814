"""Limits on the cost of a network."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from stamp_tf.channels.cost import CostModel
from stamp_tf.errors import StampError


@dataclass(frozen=True)
class Budget:
    """A limit on cost; several limits hold together.

    Parameters, FLOPs and activations are counted, so that a cut meets them exactly. Latency has to be measured,
    see `stamp_tf.pruning.latency`.

    Args:
        keep_params: Largest fraction of parameters in (0, 1], or None for no limit.
        max_flops: Largest fraction of multiply-adds in (0, 1], or None for no limit.
        max_memory: Most activation memory for one image, or None for no limit: up to 1 a fraction of the full
            network's in (0, 1], above 1 a number of bytes.
        max_latency: Most seconds of an inference step, or None for no limit.

    Raises:
        StampError: If a limit is out of its range.
    """

    keep_params: float | None = None
    max_flops: float | None = None
    max_memory: float | None = None
    max_latency: float | None = None

    def __post_init__(self) -> None:
        for option, value in (("--keep-params", self.keep_params), ("--max-flops", self.max_flops)):
            if value is not None and not 0 < value <= 1:
                raise StampError(
                    f"{option} must be a fraction above 0 and at most 1, but got {value:g}; "
                    "0.25 leaves a quarter of the full network."
                )
        if self.max_memory is not None and not 0 < self.max_memory < math.inf:
            raise StampError(
                "--max-memory must be a fraction above 0 and at most 1, or a number of bytes, but got "
                f"{self.max_memory:g}; 0.25 leaves a quarter of the full network's activations."
            )
        if self.max_latency is not None and not 0 < self.max_latency < math.inf:
            raise StampError(
                f"--max-latency must be a time above 0, but got {self.max_latency:g} s; 12ms is 0.012 s."
            )

    @property
    def limits(self) -> tuple[float, float]:
        """Limits on (parameters, FLOPs), infinite where there is none."""
        return (
            math.inf if self.keep_params is None else self.keep_params,
            math.inf if self.max_flops is None else self.max_flops,
        )

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit."""
        return {self.keep_params, self.max_flops, self.max_memory, self.max_latency} != {None}

    def allows(self, cost_model: CostModel, mask: np.ndarray) -> bool:
        """Return whether the network that a 0/1 mask `[C]` leaves is within all limits that are counted.

        Args:
            cost_model: Cost of the full network.
            mask: The mask.

        Raises:
            StampError: If a limit needs the size of the images, and the network leaves it open.
        """
        return not self.broken(cost_model, mask)

    def broken(self, cost_model: CostModel, mask: np.ndarray) -> tuple[str, ...]:
        """Return the options whose limits the network that a 0/1 mask `[C]` leaves exceeds, latency left out.

        Args:
            cost_model: Cost of the full network.
            mask: The mask.

        Raises:
            StampError: If a limit needs the size of the images, and the network leaves it open.
        """
        if (self.max_flops, self.max_memory) != (None, None) and not cost_model.is_sized:
            raise StampError(
                "--max-flops and --max-memory need a network for images of a known size, but this one leaves it "
                "open; build it with a fixed input shape, or give --keep-params."
            )
        parameters, flops = cost_model.exact_fractions(mask) > self.limits
        memory = False
        if self.max_memory is not None:
            # A fraction is compared as it was given: bytes would have to be rounded.
            scale = cost_model.full_activation_bytes if self.max_memory <= 1 else 1
            memory = cost_model.activation_bytes(mask) / scale > self.max_memory
        exceeded = {"--keep-params": parameters, "--max-flops": flops, "--max-memory": memory}
        return tuple(option for option, is_above in exceeded.items() if is_above)
