"""Values that are no finite numbers are told in a line."""

import ml_dtypes
import numpy as np
import pytest

from stamp_tf.errors import StampError
from stamp_tf.finite import not_finite, require_finite

NAN, INF = float("nan"), float("inf")


def test_the_first_array_is_named_with_its_count() -> None:
    arrays = {"a": np.zeros(3), "b": np.array([1, NAN, INF]), "c": np.array([NAN])}
    assert not_finite(arrays) == "b holds 2 of 3 values that are NaN or infinite, and so do 1 more"


def test_finite_values_of_any_type_say_nothing() -> None:
    arrays = {
        "whole": np.arange(3),
        "text": np.array(["nan"]),
        "half": np.zeros(2, ml_dtypes.bfloat16),
        "true": np.array([True]),
        "moving_variance": np.zeros(2),
    }
    assert not_finite(arrays) == ""


def test_half_precision_is_looked_at() -> None:
    assert not_finite({"x": np.array([NAN], ml_dtypes.bfloat16)})


def test_a_variance_below_zero_counts() -> None:
    arrays = {"norm/moving_variance": np.array([1.0, -0.5])}
    assert not_finite(arrays) == "norm/moving_variance holds 1 of 2 variances below 0"


def test_a_refusal_is_one_line() -> None:
    with pytest.raises(StampError, match=r"^Weights must be finite, but w holds 1 of 1 .*; use others\.$"):
        require_finite({"w": np.array(NAN)}, subject="Weights", remedy="use others")
