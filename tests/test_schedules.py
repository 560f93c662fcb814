"""Learning rates as functions of the step."""

import numpy as np
import pytest

from stamp_tf.schedules import cosine_rate, step_rate


def test_cosine_falls_from_its_peak_to_zero() -> None:
    rates = [cosine_rate(step, 100, peak=0.2) for step in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[50] == pytest.approx(0.1)
    assert rates[100] == pytest.approx(0)
    assert (np.diff(rates) < 0).all()


def test_warm_up_rises_in_a_line_to_the_peak() -> None:
    rates = [cosine_rate(step, 100, peak=0.2, num_warmup_steps=4) for step in range(100)]
    np.testing.assert_allclose(rates[:5], [0.05, 0.1, 0.15, 0.2, 0.2])
    assert max(rates) == pytest.approx(0.2)


@pytest.mark.parametrize("num_steps", [0, 1])
def test_the_shortest_runs_have_a_rate(num_steps: int) -> None:
    assert cosine_rate(0, num_steps, peak=0.2) == pytest.approx(0.2)
    assert step_rate(0, num_steps, peak=0.2) == pytest.approx(0.2)


def test_beyond_the_end_the_cosine_stays_at_zero() -> None:
    assert cosine_rate(150, 100, peak=0.2) == pytest.approx(0)


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 1.0), (49, 1.0), (50, 0.1), (79, 0.1), (80, 0.01), (99, 0.01), (120, 0.01)]
)
def test_steps_at_half_and_four_fifths(step: int, rate: float) -> None:
    assert step_rate(step, 100, peak=3.0) == pytest.approx(3.0 * rate)
