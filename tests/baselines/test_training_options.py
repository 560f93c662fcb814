"""Methods that train by themselves go by the options of fine-tuning that are about the loss and the arithmetic."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from stamp_tf.data import DataSet
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.pruning.prune import prune
from stamp_tf.references.reference import Reference
from stamp_tf.training.class_weights import class_weights


@pytest.mark.parametrize(("method", "module"), [("edge-popup", "edge_popup"), ("bbdropout", "bbdropout")])
def test_class_weights_and_bfloat16_reach_the_step(
    small: Reference, shades: DataSet, monkeypatch: pytest.MonkeyPatch, method: str, module: str
) -> None:
    seen: list[Any] = []
    module = __import__(f"stamp_tf.baselines.{module}", fromlist=["_"])
    of_loss, half = module.classification_loss, module.in_bfloat16

    def loss(logits: Any, labels: Any, end: Any, *, weights: Any) -> Any:
        seen.append(weights)
        return of_loss(logits, labels, end, weights=weights)

    def in_bfloat16(model: keras.Model) -> keras.Model:
        twin = half(model)
        seen.append({layer.compute_dtype for layer in twin.layers})
        return twin

    monkeypatch.setattr(module, "classification_loss", loss)
    monkeypatch.setattr(module, "in_bfloat16", in_bfloat16)
    config = FinetuneConfig(
        epochs=1, batch_size=12, class_weights="balanced", mixed_precision=True, evaluate=False
    )
    prune(shades, small, method=method, keep_params=0.5, finetune=config)
    assert seen[0] == {"bfloat16", "float32"}
    np.testing.assert_array_equal(seen[1], class_weights(shades, config))


@pytest.mark.parametrize(
    ("method", "options"),
    [("edge-popup", {"keep_params": 0.5}), ("stamp-structure", {"max_flops": 0.5, "val_split": 0.25})],
)
def test_a_network_that_nothing_was_learnt_in_is_told_once(
    small: Reference, shades: DataSet, caplog: pytest.LogCaptureFixture, method: str, options: dict[str, Any]
) -> None:
    """Where fine-tuning itself looks at no test image, or there is none."""
    limits = {name: value for name, value in options.items() if name != "val_split"}
    config = FinetuneConfig(epochs=1, learning_rate=1e-9, val_split=options.get("val_split"))
    prune(shades, small, method=method, finetune=config, **limits)
    assert len([words for words in caplog.messages if "where chance is 33.3 %" in words]) == 1
