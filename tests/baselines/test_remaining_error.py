"""Scores by remaining error as a method of pruning."""

import numpy as np
import pytest

from stamp_tf.baselines.remaining_error import RemainingError
from stamp_tf.errors import StampError
from stamp_tf.refit.images import refit_images
from stamp_tf.refit.removal import prices_of, removal_orders, removal_scores


def test_scores_are_what_the_error_grows_by_for_its_price(tiny, make_problem):
    problem = make_problem(tiny)
    scores = RemainingError().propose(problem).scores
    images = refit_images(problem.dataset, problem.normalization, seed=problem.seed)
    channel_map = problem.reference.channel_map
    orders = removal_orders(tiny, channel_map, images)
    expected = removal_scores(channel_map, orders, prices=prices_of(problem.cost, problem.budget))
    np.testing.assert_allclose(scores, expected)
    for order in orders:
        assert (np.diff(scores[order.channels]) > 0).all()


def test_uniform_widths_keep_the_order_alone(tiny, make_problem):
    errors = RemainingError().propose(make_problem(tiny)).scores
    ranks = RemainingError().propose(make_problem(tiny, allocation="uniform")).scores
    for group in make_problem(tiny).reference.channel_map.groups:
        np.testing.assert_array_equal(np.argsort(ranks[group.slice]), np.argsort(errors[group.slice]))
        assert ranks[group.slice].max() == 1


def test_it_says_how_far_it_is(tiny, make_problem):
    import dataclasses

    told = []
    problem = dataclasses.replace(make_problem(tiny), on_step=lambda *said: told.append(said))
    RemainingError().propose(problem)
    assert told == [(1, 2, {}), (2, 2, {})]


def test_another_allocation_is_refused():
    with pytest.raises(StampError, match=r"allocation must be .* but is 'greedy' .*'global' is the default"):
        RemainingError.options(allocation="greedy")
