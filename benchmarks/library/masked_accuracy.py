"""Test accuracy of a masked network without any gradient step, in about a second a mask."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from library.features import Features
from stamp_tf.backend import compile_step
from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import mask_kernels
from stamp_tf.data import ImageSet, Normalization
from stamp_tf.references.reference import Reference
from stamp_tf.tensor import Tensor
from stamp_tf.training.ridge_head import ridge_head


@dataclass(frozen=True)
class ClosedForm:
    """What a masked network needs to classify a target.

    Args:
        kernel: Of the head, float32 `[F, classes]`; zero for features that are gone.
        bias: Of the head, float32 `[classes]`.
        statistics: Values of the network's statistics.
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
        self._features = Features(model, reference.channel_map)
        self._paths = [variable.path for variable in model.trainable_variables]
        self._momentum = {
            variable.path: layer.momentum
            for layer in model.layers
            if isinstance(layer, keras.layers.BatchNormalization)
            for variable in layer.non_trainable_variables
        }
        self._learn = compile_step(self._training_features, ())
        self._look = compile_step(self._test_features, ())

    def fit(self, mask: ChannelMask, train: ImageSet, *, normalization: Normalization) -> ClosedForm:
        """Recalibrate statistics on all training images at once and fit the head by ridge regression.

        Args:
            mask: Which channels stay, `[C]`.
            train: The target's training images; they go through the network in one batch.
            normalization: Of the target.
        """
        images = normalization(train.images)
        features, statistics = self._learn(mask.values, images)
        kept = ops.convert_to_numpy(self._features.keep(ops.convert_to_tensor(mask.values))) > 0
        features = ops.convert_to_numpy(features)
        kernel = np.zeros((features.shape[1], train.num_classes), "float32")
        kernel[kept], bias = ridge_head(features[:, kept], train.labels, num_classes=train.num_classes)
        return ClosedForm(kernel, bias, statistics)

    def __call__(
        self, mask: ChannelMask, train: ImageSet, test: ImageSet, *, normalization: Normalization
    ) -> float:
        """Return the test accuracy in [0, 1] under a mask.

        Args:
            mask: Which channels stay, `[C]`.
            train: The target's training images, few enough for one batch.
            test: Its test images, few enough for one batch.
            normalization: Of the target.
        """
        fitted = self.fit(mask, train, normalization=normalization)
        features = self._look(mask.values, normalization(test.images), fitted.statistics)
        logits = ops.convert_to_numpy(features) @ fitted.kernel + fitted.bias
        return float((logits.argmax(1) == test.labels).mean())

    def _masked(self, mask: Tensor) -> list[Tensor]:
        """Return the network's weights under a mask."""
        weights = [variable.value for variable in self.reference.model.trainable_variables]
        return mask_kernels(self.reference.channel_map, self._paths, weights=weights, mask=mask)

    def _training_features(self, mask: Tensor, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return features under the batch's own statistics, and these statistics."""
        variables = self.reference.model.non_trainable_variables
        old = [variable.value for variable in variables]
        features, new = self._features(self._masked(mask), old, images, training=True)
        # new = momentum old + (1 - momentum) batch, solved for the batch.
        statistics = [
            (after - self._momentum[variable.path] * before) / (1 - self._momentum[variable.path])
            if variable.path in self._momentum
            else after
            for variable, before, after in zip(variables, old, new, strict=True)
        ]
        return features, statistics

    def _test_features(self, mask: Tensor, images: Tensor, statistics: list[Tensor]) -> Tensor:
        return self._features(self._masked(mask), statistics, images, training=False)[0]
