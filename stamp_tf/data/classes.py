"""Classes have identity: labels of a data set become those of a network by the names of the classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from stamp_tf.data.class_names import are_numbers, canonical, check_class_names, gist, listed
from stamp_tf.data.dataset import DataSet, ImageSet
from stamp_tf.data.decode_ahead import Example
from stamp_tf.data.streaming import StreamedSet
from stamp_tf.errors import StampError


def with_classes(
    dataset: DataSet,
    class_names: Sequence[str],
    *,
    allow_subset: bool = False,
    remedy: str = "prune for this one",
) -> DataSet:
    """Return a data set whose labels are those of a network, found by the names of the classes.

    The order of the names does not matter, nor does the Unicode form in which a file system wrote them. Names that
    differ in anything else are other classes, case included: where upper and lower case mean the same is for the
    user to say. Classes that are only numbered are classes named by numbers: they never fit real names.

    Args:
        dataset: The data set; it is not changed.
        class_names: One name per logit of the network.
        allow_subset: Whether classes of the network may be missing, unless those that are there are only numbered
            from 0.
        remedy: What else than other images may help, for the message.

    Returns:
        The same images, in memory or streamed as they were, with `class_names` as their classes.

    Raises:
        StampError: If a class is not the network's, or one of the network's is missing.
    """
    class_names = tuple(class_names)
    if dataset.class_names == class_names:
        return dataset
    check_class_names(class_names, "The network")
    labels = {canonical(name): label for label, name in enumerate(class_names)}
    own = [canonical(name) for name in dataset.class_names]
    missing = [name for name in class_names if canonical(name) not in set(own)]
    strange = [name for name in dataset.class_names if canonical(name) not in labels]
    # Numbers from 0 are what a file without names gets; with fewer of them not even their count speaks for it.
    is_subset = allow_subset and own != [str(number) for number in range(len(own))]
    if strange or (missing and not is_subset):
        found = (missing, strange)
        raise _other_classes(dataset, class_names, found, or_fewer=is_subset, remedy=remedy)
    mapping = np.array([labels[name] for name in own], np.int32)
    return dataclasses.replace(
        dataset,
        train=_relabelled(dataset.train, mapping, class_names),
        test=_relabelled(dataset.test, mapping, class_names),
        validation=None
        if dataset.validation is None
        else _relabelled(dataset.validation, mapping, class_names),
    )


def _relabelled(
    part: ImageSet | StreamedSet, mapping: np.ndarray, class_names: tuple[str, ...]
) -> ImageSet | StreamedSet:
    """Return a part with new labels: `mapping[label]`, int32 `[number of its classes]`."""
    if isinstance(part, ImageSet):
        return ImageSet(part.images, mapping[part.labels], len(class_names), class_names=class_names)
    examples, numbers = part.examples, mapping.tolist()

    def relabelled(order_seed: Sequence[int] | None) -> Iterator[Example]:
        for example in examples(order_seed):
            yield dataclasses.replace(example, label=numbers[example.label])

    counts = part.class_counts
    if counts is not None:
        counts = np.bincount(mapping, weights=counts, minlength=len(class_names)).astype(np.int64)
    return dataclasses.replace(part, examples=relabelled, class_names=class_names, class_counts=counts)


def _other_classes(
    dataset: DataSet,
    class_names: tuple[str, ...],
    differences: tuple[Sequence[str], Sequence[str]],
    *,
    or_fewer: bool,
    remedy: str,
) -> StampError:
    """Return the error that says which classes do not fit, and what was probably meant."""
    missing, strange = differences
    rule = f"`dataset` {dataset.name} must have the {len(class_names)} classes of the network"
    if or_fewer:
        rule += ", or some of them"
    numbered = are_numbers(dataset.class_names)
    if numbered != are_numbers(class_names):
        span = f"{dataset.class_names[0]}, {dataset.class_names[1]}, ..." if numbered else listed(class_names)
        if numbered:
            return StampError(
                f"{rule} ({listed(class_names)}), but its {dataset.num_classes} classes are only numbered ({span}), "
                "and which number is which class is not known; name them (class_names in an .npz file, or a folder "
                f"each), or {remedy}."
            )
        return StampError(
            f"{rule}, which are only numbered ({span}), but has {listed(dataset.class_names)}, and which number is "
            f"which class is not known; number its classes alike, or {remedy}."
        )
    found = []
    if missing:
        found.append(f"{listed(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    if strange:
        found.append(f"{listed(strange)} {'is' if len(strange) == 1 else 'are'} none of them")
    return StampError(
        f"{rule}, but has {dataset.num_classes}: {' and '.join(found)}{_meant(strange, class_names)}; rename its "
        f"classes, name another data set, or {remedy}."
    )


def _meant(strange: Sequence[str], class_names: Sequence[str]) -> str:
    """Return which of the network's classes a strange one is alike but for case, blanks and punctuation."""
    by_gist = {gist(name): name for name in class_names if gist(name)}
    pairs = [(name, by_gist[gist(name)]) for name in strange if gist(name) in by_gist]
    if not pairs:
        return ""
    words = [f"'{meant}' for '{name}'" for name, meant in pairs[:3]]
    return f" (did you mean {', '.join(words)}{'' if len(pairs) <= 3 else ', ...'}?)"
