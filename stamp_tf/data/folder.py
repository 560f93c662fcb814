"""Data sets in folders of image files, one sub-folder per class."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from stamp_tf.data.dataset import DataSet, ImageSet
from stamp_tf.data.decode_ahead import Example
from stamp_tf.data.duplicates import warn_of_shared_images
from stamp_tf.data.folder_form import Form, surveyed
from stamp_tf.data.folder_parts import Part, scan, validation_part
from stamp_tf.data.image_files import image_files, loose_images
from stamp_tf.data.layout import Layout, find_layout
from stamp_tf.data.load_options import LoadOptions
from stamp_tf.data.split import split_by_content
from stamp_tf.data.streaming import StreamedSet
from stamp_tf.errors import StampError
from stamp_tf.printable import printable

logger = logging.getLogger(__name__)


def folder(path: str, options: LoadOptions) -> DataSet:
    """Load `PATH/CLASS/*.png`, or `PATH/train/CLASS/*.png` with or without `PATH/test/CLASS/*.png`.

    Which names stand for the parts is told in `layout.py`; the log says what was found. Class names are the names of
    the sub-folders, in alphabetical order. Files of other types and hidden ones are not looked at; pictures may lie
    in folders below. All are brought to one size: `image_shape`, or their own if they agree.

    Args:
        path: The folder.
        options: How to load.

    Returns:
        The data set; a part larger than `options.stream_above` bytes is streamed.

    Raises:
        StampError: If the folder is missing, empty, has one class only, a class without images, parts of different
            classes, a picture that cannot be read (unless skipped), or sizes that differ when no `image_shape` is
            given.
    """
    if not path:
        raise StampError("`dataset` folder must name a folder, but names none; write folder:PATH.")
    where = f"`dataset` folder:{path}"
    try:
        root = Path(path).expanduser()
        if not root.is_dir():
            found = "a file" if root.exists() else "not there"
            raise StampError(f"{where} must be a folder, but is {found}; check the path.")
        layout = find_layout(root, where)
        parts = scan(layout, root, where)
        validation = validation_part(layout, root, parts["train"].class_names)
    except RuntimeError as error:
        raise StampError(
            f"{where} must be a folder, but {str(error).rstrip('.')}; write the whole path."
        ) from None
    except OSError as error:
        raise StampError(
            f"{where} must be readable, but {error.filename} gave '{error.strerror}'; check the permissions."
        ) from None
    _say_layout(layout, parts, f"folder:{path}", has_validation=validation is not None)
    _say_loose(layout, root, f"folder:{path}")
    parts, form = surveyed(parts, root, where=where, options=options)
    if layout.test is None:
        every = parts["train"]
        train, test = split_by_content(
            f"folder:{path}", every.keys, labels=every.labels, class_names=every.class_names
        )
        parts = {"train": every.take(train), "test": every.take(test)}
    elif len(parts["test"].keys):
        _warn_of_shared(parts, root, f"folder:{path}")
    loaded = {name: _loaded(part, root, where, form=form, options=options) for name, part in parts.items()}
    by_content = layout.test is None
    return DataSet(
        f"folder:{path}",
        loaded["train"],
        loaded["test"],
        test_by_content=by_content,
        # Most runs do not look at it, and so it is read when one does.
        validation=None
        if validation is None
        else _loaded(validation, root, where, form=form, options=replace(options, stream_above=0)),
    )


def _say_layout(layout: Layout, parts: dict[str, Part], name: str, *, has_validation: bool) -> None:
    """Say in the log what each folder was taken for."""
    num_train = len(parts["train"].paths)
    if layout.test is None:
        logger.info(
            "%s: the folders of '%s' are classes (%s images).", name, layout.train.name, f"{num_train:,}"
        )
        return
    text = f"'{layout.train.name}' is for training ({num_train:,} images), '{layout.test.name}' for testing "
    text += f"({len(parts['test'].paths):,})"
    if layout.validation is not None:
        text += f", '{layout.validation.name}' ({len(image_files(layout.validation)):,}) is left out"
        text += " unless epochs are judged by it" if has_validation else ", as its classes are others"
    logger.info("%s: %s.", name, text)


def _say_loose(layout: Layout, root: Path, name: str) -> None:
    """Say how many images lie beside the class folders, where no folder says of which class they are."""
    folders = dict.fromkeys(filter(None, (root, layout.train, layout.test)))
    loose = [(folder / image).relative_to(root) for folder in folders for image in loose_images(folder)]
    if loose:
        logger.warning(
            "%s: %s beside the class folders, such as %s, and so of no class; left out.",
            name,
            "1 image lies" if len(loose) == 1 else f"{len(loose):,} images lie",
            printable(str(loose[0])),
        )


def _warn_of_shared(parts: dict[str, Part], root: Path, name: str) -> None:
    train, test = parts["train"], parts["test"]
    warn_of_shared_images(
        name,
        train.keys,
        test.keys,
        name_train=lambda position: printable(str(train.paths[position].relative_to(root))),
        name_test=lambda position: printable(str(test.paths[position].relative_to(root))),
    )


def _loaded(
    part: Part, root: Path, where: str, *, form: Form, options: LoadOptions
) -> ImageSet | StreamedSet:
    """Decode a part now, or leave it to be streamed."""

    def examples(order_seed: Sequence[int] | None) -> list[Example]:
        num_images = len(part.paths)
        order = (
            range(num_images)
            if order_seed is None
            else np.random.default_rng(order_seed).permutation(num_images)
        )
        return [
            Example(
                part.paths[index],
                int(part.labels[index]),
                printable(str(part.paths[index].relative_to(root))),
            )
            for index in order
        ]

    stream = StreamedSet(
        origin=where,
        examples=examples,
        num_images=len(part.paths),
        image_shape=form.image_shape,
        class_names=part.class_names,
        skip_corrupt=options.skip_corrupt,
        ranges=form.ranges,
        class_counts=np.bincount(part.labels, minlength=len(part.class_names)),
    )
    return stream if stream.num_bytes > options.stream_above else stream.in_memory()
