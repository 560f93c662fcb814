"""Measured seconds of inference and training steps (TensorFlow), networks taking turns so that ratios are fair."""

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import keras
import numpy as np
import tensorflow as tf

from stamp_tf.export.report import SpeedRow

INFERENCE = "inference"
TRAINING = "training"
_MIN_ROUNDS = 3


@dataclass(frozen=True)
class Timing:
    """Median seconds of one step of one network."""

    model: str
    kind: str
    batch_size: int
    seconds: float
    num_rounds: int


@dataclass(frozen=True)
class Speed:
    """Timings of several networks on one device."""

    device: str
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

    def rows(self, full: str, pruned: str) -> tuple[SpeedRow, ...]:
        """Set two networks side by side, as the report wants them."""
        cells = [(timing.kind, timing.batch_size) for timing in self.timings if timing.model == full]
        return tuple(
            SpeedRow(
                kind,
                batch_size,
                self.seconds(full, kind, batch_size=batch_size),
                self.seconds(pruned, kind, batch_size=batch_size),
            )
            for kind, batch_size in cells
        )


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
        models: Name to network, from images [B, H, W, D] to logits [B, classes], all of one image shape.
        batch_sizes: Batch sizes for inference.
        training_batch_sizes: Batch sizes for training steps.
        repeats: Rounds per batch size.
        max_seconds: No new round (after three) once one batch size has taken this long.
        seed: Seed of the random images and labels.

    Returns:
        The medians, with the device's name.
    """
    timings: list[Timing] = []
    steps: dict[str, Callable[..., tf.Tensor]] = {
        name: _inference_step(model) for name, model in models.items()
    }
    for batch_size in batch_sizes:
        batches: dict[str, tuple[tf.Tensor, ...]] = {
            name: _batch(model, batch_size, seed=seed)[:1] for name, model in models.items()
        }
        timings += _take_turns(
            steps, batches, INFERENCE, batch_size, repeats=repeats, max_seconds=max_seconds
        )
    saved = {name: model.get_weights() for name, model in models.items()}
    try:
        steps = (
            {name: _training_step(model) for name, model in models.items()} if training_batch_sizes else {}
        )
        for batch_size in training_batch_sizes:
            batches = {name: _batch(model, batch_size, seed=seed) for name, model in models.items()}
            timings += _take_turns(
                steps, batches, TRAINING, batch_size, repeats=repeats, max_seconds=max_seconds
            )
    finally:
        for name, model in models.items():
            model.set_weights(saved[name])
    return Speed(describe_device(), tuple(timings))


def describe_device() -> str:
    """Return the device in words: the graphics card if there is one, else processor and number of cores."""
    cards = tf.config.list_physical_devices("GPU")
    if cards:
        name = tf.config.experimental.get_device_details(cards[0]).get("device_name", "GPU")
        return name if len(cards) == 1 else f"{len(cards)} x {name}"
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    limit = f", {threads} thread{'s' if threads > 1 else ''}" if threads else ""
    return f"{_processor()}, {_num_cores()} cores{limit}"


def _take_turns(
    steps: Mapping[str, Callable],
    batches: Mapping[str, tuple[tf.Tensor, ...]],
    kind: str,
    batch_size: int,
    *,
    repeats: int,
    max_seconds: float,
) -> list[Timing]:
    for name, step in steps.items():
        for _ in range(2):  # the first call traces, the second fills caches
            step(*batches[name]).numpy()
    names = list(steps)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    started = time.perf_counter()
    for turn in range(repeats):
        if turn >= _MIN_ROUNDS and time.perf_counter() - started > max_seconds:
            break
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            before = time.perf_counter()
            steps[name](*batches[name]).numpy()  # fetching the result waits for the device
            seconds[name].append(time.perf_counter() - before)
    return [Timing(name, kind, batch_size, median(seconds[name]), len(seconds[name])) for name in names]


def _inference_step(model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    @tf.function(input_signature=[tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)])
    def step(images: tf.Tensor) -> tf.Tensor:
        return model(images, training=False)

    return step


def _training_step(model: keras.Model) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    # A rate of zero costs what any rate costs, and random labels cannot drive the weights to infinity.
    optimizer = keras.optimizers.SGD(learning_rate=0.0, momentum=0.9)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = tf.cast(model(images, training=True), tf.float32)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        variables = model.trainable_variables
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        optimizer.apply(gradients, variables)
        return loss

    return step


def _batch(model: keras.Model, batch_size: int, *, seed: int) -> tuple[tf.Tensor, tf.Tensor]:
    generator = np.random.default_rng(seed)
    images = generator.standard_normal((batch_size, *model.input_shape[1:]), dtype=np.float32)
    labels = generator.integers(model.output_shape[-1], size=batch_size)
    return tf.constant(images), tf.constant(labels)


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
