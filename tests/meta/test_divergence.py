"""A training loop's watch: it names the first bad step, and seldom makes anybody wait."""

from pathlib import Path

import numpy as np
import pytest

from stamp_tf.backend import global_norm
from stamp_tf.errors import DivergenceError, StampError
from stamp_tf.finite import require_finite
from stamp_tf.training.divergence import DivergenceWatch, StepPlace, last_state_in_words

NAN = float("nan")


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Scalar:
    """A figure that counts how often somebody waited for it."""

    def __init__(self, value: float, reads: list[float]) -> None:
        self.value, self.reads = value, reads

    def __float__(self) -> float:
        self.reads.append(self.value)
        return self.value


def place(step: int) -> StepPlace:
    return StepPlace(step=step, num_steps=9, rates={"learning rate": 0.5}, epoch=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(clock: Clock) -> DivergenceWatch:
    return DivergenceWatch("Training", remedy="take less", state=lambda: "All is kept.", clock=clock)


def test_it_names_the_first_of_several_bad_steps(watch: DivergenceWatch) -> None:
    for step, loss in enumerate((1.0, NAN, 1.0, NAN), start=1):
        watch.see(place(step), {"loss": loss, "gradient_norm": 1.0})
    with pytest.raises(DivergenceError) as caught:
        watch.check()
    assert str(caught.value) == (
        "Training must stay finite, but the loss was nan at step 2 of 9 (epoch 1, learning rate 0.5); take less. "
        "All is kept."
    )


def test_gradients_count_too(watch: DivergenceWatch) -> None:
    watch.see(place(1), {"loss": 2.0, "gradient_norm": float("inf")})
    with pytest.raises(DivergenceError, match=r"the gradients had norm inf at step 1 of 9"):
        watch.check()


def test_it_reads_nothing_between_two_looks(watch: DivergenceWatch, clock: Clock) -> None:
    reads: list[float] = []
    for step in range(1, 9):
        clock.now += 0.1
        watch.see(place(step), {"loss": Scalar(step, reads), "gradient_norm": Scalar(1.0, reads)})
    assert not reads


def test_it_looks_at_the_newest_step_once_a_second(watch: DivergenceWatch, clock: Clock) -> None:
    reads: list[float] = []
    watch.see(place(1), {"loss": Scalar(NAN, reads)})
    clock.now = 1.0
    watch.see(place(2), {"loss": Scalar(2.0, reads)})
    assert reads == [2.0]
    clock.now = 2.0
    with pytest.raises(DivergenceError, match="step 1 of 9"):
        watch.see(place(3), {"loss": Scalar(NAN, reads)})


def test_what_was_checked_is_not_read_again(watch: DivergenceWatch) -> None:
    reads: list[float] = []
    watch.see(place(1), {"loss": Scalar(1.0, reads)})
    watch.check()
    watch.check()
    assert reads == [1.0]


def test_arrays_must_be_finite_as_well(watch: DivergenceWatch) -> None:
    watch.see(place(3), {"loss": 1.0})
    with pytest.raises(
        DivergenceError, match=r"kernel holds 1 of 2 values that are NaN or infinite after step 3"
    ):
        watch.check({"bias": np.zeros(2), "kernel": np.array([1.0, NAN])})


def test_what_a_step_left_behind_is_blamed_on_it(watch: DivergenceWatch) -> None:
    watch.see(place(3), {"loss": 1.0})
    message = "but logits are NaN or infinite after step 3 of 9"
    with pytest.raises(DivergenceError, match=message), watch.blaming("logits"):
        require_finite({"logits": np.array(NAN)}, subject="They", remedy="none")


def test_it_is_an_error_of_the_users_input() -> None:
    assert issubclass(DivergenceError, StampError)


def test_the_last_state_is_told() -> None:
    assert "The state of epoch 3 is in run;" in last_state_in_words(Path("run"), 3)
    assert "run holds no step yet;" in last_state_in_words(Path("run"), 0, unit="step")


@pytest.mark.parametrize("bad", [NAN, float("inf")])
def test_one_bad_value_makes_the_norm_bad(bad: float) -> None:
    tensors = [np.ones((2, 3), "float32"), np.array([1.0, bad], "float32")]
    assert not np.isfinite(float(global_norm(tensors)))
    assert float(global_norm(tensors[:1])) == pytest.approx(6**0.5)
