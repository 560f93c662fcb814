"""What every mask generator must do, run over every registered name."""

from collections.abc import Callable

import pytest

import stamp_registry
from stamp_tf.testing.mask_generator import PROPERTIES

GROUP = "stamp_tf.mask_generators"


@pytest.mark.parametrize("proven", PROPERTIES, ids=lambda proven: proven.__name__)
@pytest.mark.parametrize("name", stamp_registry.names(GROUP))
def test_a_mask_generator(name: str, proven: Callable[..., None]) -> None:
    proven(stamp_registry.load(GROUP, name))
