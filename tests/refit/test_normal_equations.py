"""Least squares from a stream, held against the solution of all rows at once."""

import numpy as np
import pytest

from stamp_tf.errors import NotFiniteError
from stamp_tf.refit.normal_equations import NormalEquations

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(3.0, 1.0, (400, 2, 6))
TARGETS = np.sin(INPUTS @ RNG.normal(size=(2, 6, 3))[0]) + 5.0
KERNEL = RNG.normal(size=(2, 6, 3))


def streamed(parts: int = 5, *, has_intercept: bool = True, dtype: str = "float64") -> NormalEquations:
    equations = NormalEquations(2, 6, 3, has_intercept=has_intercept)
    for inputs, targets in zip(
        np.array_split(INPUTS.astype(dtype), parts), np.array_split(TARGETS.astype(dtype), parts), strict=True
    ):
        equations.add(inputs, targets)
    return equations


def directly(group: int, *, ridge: float, has_intercept: bool) -> tuple[np.ndarray, np.ndarray]:
    """Least squares with the ridge as further rows."""
    x, y = INPUTS[:, group], TARGETS[:, group]
    means = (x.mean(0), y.mean(0)) if has_intercept else (np.zeros(6), np.zeros(3))
    x, y = x - means[0], y - means[1]
    loading = ridge * np.square(x).sum(0).mean()
    rows = np.concatenate([x, np.sqrt(loading) * np.eye(6)])
    wanted = np.concatenate([y - x @ KERNEL[group], np.zeros((6, 3))])
    kernel = KERNEL[group] + np.linalg.lstsq(rows, wanted, rcond=None)[0]
    return kernel, means[1] - means[0] @ kernel


@pytest.mark.parametrize("has_intercept", [True, False])
@pytest.mark.parametrize("ridge", [1e-6, 1e-2, 1.0])
def test_the_solution_is_that_of_all_rows_at_once(ridge: float, has_intercept: bool) -> None:
    kernel, intercept = streamed(has_intercept=has_intercept).solve(KERNEL, ridge=ridge)
    for group in range(2):
        expected = directly(group, ridge=ridge, has_intercept=has_intercept)
        np.testing.assert_allclose(kernel[group], expected[0], atol=1e-9)
        np.testing.assert_allclose(intercept[group], expected[1], atol=1e-9)


def test_parts_make_no_difference() -> None:
    one, many = (streamed(parts).solve(KERNEL, ridge=1e-2)[0] for parts in (1, 50))
    np.testing.assert_allclose(one, many, atol=1e-12)


def test_float32_rows_of_large_means_are_enough() -> None:
    shifted = NormalEquations(1, 6, 3, has_intercept=True)
    shifted.add((INPUTS[:, :1] + 1000).astype("float32"), TARGETS[:, :1].astype("float32"))
    kernel, _ = shifted.solve(KERNEL[:1], ridge=1e-2)
    expected, _ = directly(0, ridge=1e-2, has_intercept=True)
    np.testing.assert_allclose(kernel[0], expected, atol=1e-3)


@pytest.mark.parametrize("scale", [1e-30, 1e20])
def test_rows_of_any_scale_are_solved_alike(scale: float) -> None:
    equations = NormalEquations(1, 6, 3, has_intercept=True)
    equations.add((INPUTS[:, :1] * scale).astype("float32"), TARGETS[:, :1].astype("float32"))
    kernel, _ = equations.solve(np.zeros((1, 6, 3)), ridge=1e-2)
    usual = NormalEquations(1, 6, 3, has_intercept=True)
    usual.add(INPUTS[:, :1], TARGETS[:, :1])
    expected, _ = usual.solve(np.zeros((1, 6, 3)), ridge=1e-2)
    np.testing.assert_allclose(kernel * scale, expected, atol=1e-4)


def test_rows_that_are_not_finite_are_refused() -> None:
    rows = INPUTS[:, :1].copy()
    rows[3, 0, 2] = np.inf
    with pytest.raises(NotFiniteError, match="must be finite to be refitted, but holds NaN or infinity"):
        NormalEquations(1, 6, 3, has_intercept=True).add(rows, TARGETS[:, :1])


def test_a_strong_ridge_leaves_the_kernel() -> None:
    np.testing.assert_allclose(streamed().solve(KERNEL, ridge=1e9)[0], KERNEL, atol=1e-6)


def test_inputs_that_never_move_leave_their_rows_of_the_kernel() -> None:
    equations = NormalEquations(1, 6, 3, has_intercept=False)
    inputs = INPUTS[:, :1] * np.array([1, 1, 0, 1, 1, 0])
    equations.add(inputs, TARGETS[:, :1])
    kernel, _ = equations.solve(KERNEL[:1], ridge=0.0)
    np.testing.assert_array_equal(kernel[0, [2, 5]], KERNEL[0, [2, 5]])
    assert np.isfinite(kernel).all()


@pytest.mark.parametrize("has_intercept", [True, False])
def test_the_error_is_what_is_left_of_the_targets(has_intercept: bool) -> None:
    equations = streamed(has_intercept=has_intercept)
    kernel, intercept = equations.solve(KERNEL, ridge=1e-2)
    left = TARGETS - np.einsum("ngk,gko->ngo", INPUTS, kernel) - intercept
    spread = TARGETS - (TARGETS.mean(0) if has_intercept else 0)
    expected = np.square(left).sum() / np.square(spread).sum()
    assert equations.error(kernel) == pytest.approx(expected, rel=1e-6)
