"""Train a network by TensorFlow Model Optimization, so that zeros, shared values or 8 bits cost it little.

It needs the extra `tfmot`.
"""

from __future__ import annotations

import logging
import math
import warnings

import keras
import numpy as np
import tf_keras

from stamp_tf.backbones.end import put_back, split_end
from stamp_tf.channels.graph import flat_layers
from stamp_tf.compression.rebuild import local_name, rebuild, require_equal
from stamp_tf.compression.wrappers import Wrapped, wrap
from stamp_tf.data import Batches, DataSet, Normalization
from stamp_tf.data.sample import random_part
from stamp_tf.errors import DivergenceError, StampError
from stamp_tf.export.plain import twin_of
from stamp_tf.finite import require_finite, weight_values
from stamp_tf.losses import teacher_divergence
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.schedules import cosine_rate
from stamp_tf.training.finetune_epochs import training_batches

logger = logging.getLogger(__name__)

RATES = {"sparsity": 0.01, "clustering": 1e-4, "qat": 0.002}
"""Peaks of the rate: that of further training; less where little changes, or where a value stands for many weights."""
_MOMENTUM = 0.9
_CLIP_NORM = 1.0
# So many images are compared, and so many show the ranges of what flows through a network.
_COMPARED = 16
_SEEN = 128


def compress(
    model: keras.Model,
    dataset: DataSet,
    kind: str,
    *,
    normalization: Normalization,
    epochs: int,
    seed: int,
) -> keras.Model:
    """Return the network with weights that were trained to be compressed.

    The network is built anew in tf_keras, compared with the one given, and trained with the wrappers of TensorFlow
    Model Optimization to answer as the one given does (the divergence from its outputs is the loss, so that few images
    are enough and no label is learnt by heart), by SGD with momentum, statistics of batch normalisation frozen. The
    weights come back into a plain Keras 3 network, which every exporter writes.

    Args:
        model: From normalised images to logits, or to what stands behind them; it is not changed.
        dataset: Its training images.
        kind: `sparsity`, `clustering` or `qat`.
        normalization: Of the images.
        epochs: Passes over the training images, >= 1.
        seed: Of order and augmentation.

    Raises:
        StampError: If tf_keras or TensorFlow Model Optimization lack a layer, the rebuild computes something else, or
            training diverges.

    Source:
        Zhu & Gupta 2017 (zeros by magnitude); Han et al. 2016 (shared values); Jacob et al. 2018 (simulated
        quantisation); Hinton et al. 2015 (the loss). STAMP-TF's own: what is trained has been pruned before.
    """
    logits, end = split_end(twin_of(model))
    batches = training_batches(dataset, FinetuneConfig(seed=seed), normalization)
    num_steps = epochs * len(batches)
    with warnings.catch_warnings():
        # They are about the code of those packages.
        warnings.simplefilter("ignore")
        rebuilt = rebuild(logits)
        images = normalization(random_part(dataset.train, _SEEN, seed=seed).images)
        apart = require_equal(logits, rebuilt, images[:_COMPARED])
        logger.info("The network in tf_keras gives the same outputs, to %.1g of their norm.", apart)
        names = {layer.name: [local_name(weight) for weight in layer.weights] for layer in rebuilt.layers}
        try:
            wrapped = wrap(rebuilt, kind, images=images, num_steps=num_steps)
        except (ValueError, RuntimeError) as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise StampError(
                f"`compress={kind}` needs layers that TensorFlow Model Optimization knows, but it answers '{reason}'; "
                "replace that layer in your model, or leave `compress` out."
            ) from error
        wrapped.model.compile(
            tf_keras.optimizers.SGD(RATES[kind], momentum=_MOMENTUM, nesterov=True, clipnorm=_CLIP_NORM),
            loss=lambda wanted, outputs: teacher_divergence(outputs, wanted, temperature=1.0, end=end),
        )
        _train(wrapped, batches, logits, kind=kind, epochs=epochs)
        _carry_back(wrapped, logits, names)
    require_finite(
        weight_values(logits), subject=f"Weights after {kind}", remedy="prune with fewer `compress_epochs`"
    )
    return put_back(logits, end)


def _train(wrapped: Wrapped, batches: Batches, teacher: keras.Model, *, kind: str, epochs: int) -> None:
    model, num_steps = wrapped.model, epochs * len(batches)
    for callback in wrapped.callbacks:
        callback.set_model(model)
        callback.on_train_begin()
    for epoch in range(epochs):
        losses = []
        for index, (images, _) in enumerate(batches.epoch(epoch)):
            step = epoch * len(batches) + index
            model.optimizer.learning_rate = cosine_rate(step, num_steps, peak=RATES[kind])
            for callback in wrapped.callbacks:
                callback.on_train_batch_begin(step)
            losses.append(model.train_on_batch(images, teacher.predict_on_batch(images)))
        for callback in wrapped.callbacks:
            callback.on_epoch_end(epoch)
        logger.info("%s: epoch %d of %d, loss %.3g.", kind, epoch + 1, epochs, float(np.mean(losses)))
    # No further from the given network than this are answers that tell no class from another.
    most = math.log(max(2, model.output_shape[-1]))
    if not np.mean(losses) < most:
        raise DivergenceError(
            f"`compress={kind}` must keep what the network answers, but its loss came to {np.mean(losses):.3g}, above "
            f"the {most:.3g} of a network that answers nothing; leave `compress` out."
        )


def _carry_back(wrapped: Wrapped, model: keras.Model, names: dict[str, list[str]]) -> None:
    """Give the network of Keras 3 the weights that were trained."""
    trained = wrapped.layers()
    for layer in flat_layers(model):
        if isinstance(layer, keras.Model) or not layer.weights:
            continue
        values = {local_name(weight): weight for weight in trained[layer.name].weights}
        layer.set_weights([np.asarray(values[name]) for name in names[layer.name]])
