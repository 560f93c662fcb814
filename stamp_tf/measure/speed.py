"""Measured seconds of inference and training steps (TensorFlow), networks taking turns so that ratios are fair."""

import math
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from stamp_tf.arguments import check_arguments
from stamp_tf.channels.graph import input_structure
from stamp_tf.errors import StampError
from stamp_tf.measure.timing import Timing
from stamp_tf.seeds import check_seed

INFERENCE = "inference"
TRAINING = "training"
_MIN_ROUNDS = 3
_NUM_WARM_UP = 2  # The first call traces, the second fills caches.
# The first call of a turn finds the caches full of another network; among so many of a quick one it hardly counts.
_MIN_TURN_SECONDS = 0.005
_MODEL = "model"
_BATCH_SIZE = 128
_BATCH_PIXELS = 128 * 112 * 112


@dataclass(frozen=True)
class Speed:
    """Timings of several networks on one device.

    Args:
        device: In words.
        num_threads: Threads that one operation may use on the processor.
        timings: One per network, kind and batch size.
    """

    device: str
    num_threads: int
    timings: tuple[Timing, ...]

    def seconds(self, model: str, kind: str, *, batch_size: int) -> float:
        """Return one median in seconds.

        Raises:
            KeyError: If that was not measured.
        """
        for timing in self.timings:
            if (timing.model, timing.kind, timing.batch_size) == (model, kind, batch_size):
                return timing.seconds
        raise KeyError((model, kind, batch_size))


def measure_latency(
    model: keras.Model,
    kind: Literal["inference", "training"] = "inference",
    *,
    batch_size: int = 1,
    repeats: int = 50,
    max_seconds: float = 2.0,
    seed: int = 0,
) -> Timing:
    """Time one network by itself.

    Two steps warm it up. Then rounds are timed, of one step or of several quick ones, until there are `repeats` of
    them, or `max_seconds` have passed and there are at least three. `describe_device` and `num_threads` say on what.

    Args:
        model: Any model whose inputs have fixed sizes, the batch left out.
        kind: `inference`, or `training`: forward, backward and SGD with momentum.
        batch_size: Images per step.
        repeats: Most rounds that are timed.
        max_seconds: No new round (after three) once this long has passed.
        seed: Seed of the random images and labels.

    Returns:
        Median and interquartile range; the network's weights are as before.

    Raises:
        StampError: If it is no model, the size of an input is open, or a number is below 1.

    Example:
        >>> timing = measure_latency(model, batch_size=8)
        >>> f"{1e3 * timing.seconds:.1f} ms, spread {1e3 * timing.spread:.1f} ms"
    """
    if not isinstance(model, keras.Model):
        raise StampError(
            f"`model` must be a keras.Model, but is of type {type(model).__name__}; load a file with "
            "keras.saving.load_model."
        )
    check_arguments(
        kind=(kind, str),
        batch_size=(batch_size, int),
        repeats=(repeats, int),
        max_seconds=(max_seconds, float),
        seed=(seed, int),
    )
    check_seed(seed)
    if kind not in (INFERENCE, TRAINING):
        raise StampError(f"`kind` must be inference or training, but got {kind}; inference is the default.")
    if batch_size < 1 or repeats < 1:
        raise StampError(
            f"batch_size and repeats must be at least 1, but got {batch_size} and {repeats}; raise them."
        )
    sizes: tuple[Sequence[int], Sequence[int]] = ((batch_size,), ())
    inference, training = sizes if kind == INFERENCE else sizes[::-1]
    measured = measure_speed(
        {_MODEL: model},
        batch_sizes=inference,
        training_batch_sizes=training,
        repeats=repeats,
        max_seconds=max_seconds,
        seed=seed,
    )
    return measured.timings[0]


def measure_speed(
    models: Mapping[str, keras.Model],
    *,
    batch_sizes: Sequence[int] = (1, 128),
    training_batch_sizes: Sequence[int] = (128,),
    repeats: int = 20,
    max_seconds: float = 4.0,
    seed: int = 0,
) -> Speed:
    """Time inference and training steps of several networks, alternating between them.

    A training step is forward, backward and SGD with momentum, compiled. Every network is warmed up first. In
    each round every network runs once, in turning order, so that a drifting machine meets all of them alike.
    Weights and statistics are put back afterwards.

    Args:
        models: Name to network, all of one image shape.
        batch_sizes: Batch sizes for inference.
        training_batch_sizes: Batch sizes for training steps.
        repeats: Rounds per batch size.
        max_seconds: No new round (after three) once one batch size has taken this long.
        seed: Seed of the random images and labels.

    Returns:
        Medians and interquartile ranges, with the device's name.

    Raises:
        StampError: If the size of an input, apart from the batch, is open.
    """
    timings: list[Timing] = []
    steps: dict[str, Callable[..., Any]] = {name: _inference_step(model) for name, model in models.items()}
    for batch_size in batch_sizes:
        batches: dict[str, tuple[Any, ...]] = {
            name: draw_batch(model, batch_size, seed=seed)[:1] for name, model in models.items()
        }
        timings += take_turns(
            steps, batches, kind=INFERENCE, batch_size=batch_size, repeats=repeats, max_seconds=max_seconds
        )
    saved = {name: model.get_weights() for name, model in models.items()}
    try:
        steps = {name: training_step(model) for name, model in models.items()} if training_batch_sizes else {}
        for batch_size in training_batch_sizes:
            batches = {name: draw_batch(model, batch_size, seed=seed) for name, model in models.items()}
            timings += take_turns(
                steps, batches, kind=TRAINING, batch_size=batch_size, repeats=repeats, max_seconds=max_seconds
            )
    finally:
        for name, model in models.items():
            model.set_weights(saved[name])
    return Speed(describe_device(), num_threads(), tuple(timings))


def large_batch(image_shape: Sequence[int]) -> int:
    """Return how many images a large batch is measured with: 128, and 32 at 224 pixels, as is usual there.

    Args:
        image_shape: Height, width and depth.
    """
    fitting = _BATCH_PIXELS // max(1, math.prod(image_shape[:-1]))
    return min(_BATCH_SIZE, 2 ** int(math.log2(max(1, fitting))))


def describe_device() -> str:
    """Return the device in words: the graphics card if there is one, else processor and number of cores."""
    cards = tf.config.list_physical_devices("GPU")
    if cards:
        name = tf.config.experimental.get_device_details(cards[0]).get("device_name", "GPU")
        return name if len(cards) == 1 else f"{len(cards)} x {name}"
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    limit = f", {threads} thread{'s' if threads > 1 else ''}" if threads else ""
    cores = _num_cores()
    return f"{_processor()}, {cores} core{'s' if cores > 1 else ''}{limit}"


def num_threads() -> int:
    """Return how many threads one operation may use on the processor."""
    return tf.config.threading.get_intra_op_parallelism_threads() or _num_cores()


def take_turns(
    steps: Mapping[str, Callable],
    batches: Mapping[str, tuple[Any, ...]],
    *,
    kind: str,
    batch_size: int,
    repeats: int,
    max_seconds: float,
) -> list[Timing]:
    """Time the steps of several networks, round by round; a quick step is called several times in its turn.

    Args:
        steps: Name to step.
        batches: Name to what its step is called with.
        kind: `inference` or `training`.
        batch_size: Images per step.
        repeats: Most rounds.
        max_seconds: No new round (after three) once this long has passed.

    Returns:
        The timing of each, in the order of `steps`.
    """
    for name, step in steps.items():
        for _ in range(_NUM_WARM_UP):
            _wait(step(*batches[name]))
    names = list(steps)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    started = time.perf_counter()
    for turn in range(repeats):
        if turn >= _MIN_ROUNDS and time.perf_counter() - started > max_seconds:
            break
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            seconds[name].append(_turn(steps[name], batches[name]))
    return [Timing.of_rounds(name, kind, batch_size=batch_size, seconds=seconds[name]) for name in names]


def _turn(step: Callable, batch: tuple[Any, ...]) -> float:
    """Return the seconds of a step: of one call, or the mean of as many as a short turn has room for."""
    calls, started = 0, time.perf_counter()
    while True:
        _wait(step(*batch))
        calls += 1
        if (seconds := time.perf_counter() - started) >= _MIN_TURN_SECONDS:
            return seconds / calls


def _wait(results: Any) -> None:
    """Fetch what a step returned, which waits for the device."""
    for tensor in keras.tree.flatten(results):
        tensor.numpy()


def _inference_step(model: keras.Model) -> Callable[[Any], Any]:
    signature = _per_input(model, lambda tensor: tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype))

    @tf.function(input_signature=[signature])
    def step(inputs: Any) -> Any:
        return model(inputs, training=False)

    return step


def training_step(model: keras.Model) -> Callable[[Any, tf.Tensor], tf.Tensor]:
    """Return a compiled step of SGD with momentum, from inputs and labels to the loss.

    Args:
        model: Its statistics move, its weights do not.
    """
    # A rate of zero costs what any rate costs, and random labels cannot drive the weights to infinity.
    optimizer = keras.optimizers.SGD(learning_rate=0.0, momentum=0.9)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(inputs: Any, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            outputs = keras.tree.flatten(model(inputs, training=True))
            loss = tf.add_n([_loss(tf.cast(output, tf.float32), labels) for output in outputs])
        variables = model.trainable_variables
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        # An output that takes no part in the loss leaves weights without a gradient.
        pairs = [pair for pair in zip(gradients, variables, strict=True) if pair[0] is not None]
        optimizer.apply(*zip(*pairs, strict=True))
        return loss

    return step


def _loss(output: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Return cross-entropy for logits `[B, classes]`, the mean square for any other output."""
    if output.shape.rank != 2:
        return tf.reduce_mean(tf.square(output))
    classes = labels % output.shape[-1]
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(classes, output))


def draw_batch(model: keras.Model, batch_size: int, *, seed: int) -> tuple[Any, tf.Tensor]:
    """Return random inputs, in the structure that the model takes, and labels `[B]`.

    Args:
        model: Whose inputs they are.
        batch_size: Images.
        seed: Of the random numbers.

    Raises:
        StampError: If the size of an input is open.
    """
    generator = np.random.default_rng(seed)

    def draw(tensor: keras.KerasTensor) -> tf.Tensor:
        shape = (batch_size, *tensor.shape[1:])
        if None in shape:
            raise StampError(
                f"A network that is timed must have inputs of fixed size, but {tensor.name} has the shape "
                f"{tensor.shape[1:]}; build it with sizes."
            )
        if not keras.backend.is_float_dtype(tensor.dtype):
            return tf.zeros(shape, tensor.dtype)
        return tf.cast(generator.standard_normal(shape, dtype=np.float32), tensor.dtype)

    inputs = _per_input(model, draw)
    labels = generator.integers(np.iinfo(np.int32).max, size=batch_size)
    return inputs, tf.constant(labels)


def _per_input(model: keras.Model, function: Callable[[keras.KerasTensor], Any]) -> Any:
    """Apply a function to every input, in the structure that the model takes."""
    return keras.tree.map_structure(function, input_structure(model))


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
