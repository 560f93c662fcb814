"""What every pruner must do, run over every registered name."""

from collections.abc import Callable

import pytest

import stamp_registry
from stamp_tf.testing.pruner import PROPERTIES, toy_problem

GROUP = "stamp_tf.pruners"


@pytest.fixture(params=stamp_registry.names(GROUP))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("proven", PROPERTIES, ids=lambda proven: proven.__name__)
def test_a_pruner(name: str, proven: Callable[..., None]) -> None:
    proven(stamp_registry.load(GROUP, name))


def test_a_built_in_proposes_scores(name: str) -> None:
    """So that any budget can cut them."""
    if not stamp_registry.is_built_in(GROUP, name):
        pytest.skip(f"{name} may propose a finished mask")
    assert stamp_registry.load(GROUP, name)().propose(toy_problem()).scores is not None
