"""A network that somebody else saved: a `.keras` file, or an `.h5` file of before, loaded in safe mode."""

import importlib
import re
import zipfile
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import keras

import stamp_registry
from stamp_tf.channels.configuration import objects_within
from stamp_tf.channels.graph import functional_graph, input_structure
from stamp_tf.errors import StampError
from stamp_tf.plugin_code import PluginCode
from stamp_tf.references.legacy_file import SUFFIXES, read_legacy_config, readable, unknown_layers
from stamp_tf.storage.archives import UNREADABLE, check_is_file, check_sizes
from stamp_tf.storage.records import decode
from stamp_tf.storage.writing import refusal_of_temporary_files

_RULES = "stamp_tf.channel_rules"
# Keras imports these by itself.
_KNOWN = ("keras", "keras_hub", "keras_cv", "keras_nlp")
_MOST_NAMED = 3
_MOST_LETTERS = 160


def load_network_file(path: str | Path) -> keras.Model:
    """Load a functional model from a `.keras` or `.h5` file without running code that the file brings along.

    Layers of a package with entry points in `stamp_tf.channel_rules` are found if they are registered with Keras;
    those of any other package are found once it is imported.

    Args:
        path: The file.

    Returns:
        The model, not compiled.

    Raises:
        StampError: If it is no such file, holds a Lambda layer or classes that are not known, or the model is not
            functional.
    """
    path = Path(path)
    config = _read_config(path)
    _import_plugins(config)
    is_legacy = path.suffix in SUFFIXES
    missing = sorted({name for name, registered in _customs(config) if not _is_registered(registered)})
    missing += unknown_layers(config) if is_legacy else []
    if missing:
        more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        raise StampError(
            f"{path} must hold classes that Keras knows, but needs {', '.join(missing[:_MOST_NAMED])}{more}; "
            "decorate them with keras.saving.register_keras_serializable and give their package an entry point in "
            f"{_RULES}, or import it first in Python."
        )
    if any(_is_lambda(node) for node in objects_within(config)):
        raise StampError(
            f"{path} must load without running code out of the file, but holds a Lambda; write a layer class in its "
            "place."
        )
    try:
        with readable(path, config) if is_legacy else nullcontext(path) as file:
            model = keras.saving.load_model(file, safe_mode=True, compile=False)
    except StampError:
        raise
    # What a file can break in Keras is of any type; a layer of somebody else's may even ask for the program's end.
    except (Exception, SystemExit) as error:
        if (refused := refusal_of_temporary_files(error)) is not None:
            raise refused from error
        raise StampError(
            f"{path} must be a model that this version of Keras loads, but gave '{_reason(error)}'; save it anew."
        ) from None
    functional_graph(model)
    return _without_list(model)


def _without_list(model: keras.Model) -> keras.Model:
    """Return the model with its one input as it is: Keras 2 put it into a list, and Keras 3 warns at every call."""
    inputs = input_structure(model)
    if isinstance(inputs, list) and len(inputs) == 1 and not isinstance(model, keras.Sequential):
        return keras.Model(inputs[0], model.output, name=model.name)
    return model


def import_layers(path: Path) -> None:
    """Import the modules of those layers in a `.keras` file for which an installed package brings a channel rule.

    Args:
        path: The file.

    Raises:
        StampError: If it is no such file.
    """
    _import_plugins(_read_config(path))


def _read_config(path: Path) -> Any:
    """Return the configuration within the file."""
    check_is_file(path)
    if path.suffix in SUFFIXES:
        return read_legacy_config(path)
    remedy = "save it with model.save('model.keras')"
    try:
        with zipfile.ZipFile(path) as archive:
            check_sizes(archive, source=path, remedy=remedy)
            data = archive.read("config.json")
    except StampError:
        raise
    except UNREADABLE:
        raise StampError(
            f"A network must be a .keras file, but {path} cannot be read as one; {remedy}."
        ) from None
    return decode(data, object, source=f"{path}, config.json,", remedy=remedy, writer="Keras")


def _import_plugins(config: Any) -> None:
    """Import the modules of those layers for which an installed package brings a channel rule."""
    declared = set(stamp_registry.names(_RULES))
    for node in objects_within(config):
        module = node.get("module")
        if module and f"{module}.{node['class_name']}" in declared:
            # Where it cannot be found the class is missing, which is what there is to say.
            with PluginCode(_RULES, f"{module}.{node['class_name']}").running(), suppress(ImportError):
                importlib.import_module(module)


def _customs(config: Any) -> Iterator[tuple[str, str]]:
    """Yield (name to be shown, name registered with Keras) of what Keras alone does not have."""
    for node in objects_within(config):
        name, module = node["class_name"], node.get("module")
        if node.get("registered_name") == "function":
            # Keras's own functions have a plain name and no package.
            if not hasattr(keras.activations, str(node["config"])) and ">" in str(node["config"]):
                yield node["config"], node["config"]
        elif node.get("registered_name") and (module or "").partition(".")[0] not in _KNOWN:
            yield f"{module}.{name}" if module else name, node["registered_name"]


def _is_registered(name: str) -> bool:
    return keras.saving.get_registered_object(name) is not None


def _is_lambda(node: dict[str, Any]) -> bool:
    # An activation without a class is the code of a Python lambda.
    activation = node.get("config", {}).get("activation") if isinstance(node.get("config"), dict) else None
    is_code = isinstance(activation, dict) and "class_name" not in activation
    return is_code or node["class_name"] in ("Lambda", "__lambda__")


def _reason(error: BaseException) -> str:
    """Return what went wrong out of Keras's long words."""
    words = " ".join(str(error).split()).rpartition("Exception encountered: ")[2]
    words = re.split(r"(?<=[a-z'\"`)])\. ", words)[0]
    return words if len(words) <= _MOST_LETTERS else f"{words[:_MOST_LETTERS]} ..."
