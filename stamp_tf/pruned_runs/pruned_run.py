"""A pruned network read back from its run directory."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

import stamp_registry
from stamp_tf.backbones.end import put_back, split_end
from stamp_tf.data import DataSet, Normalization, load_dataset, with_classes
from stamp_tf.data.class_names import are_numbers
from stamp_tf.data.digest import digest_of
from stamp_tf.data.doubt import doubt_of_lot, in_words
from stamp_tf.data.origin import is_same_place, may_share_images
from stamp_tf.ends import LOGITS, End
from stamp_tf.errors import StampError
from stamp_tf.export.calling import Calling, calling_of
from stamp_tf.export.card import read_card
from stamp_tf.export.scaling import without_scaling
from stamp_tf.finite import require_finite, weight_values
from stamp_tf.references.network_file import import_layers
from stamp_tf.report.report import Report
from stamp_tf.storage.records import read_record
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.storage.writing import refusal_of_temporary_files

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
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
    def calling(self) -> Calling:
        """How its files are called."""
        return calling_of(self.image_shape, self.class_names, self.end)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and depth of an image."""
        height, width, depth = self.model.input_shape[1:]
        return height, width, depth

    @property
    def data(self) -> Mapping[str, Any]:
        """What the run remembers of the data set that it was pruned for, as `DataSet.identity` returns it."""
        known = self.config.get("data")
        if known is not None:
            return known if known["spec"] is None else {**known, "spec": self.config["dataset"]}
        # Runs of before this was kept say how it was loaded among their options.
        names = ("data_dir", "train_size", "skip_corrupt", "seed")
        options = {name: self.config[name] for name in names if name in self.config}
        return {"name": self.config.get("dataset"), "spec": self.config.get("dataset"), **options}

    def load_dataset(
        self,
        spec: str | None = None,
        *,
        data_dir: str | os.PathLike[str] | None = None,
        download: bool = False,
        skip_corrupt: bool = False,
        allow_subset: bool = False,
    ) -> DataSet:
        """Load the data set that the run was pruned for, split as then, or another one of the same classes.

        Labels are those of the network, whatever order a data set has its classes in. Where the run's own images or
        classes are no longer what they were, the log says so.

        Args:
            spec: Another data set; None takes the run's own.
            data_dir: Where TFDS keeps prepared data sets; None takes the run's.
            download: Whether the network may be used.
            skip_corrupt: Whether to leave unreadable images out, where the run did not say so already.
            allow_subset: Whether classes of the network may be missing.

        Raises:
            StampError: If it cannot be loaded, or its classes are not those of the network.
        """
        known = self.data
        own = spec is None or (known["spec"] is not None and is_same_place(spec, known["spec"]))
        if spec is None and known["spec"] is None:
            raise StampError(
                f"`run` must say what loads its data set, but {known['name']} was made in Python; name a data set of "
                "the same classes with `dataset`."
            )
        try:
            dataset = load_dataset(
                spec or known["spec"],
                image_shape=self.image_shape,
                data_dir=data_dir or known.get("data_dir"),
                download=download,
                train_size=known.get("train_size") if own else None,
                skip_corrupt=skip_corrupt or (own and known.get("skip_corrupt", False)),
                seed=known.get("seed", 0),
            )
        except StampError as error:
            if spec is not None:
                raise
            raise StampError(
                f"The data set that {self.run.path} was pruned for must be where it was, but "
                f"{str(error).rstrip('.')}; bring it back, or name another of the same classes with `dataset`."
            ) from error
        dataset = self.fitted(dataset, allow_subset=allow_subset)
        if own:
            self._warn_of_changes(dataset)
        elif are_numbers(self.class_names):
            logger.info(
                "The classes of %s and of the network are numbered; the same number is taken for the same class.",
                dataset.name,
            )
        flips = dataset.flips and (self.config.get("flip", True) or not own)
        return dataclasses.replace(dataset, flips=flips)

    def fitted(self, dataset: DataSet, *, allow_subset: bool = False) -> DataSet:
        """Return a data set with the labels of the network.

        Args:
            dataset: Images of the network's size.
            allow_subset: Whether classes of the network may be missing.

        Raises:
            StampError: If images or classes are not those of the network.
        """
        if dataset.image_shape != self.image_shape:
            raise StampError(
                f"`dataset` must have images {self.image_shape} of {len(self.class_names)} classes, but has "
                f"{dataset.image_shape} of {dataset.num_classes}; load it with that image_shape."
            )
        return with_classes(dataset, self.class_names, allow_subset=allow_subset)

    def doubt(self, dataset: DataSet) -> str:
        """Say why test images may be among those that trained the network; empty where nothing says so.

        Runs of before a split went by content drew theirs by lot, and the lot is not known any more. Where the run's
        data had a test part, all of its training part was trained on; and a test part that somebody made since may
        hold anything.

        Args:
            dataset: Whose test images are to be taken.
        """
        before = self.data.get("digest")
        if before is None:
            reason = doubt_of_lot(f"{self.run.path} was made") if dataset.test_by_content else ""
        elif not self._is_own(dataset):
            reason = ""
        elif not dataset.test_by_content:
            # By content an image stays on its side.
            reason = f"its test images are others than {self.run.path} was pruned with"
            reason = reason if digest_of(dataset)["test"] != before["test"] else ""
        else:
            had_part = not self.data.get("test_by_content", True)
            reason = f"the data of {self.run.path} had a test part, so that of its training images none was held out"
            reason = reason if had_part else ""
        return in_words(dataset, reason, remedy="prune again") if reason else self._doubt_of_report(dataset)

    def warn_if_in_doubt(self, dataset: DataSet) -> str:
        """Log what `doubt` says, if it says something, and return it."""
        if doubt := self.doubt(dataset):
            logger.warning("%s", doubt)
        return doubt

    def _doubt_of_report(self, dataset: DataSet) -> str:
        """Return the doubt that the report has about these test images: that of a reference is known to it alone."""
        if not self.run.report_json.exists():
            return ""
        try:
            history = read_record(self.run.report_json, Report, remedy="prune again").history
        except StampError:
            # What a damaged report says of images that others test is not worth stopping for.
            return ""
        doubts = {entry.digest["test"]: entry.doubt for entry in history if entry.digest and entry.doubt}
        return doubts.get(digest_of(dataset)["test"], "") if doubts else ""

    def _is_own(self, dataset: DataSet) -> bool:
        """Return whether a data set is the run's own, or lies in the same folder."""
        spec = self.data["spec"]
        return spec is not None and dataset.origin is not None and may_share_images(dataset.origin.spec, spec)

    def _warn_of_changes(self, dataset: DataSet) -> None:
        """Say what of the run's own data is not as it was when the network was pruned."""
        before = self.data.get("digest")
        if before is None:
            return
        digest, changed = digest_of(dataset), []
        for part, name, images in (("train", "training", dataset.train), ("test", "test", dataset.test)):
            if digest[part] != before[part]:
                then, now = self.data[f"{part}_images"], len(images)
                counts = f"{now:,} as then" if then == now else f"{then:,} then, {now:,} now"
                changed.append(f"{name} images ({counts})")
        if changed:
            logger.warning(
                "%s is no longer what %s was pruned for: it has other %s.",
                dataset.name,
                self.run.path,
                " and other ".join(changed),
            )


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
    # What a damaged file breaks in Keras is of any type.
    except Exception as error:
        if (refused := refusal_of_temporary_files(error)) is not None:
            raise refused from error
        reason = str(error).partition("\n")[0]
        raise StampError(
            f"{run.model} must be a whole network that stamp-tf wrote, but Keras answers '{reason}'; prune again."
        ) from error
    require_finite(
        weight_values(model), subject=f"Weights of {run.model}", remedy="prune again, or take another run"
    )
    normalization = Normalization(tuple(card["mean"]), tuple(card["std"]))
    if (scaling := card.get("scaling_layer")) is not None:
        model = without_scaling(model, scaling)
    logits, end = split_end(model)
    return PrunedRun(
        run=run,
        model=logits,
        class_names=tuple(card["class_names"]),
        normalization=normalization,
        config=config,
        end=end,
    )
