"""What every set encoder must do, run over every registered name."""

from collections.abc import Callable

import pytest

import stamp_registry
from stamp_tf.testing.set_encoder import PROPERTIES

GROUP = "stamp_tf.set_encoders"


@pytest.mark.parametrize("proven", PROPERTIES, ids=lambda proven: proven.__name__)
@pytest.mark.parametrize("name", stamp_registry.names(GROUP))
def test_a_set_encoder(name: str, proven: Callable[..., None]) -> None:
    proven(stamp_registry.load(GROUP, name))
