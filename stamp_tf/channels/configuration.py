"""Walk what Keras writes of a model: a nest of dictionaries, one for each object and its options."""

from collections.abc import Iterator
from typing import Any


def dictionaries_within(configuration: Any) -> Iterator[dict[str, Any]]:
    """Yield every dictionary of a configuration, an outer one before those within.

    Args:
        configuration: What `get_config` or `serialize_keras_object` returns, or `config.json` of a `.keras` file.
    """
    if isinstance(configuration, dict):
        yield configuration
    if isinstance(configuration, dict | list | tuple):
        children = configuration.values() if isinstance(configuration, dict) else configuration
        for child in children:
            yield from dictionaries_within(child)


def objects_within(configuration: Any) -> Iterator[dict[str, Any]]:
    """Yield the description of every object: a layer, an initializer, a dtype policy, a function.

    Args:
        configuration: The same; it may come from a file, and be anything.

    Returns:
        Dictionaries whose `class_name` is text, and so are `module` and `registered_name` where they are not None.
    """
    for one in dictionaries_within(configuration):
        names = (one.get("class_name"), one.get("module") or "", one.get("registered_name") or "")
        if all(isinstance(name, str) for name in names):
            yield one
