"""A first look at many picture files: their sizes, their content and how far their samples reach."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stamp_tf.data.content import deep_key, picture_key
from stamp_tf.data.picture import deep_samples, is_deep, opened, upright_size
from stamp_tf.data.samples import Peak, peak_of
from stamp_tf.data.unreadable import UnreadableImage

# A small picture takes about as long as handing it to a thread.
CHUNK = 64


@dataclass(frozen=True)
class Look:
    """What a first look at a picture shows.

    Args:
        size: Height and width, upright.
        peak: Its largest sample; None where it has 8 bits.
        key: The number of its content, if asked for.
    """

    size: tuple[int, int]
    peak: Peak | None = None
    key: int = 0


def survey(paths: Sequence[Path], *, with_keys: bool) -> list[Look | UnreadableImage]:
    """Look at every picture once, several at a time.

    Without keys, only headers are read, and samples of more than 8 bits.

    Args:
        paths: The files.
        with_keys: Whether to find the numbers of their content, see `content.py`.

    Returns:
        One answer per file, in their order.
    """
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="survey") as pool:
        return [look for looks in pool.map(partial(_looks, with_keys=with_keys), chunks) for look in looks]


def _looks(paths: Sequence[Path], *, with_keys: bool) -> list[Look | UnreadableImage]:
    return [_look(path, with_key=with_keys) for path in paths]


def _look(path: Path, *, with_key: bool) -> Look | UnreadableImage:
    try:
        with opened(path) as picture:
            size = upright_size(picture)
            if is_deep(picture):
                samples = deep_samples(picture)
                return Look(size, peak_of(samples), deep_key(samples) if with_key else 0)
            return Look(size, key=picture_key(picture, path) if with_key else 0)
    except UnreadableImage as error:
        return error
