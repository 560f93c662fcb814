"""Damaged states, networks and cards within a run."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from stamp_tf.storage.checkpoints import load_last_step, load_metadata

Damage = Callable[[bytes], bytes]


DEEP = 100_000


def packed(data: bytes, name: str, content: bytes | None, *, compressed: bool = False) -> bytes:
    """Write an archive anew with another content of one member; None leaves it out."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(target, "w") as after:
        for member in before.namelist():
            if member != name:
                after.writestr(member, before.read(member))
        if content is not None:
            method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
            after.writestr(name, content, compress_type=method)
    return target.getvalue()


def flagged(data: bytes, bit: int) -> bytes:
    """Set a flag of every member, in its own header and in the directory at the end."""
    changed = bytearray(data)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        while at >= 0:
            changed[at + offset] |= bit
            at = data.find(mark, at + 1)
    return bytes(changed)


def array(header: str, content: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text + content


def described(content: bytes) -> bytes:
    file = io.BytesIO()
    np.save(file, np.frombuffer(content, np.uint8))
    return file.getvalue()


def header(shape: str, kind: str = "<f4") -> str:
    return f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"


def scores(member: bytes) -> Damage:
    return lambda data: packed(data, "scores.npy", member)


ARCHIVES: dict[str, Damage] = {
    "nothing": lambda data: b"",
    "text": lambda data: b"not an archive",
    **{
        f"cut at {part}": (lambda data, part=part: data[: int(part * len(data))])
        for part in (0.1, 0.5, 0.9, 0.999)
    },
    "without its end": lambda data: data[: data.rfind(b"PK\x01\x02")],
    "encrypted": lambda data: flagged(data, 1),
    "strongly encrypted": lambda data: flagged(data, 65),
    "zeros in the middle": lambda data: data[:2000] + bytes(500) + data[2500:],
}


STATES: dict[str, Damage] = {
    **ARCHIVES,
    "a huge shape": scores(array(header("(99999999, 99999999)"))),
    "a shape beyond 64 bits": scores(array(header("(10000000000000000000000,)"))),
    "a negative shape": scores(array(header("(-4, -9)"), bytes(144))),
    "a shape of words": scores(array(header("('x',)"))),
    "too few bytes": scores(array(header("(36,)"), bytes(100))),
    "too many bytes": scores(array(header("(36,)"), bytes(200))),
    "objects": scores(array(header("(1,)", "|O"), b"cos\nsystem\n(S'true'\ntR.")),
    "a flipped header": scores(array(header("(36,)").replace("descr", "desbr"), bytes(144))),
    "a header that is no dict": scores(array("[1, 2]")),
    "a header that is code": scores(array("__import__('os').getpid()")),
    "a header that ends": scores(array("{'descr': '<f4'")),
    "an unknown version": scores(array(header("(36,)"), bytes(144), b"\x09\x00")),
    "an unknown type": scores(array(header("(36,)", "<q9"), bytes(144))),
    "no array": scores(b"x"),
    "an array that unpacks to more": lambda data: packed(
        data, "scores.npy", array(header("(16777216,)"), bytes(2**26)), compressed=True
    ),
    "no description": lambda data: packed(data, "metadata.npy", None),
    "a description that is a list": lambda data: packed(data, "metadata.npy", described(b"[]")),
    "a description that is null": lambda data: packed(data, "metadata.npy", described(b"null")),
    "a description that is deep": lambda data: packed(data, "metadata.npy", described(b"[" * DEEP)),
    "a description that is torn": lambda data: packed(data, "metadata.npy", described(b'{"format": "stamp')),
    "a description of another format": lambda data: packed(
        data, "metadata.npy", described(b'{"format": "x"}')
    ),
}


@pytest.mark.parametrize("damage", STATES)
def test_a_damaged_state_is_one_line(run, refused, toy, damage):
    from stamp_tf.references.reference_file import load_reference

    path = run / "reference.npz"
    path.write_bytes(STATES[damage](path.read_bytes()))
    assert "reference.npz" in refused(lambda: load_reference(path), run)


DESCRIPTIONS: list[dict[str, Any]] = [
    *({"backbone": value} for value in (None, [], 5, "toy", {}, {"name": "toy"})),
    *({"normalization": value} for value in (None, [], 5, {}, {"mean": "x", "std": "y"})),
    {"description": []},
    {"set_encoder": 5},
    {"mask_generator": []},
]


@pytest.mark.parametrize("changes", DESCRIPTIONS, ids=str)
def test_a_reference_that_is_described_wrongly_is_one_line(run, refused, toy, changes):
    from stamp_tf.references.reference_file import load_reference

    path = run / "reference.npz"
    content = {"format": "stamp-tf-1", **load_metadata(path), **changes}
    path.write_bytes(packed(path.read_bytes(), "metadata.npy", described(json.dumps(content).encode())))
    assert "reference.npz" in refused(lambda: load_reference(path), run)


@pytest.mark.parametrize("damage", ["nothing", "cut at 0.5", "encrypted", "zeros in the middle"])
def test_a_damaged_last_state_falls_back(run, damage, caplog):
    states = sorted((run / "checkpoints").glob("step-*.npz"))
    states[-1].write_bytes(ARCHIVES[damage](states[-1].read_bytes()))
    found = load_last_step(run / "checkpoints")
    assert found is not None
    assert found[1]["step"] == 1
    assert "going on from the state before it" in caplog.text


NETWORKS: dict[str, Damage] = {
    **ARCHIVES,
    "no configuration": lambda data: packed(data, "config.json", None),
    "no weights": lambda data: packed(data, "model.weights.h5", None),
    "weights that are none": lambda data: packed(data, "model.weights.h5", b"x"),
    "a configuration that is a list": lambda data: packed(data, "config.json", b"[]"),
    "a configuration that is null": lambda data: packed(data, "config.json", b"null"),
    "a configuration that is a number": lambda data: packed(data, "config.json", b"5"),
    "an empty configuration": lambda data: packed(data, "config.json", b"{}"),
    "a torn configuration": lambda data: packed(data, "config.json", b'{"module": "ke'),
    "a deep configuration": lambda data: packed(data, "config.json", b'{"a":' * DEEP + b"1" + b"}" * DEEP),
    "deep lists": lambda data: packed(data, "config.json", b'{"config": ' + b"[" * 999 + b"]" * 999 + b"}"),
    "names that are numbers": lambda data: packed(
        data, "config.json", b'{"class_name": "Functional", "module": 5, "registered_name": [], "config": {}}'
    ),
    "a configuration that unpacks to more": lambda data: packed(
        data, "config.json", bytes(2**26), compressed=True
    ),
    "weights that unpack to more": lambda data: packed(
        data, "model.weights.h5", bytes(2**26), compressed=True
    ),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("damage", NETWORKS)
def test_a_damaged_network_is_one_line(run, refused, toy, damage):
    from stamp_tf.pruned_runs.pruned_run import load_run
    from stamp_tf.references.network_file import load_network_file

    path = run / "model.keras"
    path.write_bytes(NETWORKS[damage](path.read_bytes()))
    assert "model.keras" in refused(lambda: load_run(run), run)
    assert "model.keras" in refused(lambda: load_network_file(path), run)


CARDS = [
    b"[]",
    b"null",
    b"5",
    b"{}",
    b"{",
    b'{"class_names": 5}',
    b'{"class_names": ["a"], "mean": "x", "std": []}',
]


@pytest.mark.parametrize("card", [None, *CARDS])
def test_a_damaged_card_is_one_line(run, refused, card):
    from stamp_tf.export.card import read_card

    path = run / "model.keras"
    path.write_bytes(packed(path.read_bytes(), "input_and_classes.json", card))
    assert "model.keras" in refused(lambda: read_card(path), run)
