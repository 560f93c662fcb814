"""The tests of this folder need TensorFlow Model Optimization, which asks for an older absl-py than others."""

from importlib.util import find_spec

import pytest

MISSING = [name for name in ("tensorflow_model_optimization", "tf_keras") if find_spec(name) is None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip them where it is not installed; warnings about its own code are no fault of ours."""
    for item in items:
        if "compression" in item.path.parts:
            item.add_marker(pytest.mark.filterwarnings("ignore"))
            if MISSING:
                reason = f"{MISSING[0]} is missing, which the extra tfmot brings: tox -e tfmot"
                item.add_marker(pytest.mark.skip(reason=reason))
