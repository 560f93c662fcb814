"""Processes that train one network together: TensorFlow's strategy for several workers, and `jax.distributed`.

Every process has the whole network and takes its share of each batch; gradients are averaged over all of them, so that
all take the same step. The environment variable TF_CONFIG names them, on both backends.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from stamp_tf.errors import StampError
from stamp_tf.tensor import Tensor

Tree = TypeVar("Tree")

_EXAMPLE = '{"cluster": {"worker": ["HOST:PORT", ...]}, "task": {"type": "worker", "index": 0}}'
_JOBS = ("chief", "worker")
# Messages of remote procedure calls have a limit.
_NUMBERS_TOLD_AT_ONCE = 2**22
# As TensorFlow has it; JAX would wait ten times as long before it lets the others end.
_SECONDS_TO_MISS_ONE = 10


class Workers:
    """All processes of a training, and which of them this one is; here one that trains alone.

    Args:
        number: How many there are.
        index: Of this one, from 0; the first is the chief, which alone writes.
    """

    def __init__(self, number: int = 1, index: int = 0) -> None:
        self.number = number
        self.index = index

    @property
    def is_chief(self) -> bool:
        """Whether this one writes."""
        return self.index == 0

    @property
    def part(self) -> slice:
        """Which images of a batch, or tasks of a step, are this one's."""
        return slice(self.index, None, self.number)

    def check_divides(self, argument: str, value: int) -> None:
        """Refuse what cannot be shared out evenly, as means of unequal shares are not the mean of all.

        Args:
            argument: What sets it.
            value: How many images or tasks a step has.

        Raises:
            StampError: If some worker would get more than another.
        """
        if value % self.number:
            fitting = max(value - value % self.number, self.number)
            raise StampError(
                f"`{argument}` must be a multiple of the number of workers in TF_CONFIG, {self.number}, but a step has "
                f"{value}; give `{argument}={fitting}`, or other workers."
            )

    def mean(self, tensors: Tree) -> Tree:
        """Return the means over all workers of what each computed; to be called within a compiled step.

        One vector carries all of it, so that a step has one collective operation. Whole numbers, which count what was
        drawn, are equal at all workers and stay.

        Args:
            tensors: Nested, with the same shapes everywhere.
        """
        if self.number == 1:
            return tensors
        import keras
        from keras import ops

        leaves = keras.tree.flatten(tensors)
        types = [keras.backend.standardize_dtype(leaf.dtype) for leaf in leaves]
        carried = [index for index, dtype in enumerate(types) if keras.backend.is_float_dtype(dtype)]
        dtype = "float64" if "float64" in types else "float32"
        flat = [ops.reshape(ops.cast(leaves[index], dtype), (-1,)) for index in carried]
        vector = self._sum(ops.concatenate(flat)) / self.number
        ends = np.cumsum([part.shape[0] for part in flat])
        for index, part in zip(carried, ops.split(vector, ends[:-1].tolist()), strict=True):
            leaves[index] = ops.reshape(ops.cast(part, types[index]), leaves[index].shape)
        return keras.tree.pack_sequence_as(tensors, leaves)

    def tell(self, content: bytes = b"", *, by: int = 0) -> bytes:
        """Return at all workers what one of them gives; all wait here for each other.

        Args:
            content: What this one gives; not looked at elsewhere.
            by: Index of the one that is listened to.
        """
        if self.number == 1:
            return content
        is_told = by == self.index
        length = int(self._sum_now(np.array([len(content) if is_told else 0], np.int64))[0])
        numbers = np.zeros(-(-length // 4), np.int32)
        if is_told:
            numbers.view(np.uint8)[:length] = np.frombuffer(content, np.uint8)
        for start in range(0, len(numbers), _NUMBERS_TOLD_AT_ONCE):
            piece = slice(start, start + _NUMBERS_TOLD_AT_ONCE)
            numbers[piece] = self._sum_now(numbers[piece])
        return numbers.tobytes()[:length]

    @contextmanager
    def together(self) -> Iterator[None]:
        """Say in a line that another worker is gone, whose share of a step never comes.

        Raises:
            StampError: If it is.
        """
        try:
            yield
        except Exception as error:
            if self.number == 1 or not self._is_loss(error):
                raise
            raise StampError(
                f"All {self.number} workers must stay to the end, but another one ended or cannot be reached; its own "
                "output says why. Start all of them again, with `resume=True` where the run has a folder already."
            ) from error

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function of nested arrays compiled by JAX, in which `mean` works."""
        import jax

        return jax.jit(function)

    def _sum(self, vector: Tensor) -> Tensor:
        raise NotImplementedError

    def _sum_now(self, numbers: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _is_loss(self, error: Exception) -> bool:
        raise NotImplementedError


class _TensorFlowWorkers(Workers):
    """Workers that TensorFlow connects."""

    def __init__(self, number: int, index: int) -> None:
        super().__init__(number, index)
        import tensorflow as tf

        # A process has one device, and several on a machine are several workers.
        tf.config.set_visible_devices(tf.config.list_physical_devices("GPU")[:1], "GPU")
        # Before anything else is asked of TensorFlow, and waits for the others.
        self._strategy = tf.distribute.MultiWorkerMirroredStrategy()
        self._compiled_sum = tf.function(self._sum, autograph=False)

    def _sum(self, vector: Tensor) -> Tensor:
        return self._strategy.reduce("SUM", self._strategy.run(lambda own: own, args=(vector,)), axis=None)

    def _sum_now(self, numbers: np.ndarray) -> np.ndarray:
        import tensorflow as tf

        return np.asarray(self._compiled_sum(tf.constant(numbers)))

    def _is_loss(self, error: Exception) -> bool:
        import tensorflow as tf

        gone = (tf.errors.UnavailableError, tf.errors.CancelledError, tf.errors.AbortedError)
        is_other = isinstance(error, tf.errors.OpError) and "ollective" in str(error)
        return isinstance(error, gone) or is_other


class _JaxWorkers(Workers):
    """Workers that JAX connects."""

    def __init__(self, number: int, index: int, *, leader: str) -> None:
        super().__init__(number, index)
        import jax

        jax.distributed.initialize(
            leader, num_processes=number, process_id=index, heartbeat_timeout_seconds=_SECONDS_TO_MISS_ONE
        )
        devices = [next(one for one in jax.devices() if one.process_index == rank) for rank in range(number)]
        self._mesh = jax.sharding.Mesh(np.array(devices), ("workers",))
        self._compiled_sum = self.compile(self._sum)

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function of nested arrays compiled by JAX, in which `mean` works."""
        import jax

        spread = jax.sharding.PartitionSpec("workers")
        sharding = jax.sharding.NamedSharding(self._mesh, spread)

        # To JAX the arrays of all workers are one, with an axis of workers in front.
        def on_one(inputs: Any) -> Any:
            outputs = function(*jax.tree.map(lambda own: own[0], inputs))
            return jax.tree.map(lambda own: own[None], outputs)

        everywhere = jax.jit(
            jax.shard_map(on_one, mesh=self._mesh, in_specs=spread, out_specs=spread, check_vma=False)
        )

        def stacked(own: Any) -> Any:
            own = jax.device_put(jax.numpy.asarray(own)[None], jax.local_devices()[0])
            return jax.make_array_from_single_device_arrays((self.number, *own.shape[1:]), sharding, [own])

        def compiled(*inputs: Any) -> Any:
            outputs = everywhere(jax.tree.map(stacked, inputs))
            return jax.tree.map(lambda all_of_them: all_of_them.addressable_data(0)[0], outputs)

        return compiled

    def _sum(self, vector: Tensor) -> Tensor:
        import jax

        return jax.lax.psum(vector, "workers")

    def _sum_now(self, numbers: np.ndarray) -> np.ndarray:
        return np.asarray(self._compiled_sum(numbers))

    def _is_loss(self, error: Exception) -> bool:
        import jax

        return isinstance(error, jax.errors.JaxRuntimeError) or "Gloo" in str(error)


ALONE = Workers()
_joined: Workers | None = None


def join_workers() -> Workers:
    """Return the workers that this process is one of, by TF_CONFIG, and wait until they are connected.

    A process joins once, before anything is asked of TensorFlow or JAX. Without TF_CONFIG, or where it names one
    worker, nothing is imported.

    Raises:
        StampError: If TF_CONFIG is wrong, the backend has started, or the others cannot be reached.
    """
    global _joined
    if _joined is not None:
        return _joined
    addresses, index = read_cluster()
    if len(addresses) < 2:
        return ALONE
    import keras

    is_on_jax = keras.backend.backend() == "jax"
    try:
        if is_on_jax:
            _joined = _JaxWorkers(len(addresses), index, leader=addresses[0])
        else:
            _joined = _TensorFlowWorkers(len(addresses), index)
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0].rstrip(".")
        raise StampError(
            f"The {len(addresses)} workers of TF_CONFIG must be connected before Keras' backend is used, but worker "
            f"{index} cannot ({reason}); check the addresses, and in Python give names and paths in place of what is "
            "loaded."
        ) from error
    return _joined


def read_cluster() -> tuple[Sequence[str], int]:
    """Return the addresses of all workers, the chief's first, and the index of this one; nothing and 0 if it is alone.

    Raises:
        StampError: If TF_CONFIG is no such description.
    """
    text = os.environ.get("TF_CONFIG", "").strip()
    if not text:
        return (), 0
    try:
        content = json.loads(text)
        jobs, task = content.get("cluster", {}), content.get("task", {})
        unknown = [job for job in jobs if job not in _JOBS]
        addresses = {job: list(jobs.get(job, ())) for job in _JOBS}
        kind, index = task.get("type", "worker"), task.get("index", 0)
    except (ValueError, AttributeError, TypeError):
        raise _wrong("is something else") from None
    everyone = [*addresses["chief"], *addresses["worker"]]
    if unknown:
        raise _wrong(f"has the job {unknown[0]!r}")
    for address in everyone:
        if not isinstance(address, str) or not re.fullmatch(r".+:\d+", address):
            raise _wrong(f"has the address {address!r}")
    if len(set(everyone)) < len(everyone):
        raise _wrong("has an address twice")
    if len(everyone) < 2:
        return (), 0
    if kind not in _JOBS or type(index) is not int or not 0 <= index < len(addresses[kind]):
        raise _wrong(f"says that this is {kind} {index}, which its cluster has not")
    return everyone, index + (len(addresses["chief"]) if kind == "worker" else 0)


def _wrong(what: str) -> StampError:
    return StampError(
        f"The environment variable TF_CONFIG must be like {_EXAMPLE}, but {what}; correct it, or unset it to train "
        "in one process."
    )
