"""Compile a smaller model as the one that it was made from."""

import logging
from typing import Any

import keras

from stamp_tf.channels.twin import why

logger = logging.getLogger(__name__)


def compile_like(model: keras.Model, smaller: keras.Model) -> None:
    """Compile a model with the losses of another, and with a new optimizer and new metrics of its kinds.

    Nothing goes through Keras's registry, so that own functions and classes need not be registered. Where it
    cannot be done the smaller model is left as it is, which is logged.

    Args:
        model: A model that may be compiled; it is not changed.
        smaller: Its sliced twin, of the same outputs.
    """
    if not model.compiled:
        return
    try:
        if type(model).compile is not keras.Model.compile:
            raise TypeError("its class has a compile of its own")
        options = dict(model._compile_config.config)
        optimizer = model.optimizer
        # Keras wraps it where a loss has to be scaled, and does so again.
        inner = getattr(optimizer, "inner_optimizer", None)
        given = options["optimizer"]
        options["optimizer"] = _anew(inner if inner is not None and given is inner else optimizer)
        for name in ("metrics", "weighted_metrics"):
            options[name] = keras.tree.map_structure(
                lambda one: _anew_or_same(one) if isinstance(one, keras.Metric) else one, options[name]
            )
        smaller.compile(**options)
    # Losses, metrics and optimizers of somebody else's may raise anything.
    except Exception as error:
        smaller.compiled = False
        logger.warning(
            "The smaller model is not compiled, since the old one's compile failed: %s", why(error)
        )


def _anew(part: Any) -> Any:
    """Return an optimizer or metric of the same configuration, with nothing learnt."""
    return type(part).from_config(part.get_config())


def _anew_or_same(metric: keras.Metric) -> keras.Metric:
    """Return a new metric where its configuration says enough; else the same one."""
    try:
        return _anew(metric)
    except Exception as error:
        logger.info("Metric %s is shared with the old model: %s", metric.name, why(error))
        return metric
