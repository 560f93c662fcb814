"""Find the reader for what lies at a path."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import stamp_registry
from stamp_tf.arguments import as_path
from stamp_tf.errors import PluginError, StampError
from stamp_tf.plugin_code import PluginCode, in_words
from stamp_tf.serving.exported import READERS, Exported
from stamp_tf.storage.run_directory import RunDirectory

logger = logging.getLogger(__name__)


def load_exported(path: str | os.PathLike[str]) -> Exported:
    """Load a network that left, whatever its format is.

    Args:
        path: A file or folder that `prune`, `finetune` or `export` wrote; or the folder of a run, whose
            `model.keras` is taken.

    Returns:
        The network, with its classes and the size of its images.

    Raises:
        StampError: If nothing is there, no reader knows its format, or it is damaged.

    Example:
        >>> network = load_exported("runs/photos/saved_model")
        >>> network(images)  # uint8 [B, H, W, D] of network.image_shape
    """
    exported = open_exported(path)
    if exported.load is not None:
        with PluginCode(READERS, exported.format).running():
            exported.load()
    return exported


def open_exported(path: str | os.PathLike[str]) -> Exported:
    """Return a network that left as `load_exported` does, but perhaps not loaded before its first answer.

    Its size and classes are known. What is wrong with its weights may be raised by that answer.

    Args:
        path: As that of `load_exported`.

    Raises:
        StampError: If nothing is there, or no reader knows its format.
    """
    path = as_path(path, "model")
    if not path.exists():
        raise StampError(
            f"`serve:model` must be an exported network or a run's folder, but {path} is not there; check the path."
        )
    if RunDirectory(path).config.exists():
        run = RunDirectory(path)
        _import_backbone(run)
        path = run.model
    elif path.suffix == ".keras" and RunDirectory(path.parent).config.exists():
        _import_backbone(RunDirectory(path.parent))
    names = stamp_registry.names(READERS)
    for name in sorted(names, key=lambda name: not stamp_registry.is_built_in(READERS, name)):
        try:
            exported = _read(name, path)
        except (stamp_registry.RegistryError, PluginError) as error:
            # Another reader may know the file; where none does, the last line is about the file.
            logger.warning("%s", error)
            continue
        if exported is not None:
            return exported
    raise StampError(
        f"`serve:model` must be a network that stamp-tf exported ({', '.join(names)}), or a run's folder, but {path} "
        "is neither; check the path, or install the package that reads it."
    )


def _read(name: str, path: Path) -> Exported | None:
    """Let one reader look at a path."""
    plugin = PluginCode(READERS, name)
    read = stamp_registry.load(READERS, name)
    with plugin.running():
        exported = read(path)
    if exported is not None and not isinstance(exported, Exported):
        raise plugin.breach("return an Exported or None", in_words(exported))
    return exported


def _import_backbone(run: RunDirectory) -> None:
    """Let Keras know the layers of a plug-in's backbone, which it registers at import."""
    backbone = run.read_pruned_config().get("backbone")
    name = backbone.get("name") if isinstance(backbone, dict) else None
    if name in stamp_registry.names("stamp_tf.backbones"):
        stamp_registry.load("stamp_tf.backbones", name)
