"""Test accuracy of a masked network without any gradient step, in about a second a mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from stamp_tf.channels import mask_kernels
from stamp_tf.data import DataSet, Normalization
from stamp_tf.meta.backend import compile_step
from stamp_tf.meta.reference import Reference
from stamp_tf.training.head import head_layer, ridge_head

Tensor = Any


@dataclass(frozen=True)
class ClosedForm:
    """What a masked network needs to classify a target.

    Args:
        kernel: Of the head, float32 `[F, classes]`; zero for features that are gone.
        bias: Of the head, float32 `[classes]`.
        statistics: Values of the feature extractor's statistics.
    """

    kernel: np.ndarray
    bias: np.ndarray
    statistics: list[Tensor]


class MaskedAccuracy:
    """Judges masks of one reference on many targets.

    Slicing builds a network anew for every mask, which takes longer than everything else on a small target.
    A masked network answers the same (see `mask_kernels`) and is compiled once.

    Args:
        reference: The network to mask.
    """

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        model = reference.model
        head = head_layer(model)
        self._features = keras.Model(model.inputs, head.input)
        self._paths = [variable.path for variable in model.trainable_variables]
        self._norms = [
            layer for layer in self._features.layers if isinstance(layer, keras.layers.BatchNormalization)
        ]
        self._head_channels = next(
            axis.channels
            for axis in reference.channel_map.weight_axes
            if axis.path == head.kernel.path and axis.role == "consumer"
        )
        self._learn = compile_step(self._training_features, ())
        self._look = compile_step(self._test_features, ())

    def fit(self, mask: np.ndarray, dataset: DataSet, *, normalization: Normalization) -> ClosedForm:
        """Recalibrate statistics on all training images at once and fit the head by ridge regression.

        Args:
            mask: 0/1 per channel, `[C]`.
            dataset: The target; its training images go through the network in one batch.
            normalization: Of the target.
        """
        images = normalization(dataset.train.images)
        features, statistics = self._learn(mask.astype("float32"), images)
        kept = np.append(mask > 0, True)[self._head_channels]
        features = ops.convert_to_numpy(features)
        kernel = np.zeros((features.shape[1], dataset.num_classes), "float32")
        kernel[kept], bias = ridge_head(
            features[:, kept], dataset.train.labels, num_classes=dataset.num_classes
        )
        return ClosedForm(kernel, bias, statistics)

    def __call__(self, mask: np.ndarray, dataset: DataSet, *, normalization: Normalization) -> float:
        """Return the test accuracy in [0, 1] under a mask.

        Args:
            mask: 0/1 per channel, `[C]`.
            dataset: The target, small enough for one batch.
            normalization: Of the target.
        """
        fitted = self.fit(mask, dataset, normalization=normalization)
        features = self._look(mask.astype("float32"), normalization(dataset.test.images), fitted.statistics)
        logits = ops.convert_to_numpy(features) @ fitted.kernel + fitted.bias
        return float((logits.argmax(1) == dataset.test.labels).mean())

    def _masked(self, mask: Tensor) -> list[Tensor]:
        """Return the feature extractor's weights under a mask."""
        weights = [variable.value for variable in self.reference.model.trainable_variables]
        masked = mask_kernels(self.reference.channel_map, self._paths, weights, mask)
        by_path = dict(zip(self._paths, masked, strict=True))
        return [by_path[variable.path] for variable in self._features.trainable_variables]

    def _training_features(self, mask: Tensor, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return features under the batch's own statistics, and these statistics."""
        old = [variable.value for variable in self._features.non_trainable_variables]
        features, new = self._features.stateless_call(self._masked(mask), old, images, training=True)
        momentum = {
            variable.path: layer.momentum
            for layer in self._norms
            for variable in layer.non_trainable_variables
        }
        # new = momentum old + (1 - momentum) batch, solved for the batch.
        statistics = [
            (after - momentum[variable.path] * before) / (1 - momentum[variable.path])
            if variable.path in momentum
            else after
            for variable, before, after in zip(self._features.non_trainable_variables, old, new, strict=True)
        ]
        return features, statistics

    def _test_features(self, mask: Tensor, images: Tensor, statistics: list[Tensor]) -> Tensor:
        return self._features.stateless_call(self._masked(mask), statistics, images, training=False)[0]
