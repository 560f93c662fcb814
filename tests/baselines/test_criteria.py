"""Each criterion against a computation by hand, on a network with a residual sum and a batch normalisation."""

import dataclasses

import keras
import numpy as np
import pytest

from stamp_tf.baselines.batch_norm import BatchNormScale
from stamp_tf.baselines.filters import sum_over_filters
from stamp_tf.baselines.l1 import L1Norm
from stamp_tf.baselines.l2 import L2Norm
from stamp_tf.baselines.random import RandomChannels
from stamp_tf.baselines.taylor import Taylor
from stamp_tf.channels import ChannelGroup, WeightAxis, trace_channels
from stamp_tf.errors import StampError


def by_hand(problem, sums, last):
    """Return global scores of given values: those of the sum's three channels, then the last kernel's two."""
    expected = np.empty(5)
    for group in problem.reference.channel_map.groups:
        values = np.array(sums if group.size == 3 else last, float)
        expected[group.slice] = values / values.mean()
    return expected


def test_l1_adds_up_filters_and_leaves_biases_out(tiny, make_problem):
    problem = make_problem(tiny, allocation="global")
    np.testing.assert_allclose(
        L1Norm().propose(problem).scores, by_hand(problem, [4.0, 2.5, 1.5], [7.0, 5.0]), rtol=1e-6
    )


def test_l2_adds_up_norms_of_filters(tiny, make_problem):
    problem = make_problem(tiny, allocation="global")
    np.testing.assert_allclose(
        L2Norm().propose(problem).scores, by_hand(problem, [4.0, 2.5, 1.5], [5.0, 3.0]), rtol=1e-6
    )


def test_batch_norm_ranks_by_its_scale_and_without_one_by_l1(tiny, make_problem):
    problem = make_problem(tiny, allocation="global")
    np.testing.assert_allclose(
        BatchNormScale().propose(problem).scores, by_hand(problem, [0.5, 2.0, 1.0], [7.0, 5.0]), rtol=1e-6
    )


def test_batch_norm_adds_up_the_scales_of_tied_layers(make_problem):
    image = keras.Input((2, 2, 1))
    branches = [keras.layers.Conv2D(2, 1, name=name)(image) for name in ("left", "right")]
    branches = [
        keras.layers.BatchNormalization(name=f"norm{index}")(branch) for index, branch in enumerate(branches)
    ]
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Add()(branches))
    model = keras.Model(image, keras.layers.Dense(2, name="logits")(pooled))
    model.get_layer("norm0").gamma.assign([1.0, -2.0])
    model.get_layer("norm1").gamma.assign([0.5, 3.0])
    scores = BatchNormScale().propose(make_problem(model, allocation="global")).scores
    np.testing.assert_allclose(scores, np.array([1.5, 5.0]) / 3.25, rtol=1e-6)


def test_a_network_without_batch_normalisation_is_refused(make_problem):
    image = keras.Input((2, 2, 1))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 1)(image))
    model = keras.Model(image, keras.layers.Dense(2)(pooled), name="bare")
    with pytest.raises(
        StampError, match=r"batch-norm needs a batch normalisation .* bare has none; use --method l1"
    ):
        BatchNormScale().propose(make_problem(model))


def test_taylor_is_the_square_of_weight_times_gradient(tiny, make_problem):
    problem = make_problem(tiny, allocation="global", head="own")
    left, right = (np.array(tiny.get_layer(name).kernel)[0, 0, 0] for name in ("left", "right"))
    last, logits = np.array(tiny.get_layer("last").kernel)[0, 0], np.array(tiny.get_layer("logits").kernel)
    scale = np.array(tiny.get_layer("norm").gamma) / np.sqrt(1 + tiny.get_layer("norm").epsilon)
    # All kernels are 1x1 and all between them is linear, so that the mean of the pixels says everything.
    pixels = problem.dataset.train.images.astype(float).mean(axis=(1, 2, 3)) / 255
    summed = pixels[:, None] * (left + right) * scale
    values = (summed @ last + np.array(tiny.get_layer("last").bias)) @ logits
    probabilities = np.exp(values - values.max(1, keepdims=True))
    probabilities /= probabilities.sum(1, keepdims=True)
    error = (probabilities - np.eye(2)[problem.dataset.train.labels]) / 3
    of_last = summed.T @ error @ logits.T
    of_sum = pixels @ (error @ logits.T @ last.T * scale)
    expected = by_hand(
        problem,
        (left * of_sum) ** 2 + (right * of_sum) ** 2,
        ((last * of_last) ** 2).sum(axis=0),
    )
    np.testing.assert_allclose(Taylor().propose(problem).scores, expected, rtol=1e-4)


def test_taylor_fits_a_head_and_puts_the_old_one_back(tiny, make_problem):
    before = tiny.get_weights()
    fitted = Taylor().propose(make_problem(tiny, allocation="global")).scores
    for old, new in zip(before, tiny.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    tiny.get_layer("logits").kernel.assign(np.zeros((2, 2)))
    np.testing.assert_allclose(
        Taylor().propose(make_problem(tiny, allocation="global")).scores, fitted, rtol=1e-5
    )


def test_taylor_ranks_frozen_layers_too(tiny, make_problem):
    expected = Taylor().propose(make_problem(tiny, allocation="global", head="own")).scores
    tiny.get_layer("left").trainable = False
    found = Taylor().propose(make_problem(tiny, allocation="global", head="own")).scores
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_taylor_without_a_dense_head_takes_the_networks_own(tiny, make_problem):
    model = keras.Model(tiny.inputs, keras.layers.Identity()(tiny.outputs[0]), name="closed")
    with pytest.raises(
        StampError, match=r"head=ridge needs .* closed does not; add --method-option head=own"
    ):
        Taylor().propose(make_problem(model))
    assert np.isfinite(Taylor().propose(make_problem(model, head="own")).scores).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batches": 0}, "--method-option batches must be at least 1, but is 0; 10 is the default"),
        ({"batches": 2.5}, "--method-option batches must be a whole number, but is 2.5"),
        ({"head": "none"}, "--method-option head must be 'ridge' or 'own', but is 'none'"),
    ],
)
def test_taylor_refuses_other_options(options, message):
    with pytest.raises(StampError, match=message):
        Taylor.options(**options)


def test_every_slice_of_a_channel_counts(tiny):
    # Two channels that take turns along one axis, as behind a grouped kernel; the last slice cannot go.
    axis = WeightAxis(path="kernel", axis=1, channels=np.array([0, 1, 0, 1, -1]), role="producer")
    bias = WeightAxis(path="bias", axis=0, channels=np.array([0, 1, 0, 1, -1]), role="producer")
    reader = WeightAxis(path="reader", axis=0, channels=np.array([0, 1]), role="consumer")
    group = ChannelGroup(name="layer", start=0, size=2, producers=("layer",))
    channel_map = dataclasses.replace(trace_channels(tiny), groups=(group,), weight_axes=(axis, bias, reader))
    weights = {"kernel": np.array([[1.0, 2, 3, 4, 5], [1, 1, 1, 1, 1]]), "bias": np.ones(5)}
    weights["reader"] = np.ones((2, 7))
    totals = sum_over_filters(channel_map, weights, lambda filters: filters.sum(axis=1))
    np.testing.assert_array_equal(totals, [6, 8])


@pytest.mark.parametrize("pruner", [L1Norm, L2Norm, BatchNormScale, Taylor, RandomChannels])
class TestAllocation:
    def test_global_scores_have_mean_one_in_every_group(self, pruner, tiny, make_problem):
        problem = make_problem(tiny, allocation="global")
        scores = pruner().propose(problem).scores
        for group in problem.reference.channel_map.groups:
            assert scores[group.slice].mean() == pytest.approx(1)

    def test_uniform_is_the_default(self, pruner, tiny, make_problem):
        first, second = (
            pruner().propose(make_problem(tiny, **options)).scores
            for options in ({}, {"allocation": "uniform"})
        )
        np.testing.assert_array_equal(first, second)
        assert sorted(first) == pytest.approx([1 / 3, 1 / 2, 2 / 3, 1, 1])

    def test_another_allocation_is_refused(self, pruner):
        with pytest.raises(
            StampError, match=r"allocation must be 'uniform' or 'global', but is 'equal' .*'uniform' is"
        ):
            pruner.options(allocation="equal")


def test_a_group_without_any_value_goes_first(tiny, make_problem):
    tiny.get_layer("norm").gamma.assign(np.zeros(3))
    problem = make_problem(tiny, allocation="global")
    scores = BatchNormScale().propose(problem).scores
    assert np.isfinite(scores).all()
    assert set(np.argsort(scores)[:3]) == {
        channel
        for group in problem.reference.channel_map.groups
        if group.size == 3
        for channel in range(group.start, group.start + 3)
    }


def test_widths_and_an_allocation_are_refused_together():
    with pytest.raises(StampError, match=r"--widths fixes .* but got --method-option allocation besides"):
        RandomChannels.options(widths={}, allocation="global")
