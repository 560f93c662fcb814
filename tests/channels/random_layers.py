"""Random layers on a tensor, each with options drawn anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

Tensor = keras.KerasTensor


class LayerMaker:
    """Draws one layer at a time.

    Args:
        seed: The same one gives the same layers.
    """

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.shared: list[tuple[tuple[int, ...], Callable[[Tensor], Tensor]]] = []
        self.count = 0

    def name(self, kind: str) -> str:
        """Return a name that is used once."""
        self.count += 1
        return f"{kind}{self.count}"

    def pick(self, *options: Any) -> Any:
        """Return one of some values."""
        return options[self.rng.integers(len(options))]

    def activation(self) -> Any:
        """Return an activation of a kernel layer."""
        return self.pick(
            None, "relu", "tanh", "gelu", "sigmoid", "softmax" if self.rng.random() < 0.1 else None
        )

    def filters(self) -> int:
        """Return a small number of channels."""
        return int(self.rng.integers(2, 8))

    def conv(self, x: Tensor, _: Any = None, *, filters: int | None = None, same: bool = False) -> Tensor:
        """Convolve, strided or dilated or neither."""
        strides, dilation = self.pick((1, 1), (1, 1), (2, 1), (1, 2)) if not same else (1, 1)
        return layers.Conv2D(
            filters or self.filters(),
            self.pick(1, 3),
            strides=strides,
            dilation_rate=dilation,
            padding="same" if same or min(x.shape[1:3]) < 5 else self.pick("same", "valid"),
            activation=None if same else self.activation(),
            use_bias=bool(self.rng.random() < 0.7),
            name=self.name("conv"),
        )(x)

    def conv_or_grouped(self, x: Tensor, _: Any) -> Tensor:
        """Convolve, now and then in groups, for which a processor compiles every time."""
        return self.grouped(x, _) if self.rng.random() < 0.25 else self.conv(x)

    def grouped(self, x: Tensor, _: Any) -> Tensor:
        """Convolve in groups."""
        groups = self.pick(2, 3)
        x = self.conv(x, filters=groups * self.pick(1, 2), same=True)
        filters = groups * self.pick(1, 2, 3)
        return layers.Conv2D(filters, 3, padding="same", groups=groups, name=self.name("grouped"))(x)

    def depthwise(self, x: Tensor, _: Any) -> Tensor:
        """Filter every channel on its own."""
        return layers.DepthwiseConv2D(
            self.pick(1, 3), padding="same", depth_multiplier=self.pick(1, 1, 2), name=self.name("depthwise")
        )(x)

    def separable(self, x: Tensor, _: Any) -> Tensor:
        """Filter, then mix."""
        return layers.SeparableConv2D(
            self.filters(), 3, padding="same", depth_multiplier=self.pick(1, 2), name=self.name("separable")
        )(x)

    def transposed(self, x: Tensor, _: Any) -> Tensor:
        """Convolve the other way."""
        if max(x.shape[1:3]) > 8:
            return self.pool(x, None)
        return layers.Conv2DTranspose(
            self.filters(),
            self.pick(2, 3),
            strides=self.pick(1, 2),
            padding="same",
            name=self.name("transposed"),
        )(x)

    def pool(self, x: Tensor, _: Any) -> Tensor:
        """Pool, by a layer or an operation."""
        if min(x.shape[1:3]) < 2:
            return self.activate(x, None)
        kind = self.pick(layers.MaxPooling2D, layers.AveragePooling2D, ops.max_pool, ops.average_pool)
        if isinstance(kind, type):
            return kind(2, padding="same", strides=self.pick(1, 2))(x)
        return kind(x, 2, strides=self.pick(1, 2), padding="same")

    def pad(self, x: Tensor, _: Any) -> Tensor:
        """Pad positions."""
        if max(x.shape[1:3]) > 9:
            return self.crop(x, None)
        return self.pick(layers.ZeroPadding2D(1), lambda y: ops.pad(y, [[0, 0], [1, 0], [0, 2], [0, 0]]))(x)

    def crop(self, x: Tensor, _: Any) -> Tensor:
        """Cut positions off."""
        if min(x.shape[1:3]) < 4:
            return self.activate(x, None)
        return self.pick(layers.Cropping2D(1), lambda y: y[:, 1:, :-1], lambda y: y[:, ::2])(x)

    def upsample(self, x: Tensor, _: Any) -> Tensor:
        """Repeat positions."""
        return layers.UpSampling2D(2)(x) if max(x.shape[1:3]) < 5 else self.norm(x, None)

    def residual(self, x: Tensor, _: Any) -> Tensor:
        """Add one or two convolutions to a tensor."""
        branch = self.norm(self.conv(x, same=True), None)
        branch = self.conv(self.activate(branch, None), filters=x.shape[-1], same=True)
        return self.pick(layers.Add(), layers.Subtract(), layers.Average())([x, branch])

    def reshape(self, x: Tensor, _: Any) -> Tensor:
        """Bring positions into a row, into another shape, or channels elsewhere."""
        height, width, channels = x.shape[1:]
        target = self.pick(
            (height * width, channels), (-1, channels), (width, height, channels), (-1, 1, channels)
        )
        if self.rng.random() < 0.2 and channels % 2 == 0:
            target = (height * width * 2, channels // 2)
        if self.rng.random() < 0.4:
            return ops.reshape(x, (-1, *[size if size != -1 else height * width for size in target]))
        return layers.Reshape(target)(x)

    def group_norm(self, x: Tensor, _: Any) -> Tensor:
        """Normalise groups."""
        x = self.conv(x, filters=self.pick(4, 6), same=True)
        return layers.GroupNormalization(self.pick(1, 2), name=self.name("group_norm"))(x)

    def squeeze(self, x: Tensor, _: Any) -> Tensor:
        """Gate channels by what all positions say."""
        gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
        gate = layers.Dense(self.pick(2, 3), activation="relu", name=self.name("squeeze"))(gate)
        gate = layers.Dense(x.shape[-1], activation="sigmoid", name=self.name("excite"))(gate)
        return self.pick(layers.Multiply(), lambda two: two[0] * two[1])([x, gate])

    def dense(self, x: Tensor, _: Any) -> Tensor:
        """Mix the last axis."""
        return layers.Dense(self.filters(), activation=self.activation(), name=self.name("dense"))(x)

    def norm(self, x: Tensor, _: Any) -> Tensor:
        """Normalise by statistics, or over all channels now and then."""
        if self.rng.random() < 0.1:
            return layers.LayerNormalization(name=self.name("layer_norm"))(x)
        options = {"scale": bool(self.rng.random() < 0.8), "center": bool(self.rng.random() < 0.8)}
        return layers.BatchNormalization(name=self.name("norm"), **options)(x)

    def activate(self, x: Tensor, _: Any) -> Tensor:
        """Apply a function to every number."""
        shared_axes = list(range(1, len(x.shape) - 1)) or None
        return self.pick(
            layers.ReLU(),
            layers.LeakyReLU(0.3),
            layers.Activation("swish"),
            layers.PReLU(shared_axes=shared_axes, name=self.name("prelu")),
            layers.Dropout(0.5),
            ops.tanh,
            ops.softplus,
            lambda y: ops.clip(y, -1.0, 2.0),
        )(x)

    def scalars(self, x: Tensor, _: Any) -> Tensor:
        """Compute with numbers on either side."""
        return self.pick(
            lambda y: 1.5 - y,
            lambda y: y / 2.0,
            lambda y: 2.0 * y + 0.5,
            lambda y: 1.0 / (2.0 + y * y),
            lambda y: ops.add(x2=y, x1=0.25),
            lambda y: ops.abs(y) ** 1.5,
        )(x)
