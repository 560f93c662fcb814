"""A pruned network read back from its run directory."""

from __future__ import annotations

import dataclasses
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

import stamp_registry
from stamp_tf.backbones.end import put_back, split_end
from stamp_tf.data import DataSet, Normalization, load_dataset
from stamp_tf.ends import LOGITS, End
from stamp_tf.errors import StampError
from stamp_tf.export.keras_file import read_card
from stamp_tf.finite import require_finite, weight_values
from stamp_tf.meta.network_file import import_layers
from stamp_tf.runs import RunDirectory


@dataclass(frozen=True)
class PrunedRun:
    """The network of a run, and what it was trained on.

    Args:
        run: Where it lies.
        model: From normalised images to logits.
        class_names: One name per class.
        normalization: Of the images.
        config: The run's options.
        end: What stands behind the logits in its files.
    """

    run: RunDirectory
    model: keras.Model
    class_names: tuple[str, ...]
    normalization: Normalization
    config: Mapping[str, Any]
    end: End = LOGITS

    @property
    def network(self) -> keras.Model:
        """The network as it left: with what stands behind its logits."""
        return put_back(self.model, self.end)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and depth of an image."""
        height, width, depth = self.model.input_shape[1:]
        return height, width, depth

    def load_dataset(
        self,
        spec: str | None = None,
        *,
        data_dir: str | os.PathLike[str] | None = None,
        download: bool = False,
        skip_corrupt: bool = False,
    ) -> DataSet:
        """Load the run's own data set, split by the run's seed, or another one of the same classes.

        Args:
            spec: Another data set; None takes the run's own.
            data_dir: Where TFDS keeps prepared data sets; None takes the run's.
            download: Whether the network may be used.
            skip_corrupt: Whether to leave unreadable images out, where the run did not say so already.

        Raises:
            StampError: If it cannot be loaded, or has another number of classes.
        """
        own = spec is None or spec == self.config.get("dataset")
        dataset = load_dataset(
            spec or self.config["dataset"],
            image_shape=self.image_shape,
            data_dir=data_dir or self.config.get("data_dir"),
            download=download,
            train_size=self.config.get("train_size") if own else None,
            skip_corrupt=skip_corrupt or (own and self.config.get("skip_corrupt", False)),
            seed=self.config.get("seed", 0),
        )
        if dataset.num_classes != len(self.class_names):
            raise StampError(
                f"--dataset must have the {len(self.class_names)} classes of the network, but {dataset.name} has "
                f"{dataset.num_classes}; name another, or prune for this one."
            )
        flips = dataset.flips and (self.config.get("flip", True) or not own)
        return dataclasses.replace(dataset, flips=flips)


def load_run(run_dir: str | Path) -> PrunedRun:
    """Load what `export_run` wrote.

    Args:
        run_dir: The run's folder.

    Raises:
        StampError: If it holds no pruned network, or a damaged one.
    """
    run = RunDirectory(Path(run_dir))
    config = run.read_pruned_config()
    card = read_card(run.model)
    backbone = config.get("backbone")
    if isinstance(backbone, Mapping) and backbone.get("name") in stamp_registry.names("stamp_tf.backbones"):
        # A plug-in's layers are known to Keras once its package is imported.
        stamp_registry.load("stamp_tf.backbones", backbone["name"])
    import_layers(run.model)
    try:
        model = keras.saving.load_model(run.model, compile=False)
    except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        reason = str(error).partition("\n")[0]
        raise StampError(
            f"{run.model} must be a whole network that stamp-tf wrote, but Keras answers '{reason}'; prune again."
        ) from error
    require_finite(
        weight_values(model), subject=f"Weights of {run.model}", remedy="prune again, or take another run"
    )
    normalization = Normalization(tuple(card["mean"]), tuple(card["std"]))
    logits, end = split_end(model)
    return PrunedRun(run, logits, tuple(card["class_names"]), normalization, config, end)
