"""Whole epochs compiled into one scan, images, augmentation and rates on the device (JAX).

What is trained is the library's: its losses, its cut, its optimizers as pure functions. Only the loop differs from
`stamp_tf.pretrain`: no step returns to the host, and images are gathered, cropped and mirrored where they lie.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np

from stamp_tf.channels import ChannelCut, mask_kernels
from stamp_tf.data import ImageSet, Normalization
from stamp_tf.training.budget_loss import budget_loss, plain_loss

PADDING = 4
STATISTICS_BATCHES = 20
_TEST_BATCH = 500


@dataclass(frozen=True, eq=False)
class DeviceSet:
    """Images that lie on the device.

    Args:
        images: uint8 `[n, H, W, D]`.
        labels: int32 `[n]`.
        mean: Of pixels in [0, 1], `[D]`.
        std: Likewise.
        flip: Whether training mirrors.
    """

    images: jax.Array
    labels: jax.Array
    mean: jax.Array
    std: jax.Array
    flip: bool = True

    @classmethod
    def of(cls, part: ImageSet, normalization: Normalization, *, flip: bool) -> DeviceSet:
        """Put a set on the device."""
        values = (jnp.asarray(value, "float32") for value in (normalization.mean, normalization.std))
        return cls(jnp.asarray(part.images), jnp.asarray(part.labels), *values, flip)

    def __len__(self) -> int:
        return len(self.images)

    def normalized(self, pixels: jax.Array) -> jax.Array:
        """Return uint8 pixels as the network takes them."""
        return (pixels.astype("float32") / 255 - self.mean) / self.std

    def augmented(self, positions: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return normalised, cropped and mirrored images `[b, H, W, D]`, and their labels."""
        pixels = self.images[positions]
        height, width = pixels.shape[1:3]
        keys = jax.random.split(key, 3)
        padded = jnp.pad(pixels, ((0, 0), (PADDING, PADDING), (PADDING, PADDING), (0, 0)), mode="reflect")
        top, left = (jax.random.randint(k, (len(pixels),), 0, 2 * PADDING + 1) for k in keys[:2])
        rows = top[:, None] + jnp.arange(height)
        columns = left[:, None] + jnp.arange(width)
        if self.flip:
            mirrored = jax.random.bernoulli(keys[2], 0.5, (len(pixels), 1))
            columns = jnp.where(mirrored, columns[:, ::-1], columns)
        index = jnp.arange(len(pixels))[:, None, None]
        return self.normalized(padded[index, rows[:, :, None], columns[:, None, :]]), self.labels[positions]


class State(NamedTuple):
    """All that training changes.

    Args:
        weights: Trainable values.
        statistics: Non-trainable values.
        slots: The optimizer's.
        scores: One per channel.
        score_slots: Their optimizer's.
    """

    weights: list[jax.Array]
    statistics: list[jax.Array]
    slots: list[jax.Array]
    scores: jax.Array
    score_slots: list[jax.Array]


Epoch = Callable[[State, jax.Array, jax.Array], tuple[State, dict[str, jax.Array]]]


class Trainer:
    """Compiles epochs of one network on one set.

    Args:
        model: The network, built under Keras's JAX backend.
        cut: Of its channels.
        images: What it is trained on.
        optimizer: Of the weights, built.
        score_optimizer: Of the scores, built.
        batch_size: Images per step.
        budgets: Smallest and largest fraction of FLOPs.
    """

    def __init__(
        self,
        model: keras.Model,
        cut: ChannelCut,
        images: DeviceSet,
        *,
        optimizer: keras.optimizers.Optimizer,
        score_optimizer: keras.optimizers.Optimizer,
        batch_size: int,
        budgets: tuple[float, float],
    ) -> None:
        self.model, self.cut, self.images = model, cut, images
        self.optimizer, self.score_optimizer = optimizer, score_optimizer
        self.batch_size, self.budgets = batch_size, budgets
        self.num_steps = len(images) // batch_size
        self.paths = [variable.path for variable in model.trainable_variables]

    def first_state(self, scores: Any) -> State:
        """Return the state of the model and the optimizers as they are.

        Args:
            scores: One per channel, `[C]`.
        """
        # Copies, because a compiled epoch gives its input away.
        return jax.tree.map(
            jnp.array,
            State(
                [v.value for v in self.model.trainable_variables],
                [v.value for v in self.model.non_trainable_variables],
                [v.value for v in self.optimizer.variables],
                jnp.asarray(scores, "float32"),
                [v.value for v in self.score_optimizer.variables],
            ),
        )

    def plain_epoch(self, *, masked: bool = False) -> Epoch:
        """Return `epoch(state, key, rates)`, which trains the full network, or a masked one.

        Args:
            masked: Whether the scores of the state are a 0/1 mask that holds. The masked network trains as the
                sliced one would, and all masks share one compiled epoch.
        """

        def loss(values: list[Any], state: State, x: Any, y: Any, _: Any) -> Any:
            weights = (
                mask_kernels(self.cut.channel_map, self.paths, weights=values, mask=state.scores)
                if masked
                else values
            )
            return plain_loss(self.model, weights, state.statistics, images=x, labels=y)

        return self._epoch(loss, with_scores=False)

    def budget_epoch(self) -> Epoch:
        """Return `epoch(state, key, rates)`, which trains the full and a masked network on each batch."""
        low, high = math.log(self.budgets[0]), math.log(self.budgets[1])

        def loss(values: list[Any], state: State, x: Any, y: Any, key: Any) -> Any:
            draw, noise = jax.random.split(key)
            flops = jnp.exp(jax.random.uniform(draw, minval=low, maxval=high))
            uniform = jax.random.uniform(noise, (self.cut.num_channels,))
            limits = jnp.stack([jnp.inf, flops]).astype("float32")
            return budget_loss(
                self.model,
                self.cut,
                weights=values[:-1],
                scores=values[-1],
                statistics=state.statistics,
                images=x,
                labels=y,
                limits=limits,
                uniform=uniform,
            )

        return self._epoch(loss, with_scores=True)

    def _epoch(self, loss: Callable[..., Any], *, with_scores: bool) -> Epoch:
        rate_at = _position(self.optimizer, "learning_rate")
        score_rate_at = _position(self.score_optimizer, "learning_rate")

        def step(state: State, inputs: tuple[Any, ...]) -> tuple[State, dict[str, Any]]:
            positions, key, rate = inputs
            crop, other = jax.random.split(key)
            x, y = self.images.augmented(positions, crop)
            values = [*state.weights, state.scores] if with_scores else state.weights
            (_, (statistics, figures)), gradients = jax.value_and_grad(loss, has_aux=True)(
                values, state, x, y, other
            )
            num_weights = len(state.weights)
            slots = [*state.slots]
            slots[rate_at] = rate
            weights, slots = self.optimizer.stateless_apply(slots, gradients[:num_weights], state.weights)
            scores, score_slots = state.scores, [*state.score_slots]
            if with_scores:
                score_slots[score_rate_at] = 0.4 * rate
                (scores,), score_slots = self.score_optimizer.stateless_apply(
                    score_slots, gradients[num_weights:], [scores]
                )
            return State(weights, statistics, slots, scores, score_slots), figures

        def epoch(state: State, key: jax.Array, rates: jax.Array) -> tuple[State, dict[str, jax.Array]]:
            order, keys = jax.random.split(key)
            positions = jax.random.permutation(order, len(self.images))[: self.num_steps * self.batch_size]
            positions = positions.reshape(self.num_steps, self.batch_size)
            steps = (positions, jax.random.split(keys, self.num_steps), rates)
            state, figures = jax.lax.scan(step, state, steps)
            return state, {name: values.mean() for name, values in figures.items()}

        return jax.jit(epoch, donate_argnums=0)

    def accuracy(self, test: DeviceSet) -> Callable[[State, jax.Array], jax.Array]:
        """Return `measure(state, mask)`: test accuracy of a masked network, its statistics measured afresh.

        Args:
            test: The test images.
        """
        momenta = {
            layer.momentum
            for layer in self.model.layers
            if isinstance(layer, keras.layers.BatchNormalization)
        }
        (momentum,) = momenta
        size = min(_TEST_BATCH, len(test))
        num_batches = len(test) // size
        recalibration = min(STATISTICS_BATCHES, self.num_steps)

        def measure(state: State, mask: jax.Array) -> jax.Array:
            weights = mask_kernels(self.cut.channel_map, self.paths, weights=state.weights, mask=mask)
            nothing = [jnp.zeros_like(value) for value in state.statistics]

            def add(sums: list[Any], inputs: tuple[Any, Any]) -> tuple[list[Any], None]:
                x, _ = self.images.augmented(*inputs)
                # From zero, a batch leaves (1 - momentum) of its own statistics.
                _, new = self.model.stateless_call(weights, nothing, x, training=True)
                return [a + b / (1 - momentum) / recalibration for a, b in zip(sums, new, strict=True)], None

            order = jax.random.permutation(jax.random.key(1), len(self.images))
            positions = order[: recalibration * self.batch_size].reshape(recalibration, -1)
            keys = jax.random.split(jax.random.key(2), recalibration)
            statistics, _ = jax.lax.scan(add, nothing, (positions, keys))

            def hits(index: jax.Array) -> jax.Array:
                chosen = index * size + jnp.arange(size)
                logits, _ = self.model.stateless_call(
                    weights, statistics, test.normalized(test.images[chosen]), training=False
                )
                # Logits that are not finite are never right, whatever argmax makes of them.
                finite = jnp.isfinite(logits).all(-1)
                return ((logits.argmax(-1) == test.labels[chosen]) & finite).sum()

            return jax.lax.map(hits, jnp.arange(num_batches)).sum() / (num_batches * size)

        return jax.jit(measure)

    def assign(self, state: State) -> None:
        """Give the model the weights and statistics of a state."""
        variables = [*self.model.trainable_variables, *self.model.non_trainable_variables]
        for variable, value in zip(variables, [*state.weights, *state.statistics], strict=True):
            variable.assign(jnp.array(value))


def compiled(function: Any, *arguments: Any) -> tuple[Callable[..., Any], float]:
    """Compile for these arguments and return the function with the seconds that took."""
    started = time.perf_counter()
    return function.lower(*arguments).compile(), time.perf_counter() - started


def cosine_rates(peak: float, num_steps: int, *, warmup: int) -> np.ndarray:
    """Return the rate of every step, float32 `[num_steps]`: the library's cosine."""
    from stamp_tf.schedules import cosine_rate

    rates = [cosine_rate(step, num_steps, peak=peak, num_warmup_steps=warmup) for step in range(num_steps)]
    return np.array(rates, "float32")


def _position(optimizer: keras.optimizers.Optimizer, name: str) -> int:
    """Return where a variable stands among an optimizer's."""
    names: Sequence[str] = [variable.name for variable in optimizer.variables]
    return names.index(name)
