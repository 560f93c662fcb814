"""Learnt scores set the first order; the set may change it."""

import numpy as np

from acorn.group_factors import GroupFactors
from stamp_tf.testing import check_mask_generator


def test_it_is_a_mask_generator():
    check_mask_generator(GroupFactors)


def test_it_starts_from_the_scores_of_the_reference():
    generator = GroupFactors([4, 8], start=0.0)
    generator.build((1, 12))
    learnt = np.arange(12, dtype="float32")
    generator.start_from(learnt)
    rng = np.random.default_rng(0)
    scores, sample, prior = generator(rng.uniform(size=(1, 12)), rng.uniform(size=(2, 12)))
    np.testing.assert_allclose(scores, learnt)
    assert sample.shape == (12,)
    assert prior == 0


def test_what_is_excited_most_in_its_group_scores_highest():
    generator = GroupFactors([4, 8])
    pooled = np.random.default_rng(0).uniform(size=(1, 12)).astype("float32")
    scores = np.asarray(generator(pooled, np.full((2, 12), 0.5, "float32"))[0])
    assert scores[:4].argmax() == pooled[0, :4].argmax()
    assert scores[4:].argmax() == pooled[0, 4:].argmax()
