"""The one reader of JSON: strict, of a known schema, and with one line for whatever is wrong."""

import json
import math
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from stamp_tf.errors import StampError
from stamp_tf.storage.files import append_line, write_bytes_atomic

Record = TypeVar("Record")

_LARGEST_FILE = 256 * 2**20
_MEGABYTE = 2**20
_DEEPEST = 200
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_NO_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))
_PLACE = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<field>.*)`)?", re.DOTALL)


def decode(
    data: bytes, schema: type[Record], *, source: object, remedy: str, writer: str = "stamp-tf"
) -> Record:
    """Read JSON of a schema. Fields that the schema does not name are left alone.

    Args:
        data: The text.
        schema: What it must be: a `msgspec.Struct`, a dataclass, or a type such as `dict[str, Any]`.
        source: Where it comes from, for messages.
        remedy: What to do about it, for messages.
        writer: Who writes such a file, for messages.

    Raises:
        StampError: If it is no JSON, or of another schema; in one line that names the field.
    """
    try:
        if _is_deep(data):
            raise RecursionError
        return msgspec.json.decode(data, type=schema)
    except msgspec.ValidationError as error:
        reason = _in_words(error)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = f"it cannot be read ({error})"
    except RecursionError:
        reason = f"it cannot be read (more than {_DEEPEST} levels)"
    raise StampError(f"{source} must be JSON written by {writer}, but {reason}; {remedy}.") from None


def _is_deep(data: bytes) -> bool:
    """Return whether brackets are nested deeper than any of ours, of which walks in Python never return."""
    if data.count(b"{") + data.count(b"[") <= _DEEPEST:
        return False
    depth = 0
    for bracket in _STRING.sub(b"", data).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"{[" else -1
        if depth > _DEEPEST:
            return True
    return False


def check(content: object, schema: type[Record], *, source: object, remedy: str) -> Record:
    """Read JSON content that is decoded already; otherwise as `decode`."""
    try:
        return msgspec.convert(content, schema)
    except msgspec.ValidationError as error:
        reason = _in_words(error)
    raise StampError(f"{source} must be JSON written by stamp-tf, but {reason}; {remedy}.") from None


def _in_words(error: msgspec.ValidationError) -> str:
    match = _PLACE.fullmatch(str(error))
    assert match is not None  # both parts may be empty
    what = match["what"].replace("`", "").rstrip(".")
    if what.startswith("Object missing required field "):
        return f"{match['field'] or 'it'} lacks {what.rpartition(' ')[2]}"
    if what.startswith("Expected"):
        return f"{match['field'] or 'it'} is something else ({what[0].lower()}{what[1:]})"
    return f"{match['field'] or 'it'} is damaged ({what[:1].lower()}{what[1:]})"


def encode(content: object, *, indent: int | None = None) -> bytes:
    """Return JSON that every reader takes: numbers that are not finite become null, as JSON has no word for them.

    Args:
        content: Mappings, sequences, strings and numbers, NumPy's scalars included.
        indent: Spaces per level; None writes one line.
    """
    return (json.dumps(finite(content), indent=indent, allow_nan=False) + "\n").encode()


def finite(value: Any) -> Any:
    """Replace NaN and infinities by None, and NumPy's scalars by plain ones."""
    if hasattr(value, "item") and not getattr(value, "shape", ()):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def write_json_atomic(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    write_bytes_atomic(path, encode(content, indent=2))


def read_json(
    path: Path, schema: type[Any] = dict[str, Any], *, remedy: str = "check the path"
) -> dict[str, Any]:
    """Read a JSON file of a run.

    Args:
        path: The file.
        schema: What its content must fit; what it does not name is left alone.
        remedy: What to do about a damaged one, for messages.

    Returns:
        The whole content.

    Raises:
        StampError: If the file is missing, no JSON or of another schema.
    """
    data = _read(path)
    # As a whole first, because the schema tells nothing of what it does not name.
    content = decode(data, dict[str, Any], source=path, remedy=remedy)
    check(content, schema, source=path, remedy=remedy)
    return content


def read_record(path: Path, schema: type[Record], *, remedy: str = "check the path") -> Record:
    """Read a JSON file of a run as a record; otherwise as `read_json`."""
    return check(read_json(path, remedy=remedy), schema, source=path, remedy=remedy)


def _read(path: Path) -> bytes:
    """Return what a file of a run holds, if it is a file and no larger than ours are."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise StampError(f"{path} must be a file, but is something else; check the path.")
        if status.st_size > _LARGEST_FILE:
            raise StampError(
                f"{path} must be JSON written by stamp-tf, which has at most {_LARGEST_FILE // _MEGABYTE} MiB, but has "
                f"{status.st_size / _MEGABYTE:.0f} MiB; check the path."
            )
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        where = path.parent
        lacks = (
            f"it has no {path.name}"
            if where.is_dir()
            else "it is a file"
            if where.exists()
            else "it is not there"
        )
        raise StampError(f"{where} must be a run directory, but {lacks}; check the path.") from None


def append_jsonl(path: Path, record: Mapping[str, Any]) -> None:
    """Append one record to a file of JSON lines."""
    append_line(path, encode(record).decode().rstrip("\n"))


def trim_jsonl(path: Path, counter: str, last: int) -> None:
    """Drop what a killed run recorded behind the state that it goes on from.

    Args:
        path: A file of JSON lines; it need not exist.
        counter: Field that counts steps or epochs; records without it go too.
        last: The count of that state.

    Raises:
        StampError: If a line is damaged; only the last one may be torn, as a kill leaves it.
    """
    if not path.exists():
        return
    data = _read(path)
    kept = []
    lines = data.split(b"\n")
    # A whole line ends, so that behind the last one nothing is left.
    for number, line in enumerate(lines[:-1], start=1):
        record = decode(
            line,
            dict[str, Any],
            source=f"{path}, line {number},",
            remedy="delete that line, or start anew with `overwrite=True`",
        )
        count = record.get(counter, last + 1)
        if not isinstance(count, int):
            raise StampError(
                f"{path}, line {number}, must count its {counter} in whole numbers, but has {count!r}; "
                "delete that line, or start anew with `overwrite=True`."
            )
        if count <= last:
            kept.append(line + b"\n")
    write_bytes_atomic(path, b"".join(kept))
