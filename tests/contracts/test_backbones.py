"""What every backbone must do, run over every registered name."""

import inspect
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

import stamp_registry
from stamp_tf.channels.graph import flat_layers
from stamp_tf.testing.backbone import PROPERTIES
from stamp_tf.testing.masked_and_sliced import require_masked_equals_sliced

GROUP = "stamp_tf.backbones"
WIDTH = 0.08
Property = Callable[..., None]


@pytest.fixture(params=stamp_registry.names(GROUP))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("proven", PROPERTIES, ids=lambda proven: proven.__name__)
def test_a_backbone(name: str, proven: Property) -> None:
    backbone = stamp_registry.load(GROUP, name)
    narrow = {"width": WIDTH} if "width" in inspect.signature(backbone).parameters else {}
    proven(partial(backbone, **narrow))


@pytest.mark.slow
def test_masked_and_sliced_networks_agree_at_full_width(name: str) -> None:
    model = stamp_registry.load(GROUP, name)((32, 32, 3), 10)
    images = np.random.default_rng(0).normal(size=(6, 32, 32, 3)).astype("float32")
    require_masked_equals_sliced(model, images, max_flops=(0.1, 0.5))


def test_a_built_in_is_made_of_plain_layers(name: str) -> None:
    """So is what is left of it, which has no others."""
    if not stamp_registry.is_built_in(GROUP, name):
        pytest.skip(f"{name} may have layers of its own")
    model = stamp_registry.load(GROUP, name)((32, 32, 3), 10, width=WIDTH)
    assert all(type(layer).__module__.startswith("keras.") for layer in flat_layers(model))
