"""Image files below a folder, and the safe way to open one."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from stamp_tf.data.unreadable import UnreadableImage

SUFFIXES = frozenset(
    [
        ".bmp",
        ".dib",
        ".gif",
        ".jfif",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".pbm",
        ".pgm",
        ".png",
        ".pnm",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    ]
)
"""What the name of an image file ends in."""

OTHER_PICTURES = frozenset(
    [
        ".arw",
        ".avif",
        ".cr2",
        ".cr3",
        ".dcm",
        ".dng",
        ".exr",
        ".heic",
        ".heif",
        ".ico",
        ".jp2",
        ".jxl",
        ".nef",
        ".npy",
        ".psd",
        ".raw",
        ".svg",
        ".tga",
    ]
)
"""What the names of pictures end in that are not read, which should be said."""

LITTER = frozenset({"__macosx", "@eadir", "$recycle.bin", "lost+found"})
"""Folders that archives, disk stations and systems leave behind, in lower case."""

LARGEST_FILE = 2**30
"""Bytes of the largest file that is taken for a picture; a sparse file may claim any size."""


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder is none of the user's pictures, by its name.

    Args:
        name: Without the folders above.
    """
    return name.startswith(".") or name.lower() in LITTER


def sub_folders(root: Path) -> tuple[str, ...]:
    """List the folders right below one that are not hidden, in alphabetical order.

    Args:
        root: The folder.
    """
    with os.scandir(root) as entries:
        return tuple(
            sorted(entry.name for entry in entries if not is_hidden(entry.name) and _is_folder(entry))
        )


def holds_images(root: Path) -> bool:
    """Tell whether image files lie right in a folder.

    Args:
        root: The folder.
    """
    return next(_loose_images(root), None) is not None


def loose_images(root: Path) -> list[str]:
    """List the names of the image files right in a folder, sorted.

    Args:
        root: The folder.
    """
    return sorted(_loose_images(root))


def image_files(root: Path, *, passed_over: list[Path] | None = None) -> list[Path]:
    """List the image files in a folder and below, without hidden ones, sorted by path.

    Links to folders below are not followed, so that a circle of links ends.

    Args:
        root: The folder.
        passed_over: Takes up pictures of types that are not read.

    Raises:
        OSError: If a folder may not be read.
    """
    files: list[Path] = []

    def refuse(error: OSError) -> None:
        raise error

    for folder, inner, names in os.walk(root, onerror=refuse):
        inner[:] = [name for name in inner if not is_hidden(name)]
        files.extend(Path(folder, name) for name in names if _is_image(name))
        if passed_over is not None:
            passed_over.extend(
                Path(folder, name)
                for name in names
                if not is_hidden(name) and os.path.splitext(name)[1].lower() in OTHER_PICTURES
            )
    return sorted(files)


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading if it is a regular one: a pipe would block for ever, a device never end.

    Args:
        path: The file, or a link to it.

    Raises:
        UnreadableImage: If it is something else, or too large.
        OSError: If it may not be read.
    """
    # Without O_NONBLOCK, opening a pipe waits for somebody to write into it.
    file = os.fdopen(
        os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb"
    )
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        file.close()
        raise UnreadableImage("not a regular file")
    if status.st_size > LARGEST_FILE:
        file.close()
        raise UnreadableImage(f"{status.st_size:,} bytes are more than a picture may have ({LARGEST_FILE:,})")
    return file


def _loose_images(root: Path) -> Iterator[str]:
    with os.scandir(root) as entries:
        yield from (entry.name for entry in entries if _is_image(entry.name) and not _is_folder(entry))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # A link to itself makes `entry.is_dir` raise.
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def _is_image(name: str) -> bool:
    return not is_hidden(name) and os.path.splitext(name)[1].lower() in SUFFIXES
