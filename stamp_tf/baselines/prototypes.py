"""What a network sees in the classes of a data set: a mean of features for each."""

from __future__ import annotations

import keras
import numpy as np

from stamp_tf.channels.graph import maker
from stamp_tf.data import Batches, DataSet, Normalization, random_part

_BATCH_SIZE = 500
_IMAGES_PER_CLASS = 32


def prototypes_of(model: keras.Model, dataset: DataSet, *, normalization: Normalization) -> np.ndarray:
    """Return the mean of what the last layer reads, for each class that has images, `[classes, F]`.

    Args:
        model: The network, as it was before anything was trained on a target.
        dataset: The target; some 32 training images of a class are seen.
        normalization: Of its images.

    Source:
        Snell, Swersky & Zemel 2017, Prototypical Networks for Few-shot Learning.
    """
    part = random_part(dataset.train, _IMAGES_PER_CLASS * dataset.num_classes, seed=0)
    extractor = keras.Model(model.input, maker(model.outputs[0]).input)
    batches = Batches(part, _BATCH_SIZE, normalization=normalization, seed=0, augment=False, shuffle=False)
    features = np.concatenate([extractor.predict_on_batch(x) for x, _ in batches.epoch(0)])
    features = features.reshape(len(features), -1, features.shape[-1]).mean(axis=1)
    return np.stack([features[part.labels == label].mean(axis=0) for label in np.unique(part.labels)])
