"""Decode pictures in threads, ahead of their use."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from stamp_tf.data.decode import decode
from stamp_tf.data.samples import Ranges
from stamp_tf.data.unreadable import UnreadableImage

# Decoding one small picture takes about as long as handing it to a thread; sixteen are worth it.
CHUNK = 16


@dataclass(frozen=True)
class Example:
    """One picture that is not decoded yet.

    Args:
        content: A file, or the bytes of one.
        label: In [0, num_classes).
        name: What to call it in a message.
    """

    content: Path | bytes
    label: int
    name: str


def decoded_ahead(
    examples: Iterable[Example], image_shape: tuple[int, int, int], *, ranges: Ranges, num_ahead: int
) -> Iterator[tuple[Example, np.ndarray | UnreadableImage]]:
    """Yield pictures in their order, decoded, or why they cannot be.

    Args:
        examples: The pictures.
        image_shape: Height, width and depth that every image is brought to.
        ranges: What white is in pictures of more than 8 bits.
        num_ahead: Pictures under way.

    Yields:
        Each picture and its pixels, uint8 `[H, W, D]`.
    """

    def decode_one(example: Example) -> np.ndarray | UnreadableImage:
        try:
            return decode(example.content, image_shape, ranges=ranges)
        except UnreadableImage as error:
            return error

    def decode_chunk(chunk: list[Example]) -> list[tuple[Example, np.ndarray | UnreadableImage]]:
        return [(example, decode_one(example)) for example in chunk]

    source = iter(examples)
    pending: deque[Future[list[tuple[Example, np.ndarray | UnreadableImage]]]] = deque()
    pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode")
    try:
        while True:
            while len(pending) * CHUNK <= num_ahead and (chunk := list(islice(source, CHUNK))):
                pending.append(pool.submit(decode_chunk, chunk))
            if not pending:
                return
            yield from pending.popleft().result()
    finally:
        # Whoever stops in the middle of a pass does not wait for pictures that nobody will see.
        pool.shutdown(wait=False, cancel_futures=True)
