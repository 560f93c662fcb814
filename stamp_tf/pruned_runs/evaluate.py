"""Accuracy of a network: of a run, of any file that was exported, or of somebody's own file."""

from __future__ import annotations

import logging
from pathlib import Path

from stamp_tf.arguments import as_path, check_arguments
from stamp_tf.data import DataSet, load_dataset, with_classes
from stamp_tf.data.load import check_dataset_type
from stamp_tf.errors import StampError
from stamp_tf.export.card import is_export
from stamp_tf.on_step import OnStep
from stamp_tf.options.data import DatasetOptions
from stamp_tf.pruned_runs.evaluation import Evaluation
from stamp_tf.pruned_runs.pruned_run import PrunedRun, load_run
from stamp_tf.pruning.head_order import in_order_of_head
from stamp_tf.pruning.pixel_trial import settle_pixels
from stamp_tf.references.legacy_file import SUFFIXES
from stamp_tf.references.own_file import reference_of_file
from stamp_tf.serving.counts import count_answers
from stamp_tf.serving.load import load_exported
from stamp_tf.storage.run_directory import RunDirectory
from stamp_tf.training.accuracy import TestCounts, count_hits

logger = logging.getLogger(__name__)

_REMEDY = "evaluate on images of its own classes"


def evaluate(
    run: PrunedRun | str | Path, dataset: DataSet | str | None = None, *, pixels: str | None = None
) -> float:
    """Return the fraction of test images that a network classifies rightly.

    Classes are found by their names. The data set may have fewer than the network, which the log then says.

    Args:
        run: A run directory of `prune`, or what `load_run` returned; a file or folder that was exported, of any
            format; or a `.keras` or `.h5` file of your own, whose outputs are taken for the classes in their order.
        dataset: Whose test images to take, or the name of a data set; None takes those of the data set that the run
            was pruned for, which a file outside its run's folder does not know.
        pixels: What the images of your own file were scaled to, see `prune`.

    Raises:
        StampError: If there is no network, or the data set does not fit it.

    Example:
        >>> stamp_tf.evaluate("runs/digits")
        >>> stamp_tf.evaluate("mine.keras", "folder:photos", pixels="imagenet")
    """
    check_arguments(pixels=(pixels, str | None))
    if dataset is not None:
        check_dataset_type(dataset)
    data = dataset if isinstance(dataset, DataSet) else DatasetOptions(dataset=dataset)
    return evaluated(run, data, pixels=pixels).counts.accuracy


def evaluated(
    model: PrunedRun | str | Path,
    data: DataSet | DatasetOptions,
    *,
    pixels: str | None = None,
    on_step: OnStep | None = None,
) -> Evaluation:
    """Return what a network is worth class by class; otherwise `evaluate`.

    Args:
        model: As `run` of `evaluate`.
        data: Images of the network's size, or how to load some.
        pixels: As in `evaluate`.
        on_step: Called with (batches done, all batches, figures).
    """
    path = None if isinstance(model, PrunedRun) else as_path(model, "run")
    is_own = (
        path is not None
        and path.is_file()
        and (path.suffix in SUFFIXES or (path.suffix == ".keras" and not is_export(path)))
    )
    if path is not None and is_own:
        return _of_own(path, data, pixels=pixels, on_step=on_step)
    if pixels is not None:
        raise StampError(
            "`pixels` needs a file of your own, because what stamp-tf wrote knows its pixels; leave it out."
        )
    if isinstance(model, PrunedRun):
        return _of_run(model, data, on_step=on_step)
    assert path is not None
    if RunDirectory(path).config.exists():
        return _of_run(load_run(path), data, on_step=on_step)
    return _of_export(path, data, on_step=on_step)


def run_counts(run: PrunedRun, dataset: DataSet, *, on_step: OnStep | None = None) -> TestCounts:
    """Count the test images that the network of a run classifies rightly, and say where not all classes occur.

    Args:
        run: What `load_run` returned.
        dataset: Whose test images to take.
        on_step: Called with (batches done, all batches, figures).

    Raises:
        StampError: If the data set does not fit the network.
    """
    dataset = run.fitted(dataset, allow_subset=True)
    counts = count_hits(
        run.model, dataset.test, normalization=run.normalization, end=run.end, on_step=on_step
    )
    _warn_of_missing(counts, dataset)
    return counts


def _of_run(run: PrunedRun, data: DataSet | DatasetOptions, *, on_step: OnStep | None) -> Evaluation:
    dataset = _dataset_for(run, data)
    run.warn_if_in_doubt(dataset)
    counts = run_counts(run, dataset, on_step=on_step)
    return Evaluation(
        model=str(run.run.path), dataset=dataset.name, class_names=run.class_names, counts=counts
    )


def _dataset_for(run: PrunedRun, data: DataSet | DatasetOptions) -> DataSet:
    if isinstance(data, DataSet):
        return data
    return run.load_dataset(
        data.dataset,
        data_dir=data.data_dir,
        download=data.download,
        skip_corrupt=data.skip_corrupt,
        allow_subset=True,
    )


def _of_export(path: Path, data: DataSet | DatasetOptions, *, on_step: OnStep | None) -> Evaluation:
    """A file in its run's folder is tested as the run is."""
    network = load_exported(path)
    if RunDirectory(path.parent).model.exists() and RunDirectory(path.parent).config.exists():
        run = load_run(path.parent)
        dataset = _dataset_for(run, data)
        run.warn_if_in_doubt(dataset)
    else:
        dataset = _loaded(data, path, network.image_shape)
    if dataset.image_shape != network.image_shape:
        raise StampError(
            f"`dataset` must have images {network.image_shape}, but has {dataset.image_shape}; load it with that "
            "image_shape."
        )
    dataset = with_classes(dataset, network.class_names, allow_subset=True, remedy=_REMEDY)
    counts = count_answers(network, dataset.test, on_step=on_step)
    _warn_of_missing(counts, dataset)
    return Evaluation(model=str(path), dataset=dataset.name, class_names=network.class_names, counts=counts)


def _of_own(
    path: Path, data: DataSet | DatasetOptions, *, pixels: str | None, on_step: OnStep | None
) -> Evaluation:
    reference = reference_of_file(path, pixels=pixels)
    dataset = _loaded(data, path, reference.backbone.input_shape)
    num_classes = reference.backbone.num_classes
    if dataset.image_shape != reference.backbone.input_shape or dataset.num_classes != num_classes:
        raise StampError(
            f"`dataset` must have images {reference.backbone.input_shape} of the {num_classes} classes that {path} "
            f"tells apart, but has {dataset.image_shape} of {dataset.num_classes}; name another, or prune for this one."
        )
    reference = settle_pixels(reference, dataset)
    dataset = in_order_of_head(dataset, reference, option="`dataset`", remedy=_REMEDY)
    normalization = reference.normalization_for(dataset.train)
    counts = count_hits(
        reference.model,
        dataset.test,
        normalization=normalization,
        end=reference.backbone.end,
        on_step=on_step,
    )
    return Evaluation(model=str(path), dataset=dataset.name, class_names=dataset.class_names, counts=counts)


def _loaded(data: DataSet | DatasetOptions, path: Path, image_shape: tuple[int, int, int]) -> DataSet:
    if isinstance(data, DataSet):
        return data
    if data.dataset is None:
        raise StampError(
            f"`dataset` is needed, because {path} does not say which images it is for; name a data set of its classes."
        )
    return load_dataset(
        data.dataset,
        image_shape=image_shape,
        data_dir=data.data_dir,
        download=data.download,
        skip_corrupt=data.skip_corrupt,
    )


def _warn_of_missing(counts: TestCounts, dataset: DataSet) -> None:
    if counts.num_classes < counts.class_count:
        logger.warning(
            "%d of the network's %d classes occur in the test images of %s: the accuracy says nothing of the others.",
            counts.num_classes,
            counts.class_count,
            dataset.name,
        )
