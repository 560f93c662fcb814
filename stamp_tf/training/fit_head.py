"""A network's last layer, fitted to its features of training images."""

from __future__ import annotations

import keras
import numpy as np

from stamp_tf.backbones.head import head_layer
from stamp_tf.data import Batches, ImageSet, Normalization, StreamedSet, random_part
from stamp_tf.ends import LOGITS, End
from stamp_tf.errors import StampError
from stamp_tf.training.logistic_head import logistic_head
from stamp_tf.training.ridge_head import ridge_head

MAX_IMAGES = 10_000
_BATCH_SIZE = 500
# Of the mean square of a feature; keeps the stand-in of a bias from what only the training images have.
_BIAS_RIDGE = 1e-3


def usual_head(end: End) -> str:
    """Return by which method a head is fitted where nobody says.

    Logistic regression has the lower error, but is written for classes that exclude each other alone.

    Args:
        end: What stands behind the logits.
    """
    return "ridge" if end.is_per_class else "logistic"


def fit_head(
    model: keras.Model,
    images: ImageSet | StreamedSet,
    *,
    normalization: Normalization,
    end: End = LOGITS,
    method: str | None = None,
) -> None:
    """Set a network's last layer to what tells the classes apart by its features.

    What a method leaves open, the scale of the logits among it, is chosen by images that are left out, so that
    fine-tuning starts from calibrated probabilities. The network takes no gradient step. Of a layer without a bias the
    kernel stands in for it as well as features can.

    Args:
        model: The network; its last dense layer is overwritten.
        images: The training images; of more than 10,000 a fixed random part is used.
        normalization: Of those images.
        end: What stands behind the logits.
        method: `logistic` or `ridge` regression; None is `usual_head`.

    Raises:
        StampError: If the network does not end in a dense layer, or its features are not finite.
    """
    layer = head_layer(model)
    part = random_part(images, MAX_IMAGES, seed=0)
    extractor = keras.Model(model.input, layer.input)
    batches = Batches(part, _BATCH_SIZE, normalization=normalization, seed=0, augment=False, shuffle=False)
    features = np.concatenate([extractor.predict_on_batch(x) for x, _ in batches.epoch(0)])
    if bad := int((~np.isfinite(features).all(axis=1)).sum()):
        raise StampError(
            f"A head needs finite features, but {model.name} gives NaN or infinity for {bad} of {len(features)} "
            "training images; use `head=random`, or weights from before training diverged."
        )
    num_classes = end.num_classes(layer.units)
    if (method or usual_head(end)) == "logistic":
        weights = logistic_head(features, part.labels, num_classes=num_classes, is_binary=end.is_binary)
    else:
        weights = ridge_head(features, part.labels, num_classes=num_classes, end=end)
    if layer.use_bias:
        layer.bias.assign(weights[1])
        layer.kernel.assign(weights[0])
    else:
        layer.kernel.assign(
            _with_bias(*weights, features=features, is_softmax=not (end.is_binary or end.is_per_class))
        )


def _with_bias(kernel: np.ndarray, bias: np.ndarray, *, features: np.ndarray, is_softmax: bool) -> np.ndarray:
    """Return a kernel that gives on features about what another one gives together with a bias.

    Args:
        kernel: `[F, classes]`.
        bias: `[classes]`.
        features: `[n, F]`.
        is_softmax: Whether logits count up to what all have in common.
    """
    x = features.astype("float64")
    if is_softmax:
        bias = bias - bias.mean()
    squares = x.T @ x / len(x)
    ridge = _BIAS_RIDGE * np.trace(squares) / len(squares) + np.finfo("float64").tiny
    # The direction along which every image has about 1.
    one = np.linalg.solve(squares + ridge * np.eye(len(squares)), x.mean(0))
    return kernel + np.outer(one, bias)
