"""SNIP on channels: against gates in a network of its own, and with a tied pair of layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from stamp_tf.baselines.snip_channels import SnipChannels, SnipChannelsOptions
from stamp_tf.baselines.uniform import uniform_scores
from stamp_tf.data import Batches
from stamp_tf.references.reference import Reference


def gradients_of_gates(model: keras.Model, images: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return |dL/dgate| of the sum's three channels and of the last kernel's two, each gate at 1."""
    gates = [tf.Variable(tf.ones(3)), tf.Variable(tf.ones(2))]
    with tf.GradientTape() as tape:
        summed = (model.get_layer("left")(images) + model.get_layer("right")(images)) * gates[0]
        x = model.get_layer("norm")(summed, training=False)
        x = tf.nn.conv2d(x, model.get_layer("last").kernel * gates[1], 1, "SAME")
        x = tf.reduce_mean(x + model.get_layer("last").bias, axis=(1, 2))
        loss = keras.losses.sparse_categorical_crossentropy(
            labels, model.get_layer("logits")(x), from_logits=True
        )
        loss = tf.reduce_mean(loss)
    first, second = tape.gradient(loss, gates)
    return np.abs(first), np.abs(second)


def test_a_score_is_the_derivative_by_a_gate(tiny: Any, make_problem: Callable[..., Any]) -> None:
    problem = make_problem(tiny, head="own")
    batches = Batches(
        problem.dataset.train, 3, normalization=problem.normalization, seed=problem.seed, augment=False
    )
    sums, last = gradients_of_gates(tiny, *next(iter(batches.epoch(0))))
    expected = np.empty(5)
    for group in problem.reference.channel_map.groups:
        expected[group.slice] = sums if group.size == 3 else last
    found = SnipChannels().propose(problem).scores
    np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-4)
    assert found.sum() == pytest.approx(1)


def test_the_head_is_fitted_and_put_back(tiny: Any, make_problem: Callable[..., Any]) -> None:
    before = tiny.get_weights()
    fitted = SnipChannels().propose(make_problem(tiny)).scores
    for old, new in zip(before, tiny.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    own = SnipChannels().propose(make_problem(tiny, head="own")).scores
    assert not np.allclose(fitted, own)


def test_uniform_widths_on_request(tiny: Any, make_problem: Callable[..., Any]) -> None:
    problem = make_problem(tiny)
    scores = SnipChannels().propose(problem).scores
    uniform = SnipChannels().propose(make_problem(tiny, allocation="uniform")).scores
    np.testing.assert_array_equal(uniform, uniform_scores(problem.reference.channel_map, scores))


def test_one_cut_over_all_layers_is_the_default(small: Reference) -> None:
    assert SnipChannelsOptions().allocation == "global"
