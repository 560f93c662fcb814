"""Random functional graphs: what can stand side by side in a network does so here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from .random_layers import LayerMaker

Tensor = keras.KerasTensor


class GraphMaker(LayerMaker):
    """Draws one functional graph.

    Args:
        seed: The same one gives the same graph.
    """

    def model(self) -> keras.Model:
        """Return a graph of 1 or 2 inputs and 1 or 2 outputs, with lively weights."""
        inputs = [keras.Input((self.pick(6, 8), self.pick(6, 8), 3), name="image0")]
        if self.rng.random() < 0.3:
            inputs.append(keras.Input((*inputs[0].shape[1:3], 2), name="image1"))
        tensors: list[Tensor] = list(inputs)
        for _ in range(self.rng.integers(6, 13)):
            # The newest tensors most often, so that the graph is deep; what is never read again has no part in it.
            source = tensors[-1 - min(int(self.rng.geometric(0.6)) - 1, len(tensors) - 1)]
            tensors += self.step(source, tensors)
        ends = [self.vector(tensors[-1])]
        if self.rng.random() < 0.4:
            ends.append(self.vector(self.pick(*tensors[len(inputs) :])))
        outputs = [layers.Dense(2, name=self.name("end"))(self.hidden(end)) for end in ends]
        if self.rng.random() < 0.15:
            outputs.append(tensors[-1])
        used = [one for one in inputs if self._reaches(one, outputs)]
        return self.enliven(keras.Model(used, outputs if len(outputs) > 1 else outputs[0]))

    @staticmethod
    def _reaches(one: Tensor, outputs: list[Tensor]) -> bool:
        seen: set[int] = set()
        stack = list(outputs)
        while stack:
            tensor = stack.pop()
            if tensor is one:
                return True
            if id(tensor) not in seen:
                seen.add(id(tensor))
                stack += tensor._keras_history.operation._inbound_nodes[
                    tensor._keras_history.node_index
                ].input_tensors
        return False

    def enliven(self, model: keras.Model) -> keras.Model:
        """Draw every weight and statistic anew, none of them where training starts."""
        for weight in model.weights:
            shape, kind = tuple(weight.shape), weight.name
            if kind == "moving_variance":
                value = self.rng.uniform(0.3, 2, shape)
            elif kind in ("gamma", "alpha"):
                value = self.rng.uniform(0.4, 1.6, shape) * self.rng.choice([-1, 1], shape)
            elif len(shape) <= 1:
                value = self.rng.normal(0, 0.5, shape)
            else:
                value = self.rng.normal(0, np.sqrt(1.5 / np.prod(shape[:-1])), shape)
            weight.assign(value)
        return model

    def vector(self, x: Tensor) -> Tensor:
        """Bring a tensor to features `[B, F]`."""
        if len(x.shape) == 2:
            return x
        kinds = [layers.Flatten, lambda: ops.mean, lambda: ops.max]
        kind = self.pick(*kinds, self._global_pool(x))
        if kind is layers.Flatten:
            return layers.Flatten(name=self.name("flatten"))(x)
        made = kind()
        return made(x) if isinstance(made, layers.Layer) else made(x, axis=tuple(range(1, len(x.shape) - 1)))

    @staticmethod
    def _global_pool(x: Tensor) -> type[layers.Layer]:
        return layers.GlobalAveragePooling2D if len(x.shape) == 4 else layers.GlobalMaxPooling1D

    def hidden(self, x: Tensor) -> Tensor:
        """Put a dense layer before an end, most times."""
        if self.rng.random() < 0.3:
            return x
        return layers.Dense(
            int(self.rng.integers(3, 7)), activation=self.activation(), name=self.name("hidden")
        )(x)

    def step(self, x: Tensor, tensors: list[Tensor]) -> list[Tensor]:
        """Return what one random step makes of a tensor and those before it."""
        kinds = self.ANY
        if len(x.shape) == 4:
            kinds = (*self.ANY, *self.ON_IMAGES, *self.ON_IMAGES)
        made = getattr(self, self.pick(*kinds))(x, tensors)
        return made if isinstance(made, list) else [made]

    ANY = (
        "dense",
        "norm",
        "activate",
        "merge",
        "shared_call",
        "scalars",
        "split",
        "slice",
        "odd",
        "concatenate",
        "gate",
    )
    ON_IMAGES = (
        *(
            "conv",
            "conv",
            "conv",
            "conv_or_grouped",
            "depthwise",
            "separable",
            "transposed",
            "pool",
            "pad",
            "crop",
        ),
        *("residual", "shortcut", "reshape", "nested", "encoder", "upsample", "group_norm", "squeeze"),
    )

    def merge(self, x: Tensor, tensors: list[Tensor]) -> Tensor:
        """Merge with another tensor of the same shape, or with one that spreads over it."""
        others = [other for other in tensors if tuple(other.shape) == tuple(x.shape) and other is not x]
        other = self.pick(*others) if others else self.scalars(x, None)
        return self.pick(
            lambda a, b: a + b,
            lambda a, b: a * b,
            ops.maximum,
            lambda a, b: layers.Minimum()([a, b]),
            lambda a, b: a - ops.mean(b, axis=-1, keepdims=True) if self.rng.random() < 0.3 else a - b,
        )(x, other)

    def gate(self, x: Tensor, tensors: list[Tensor]) -> Tensor:
        """Multiply by one channel that is spread over all."""
        one = layers.Dense(1, activation="sigmoid", name=self.name("gate"))(x)
        return x * one if self.rng.random() < 0.4 else self.norm(x, tensors)

    def concatenate(self, x: Tensor, tensors: list[Tensor]) -> Tensor:
        """Put tensors side by side, along channels or positions."""
        others = [other for other in tensors if tuple(other.shape[:-1]) == tuple(x.shape[:-1])]
        other = self.pick(*others)
        if other.shape[-1] == x.shape[-1] and len(x.shape) > 2 and x.shape[1] < 8 and self.rng.random() < 0.3:
            return layers.Concatenate(axis=1)([x, other])
        if x.shape[-1] + other.shape[-1] > 24:
            return self.merge(x, tensors)
        return self.pick(layers.Concatenate(), lambda both: ops.concatenate(both, axis=-1))([x, other])

    def split(self, x: Tensor, _: Any) -> list[Tensor]:
        """Take channels apart; a part may never be read."""
        size = x.shape[-1]
        if size < 2:
            return [self.activate(x, None)]
        if size % 2 == 0 and self.rng.random() < 0.5:
            return list(ops.split(x, 2, axis=-1))
        return list(ops.split(x, [int(self.rng.integers(1, size))], axis=-1))

    def slice(self, x: Tensor, _: Any) -> Tensor:
        """Leave out channels on either side, or put zeros there."""
        size = x.shape[-1]
        start = int(self.rng.integers(0, size))
        stop = int(self.rng.integers(start + 1, size + 1))
        ends = [[0, 0]] * (len(x.shape) - 1) + [[int(self.rng.integers(0, 3)), 1]]
        return self.pick(
            lambda y: y[..., start:stop],
            lambda y: y[..., start - size :],
            lambda y: ops.concatenate([y, ops.zeros_like(y[..., start:stop])], axis=-1),
            lambda y: ops.pad(y, ends),
        )(x)

    def shortcut(self, x: Tensor, _: Any) -> Tensor:
        """Add a strided convolution to what it reads, with zeros for the channels that are new."""
        size, stride, new = x.shape[-1], self.pick(1, 2), [int(new) for new in self.rng.integers(0, 3, 2)]
        if min(x.shape[1:3]) < 2:
            return self.activate(x, None)
        passed = self.pick(lambda y: y[:, ::stride, ::stride], layers.AveragePooling2D(1, strides=stride))(x)
        zeros = (
            lambda y: ops.pad(y, [[0, 0], [0, 0], [0, 0], new], constant_values=self.pick(None, 0.5)),
            layers.ZeroPadding2D(((0, 0), new), data_format="channels_first"),
        )
        filters = size + sum(new)
        made = layers.Conv2D(filters, 3, strides=stride, padding="same", name=self.name("conv"))(x)
        return layers.Add()([made, self.pick(*zeros)(passed)])

    def odd(self, x: Tensor, _: Any) -> Tensor:
        """Do something that no rule covers."""
        if self.rng.random() < 0.6:
            return self.norm(x, None)
        row = self.rng.normal(size=x.shape[-1])
        return self.pick(
            lambda y: ops.flip(y, axis=-1),
            lambda y: ops.roll(y, 1, axis=-1),
            lambda y: y + ops.convert_to_tensor(row),
            lambda y: y[..., ::2],
            # Keras warns of a softmax over one value.
            lambda y: ops.softmax(y, axis=-1) if y.shape[-1] > 1 else ops.sigmoid(y),
        )(x)

    def shared_call(self, x: Tensor, _: Any) -> Tensor:
        """Call a layer or model that was called before, if one takes this shape; else make one for later."""
        shape = tuple(x.shape[1:])
        fitting = [call for known, call in self.shared if known == shape]
        if fitting:
            return self.pick(*fitting)(x)
        kind = self.pick("dense", "norm", "reshape", "sequential", "flatten")
        call: Callable[[Tensor], Tensor]
        if kind == "dense":
            call = layers.Dense(self.filters(), name=self.name("shared"))
        elif kind == "norm":
            call = layers.BatchNormalization(name=self.name("shared"))
        elif kind == "reshape" and len(shape) == 3:
            call = layers.Reshape((shape[1], shape[0], shape[2]), name=self.name("shared"))
        elif kind == "flatten" and len(shape) > 1:
            call = layers.Reshape((-1, shape[-1]), name=self.name("shared"))
        else:
            call = keras.Sequential([layers.ReLU(), layers.Activation("tanh")], name=self.name("shared"))
        self.shared.append((shape, call))
        return call(x)

    def nested(self, x: Tensor, _: Any) -> Tensor:
        """Call a functional or sequential model, sometimes twice."""
        if self.rng.random() < 0.3:
            stack = [
                layers.Conv2D(self.filters(), 3, padding="same", name=self.name("inner")),
                layers.BatchNormalization(name=self.name("inner_norm")),
                layers.ReLU(),
            ]
            model: keras.Model = keras.Sequential(stack, name=self.name("sequential"))
        else:
            inner = keras.Input(tuple(x.shape[1:]))
            model = keras.Model(inner, self.residual(inner, None), name=self.name("model"))
        self.shared.append((tuple(x.shape[1:]), model))
        return model(x)

    def encoder(self, x: Tensor, _: Any) -> list[Tensor]:
        """Call a model of two outputs; the second may never be read."""
        inner = keras.Input(tuple(x.shape[1:]))
        first = self.activate(self.conv(inner, same=True), None)
        second = self.norm(self.conv(first, same=True), None)
        outputs = keras.Model(inner, [first, second], name=self.name("encoder"))(x)
        return outputs if self.rng.random() < 0.5 else [outputs[self.rng.integers(2)]]
