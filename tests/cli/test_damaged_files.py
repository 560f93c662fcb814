"""Damaged files of a run: one line and code 2, no traceback, and nothing changed."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stamp_cli.errors import edge
from stamp_tf.errors import StampError
from stamp_tf.storage.checkpoints import load_last_step, load_metadata
from stamp_tf.storage.claims import start
from stamp_tf.storage.records import trim_jsonl
from stamp_tf.storage.run_directory import RunDirectory

Damage = Callable[[bytes], bytes]
DEEP = 100_000


@pytest.fixture(scope="module")
def whole(pruned_once, pretrained, tmp_path_factory) -> Path:
    """A run with every file that any run may have; not to be changed."""
    run = tmp_path_factory.mktemp("whole") / "run"
    shutil.copytree(pruned_once, run)
    shutil.copy(pretrained / "reference.npz", run)
    (run / "exports.json").write_text('{"files": ["words"]}')
    (run / "further_training").mkdir()
    config = {"command": "finetune", "dataset": "digits"}
    (run / "further_training/config.json").write_text(json.dumps(config))
    return run


@pytest.fixture
def run(whole, tmp_path) -> Path:
    """A whole run of the test's own."""
    return shutil.copytree(whole, tmp_path / "run")


@pytest.fixture
def refused(capfd) -> Callable[[Callable[[], object], Path], str]:
    """Read something damaged as a command does; return the one line that says so."""

    def read(reader: Callable[[], object], folder: Path) -> str:
        before = snapshot(folder)
        capfd.readouterr()
        with pytest.raises(SystemExit) as caught, edge():
            reader()
        assert caught.value.code == 2
        out, err = capfd.readouterr()
        assert out == ""
        assert err.startswith("Error: ")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        assert snapshot(folder) == before
        return err

    return read


def snapshot(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def read_masks(run: Path) -> object:
    from stamp_tf.pruned_runs.masks import read_masks

    return read_masks(run)


def read_report(run: Path) -> object:
    from stamp_tf.pruned_runs.train_further import finished_report

    return finished_report(RunDirectory(run))


def overwrite(run: Path) -> None:
    start(RunDirectory(run), {"command": "prune", "dataset": "x"}, resume=False, overwrite=True)


READERS: dict[str, Callable[[Path], object]] = {
    "config.json": lambda run: RunDirectory(run).read_pruned_config(),
    "masks.json": read_masks,
    "report.json": read_report,
    "exports.json": overwrite,
    "further_training/config.json": lambda run: RunDirectory(run).further_training.check_options({}),
}
ANYWHERE: dict[str, Damage] = {
    "a list": lambda data: b"[]",
    "null": lambda data: b"null",
    "a number": lambda data: b"5",
    "a string": lambda data: b'"x"',
    "true": lambda data: b"true",
    "nothing": lambda data: b"",
    "a list of objects": lambda data: b"[" + data + b"]",
    "cut at the start": lambda data: data[:1],
    "cut in the middle": lambda data: data[: len(data) // 2],
    "cut at the end": lambda data: data.rstrip()[:-1],
    "twice": lambda data: data + data,
    "not UTF-8": lambda data: data.replace(b"{", b'{"\xff\xfe": 1, ', 1),
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "zeros": lambda data: bytes(len(data)),
    "NaN": lambda data: data.replace(b"{", b'{"seconds": NaN, ', 1),
    "deep lists": lambda data: data.replace(b"{", b'{"x": ' + b"[" * DEEP + b"]" * DEEP + b", ", 1),
    "deep objects": lambda data: data.replace(
        b"{", b'{"x": ' + b'{"a":' * 300 + b"1" + b"}" * 300 + b", ", 1
    ),
}


@pytest.mark.parametrize("damage", ANYWHERE)
@pytest.mark.parametrize("name", READERS)
def test_a_file_that_is_no_json_of_ours_is_one_line(run, refused, name, damage):
    path = run / name
    path.write_bytes(ANYWHERE[damage](path.read_bytes()))
    assert f"{path.name} must be JSON written by stamp-tf" in refused(lambda: READERS[name](run), run)


FIELDS: list[tuple[str, str, Any]] = [
    *(("config.json", "command", value) for value in (5, None, "rm", "")),
    *(("config.json", "dataset", value) for value in (5, None, [])),
    *(("config.json", "seed", value) for value in ("x", -1, 1.5, None)),
    *(("config.json", name, "x") for name in ("flip", "epochs", "max_flops", "clip_norm", "train_size")),
    *(("config.json", "backbone", value) for value in (5, [], {"options": {}})),
    *(("masks.json", name, value) for name in ("backbone", "kept", "sizes") for value in (None, 5, [], "x")),
    *(("masks.json", "kept", value) for value in ({"conv1": "x"}, {"conv1": [-1]}, {"conv1": [0.5]}, {})),
    *(("masks.json", "kept", value) for value in ({"conv1": [99]}, {"conv1": [1, 0]}, {"conv1": [0, 0]})),
    ("masks.json", "sizes", {"conv1": "8"}),
    ("masks.json", "widths", 5),
    ("masks.json", "backbone", {"name": "toy"}),
    *(("report.json", "test_accuracy", value) for value in ("x", None, 2.0, -1)),
    *(("report.json", "params", value) for value in (0, "x", 1.5)),
    *(
        ("report.json", name, value)
        for name in ("layers", "groups", "curve", "speed")
        for value in (5, [1], {})
    ),
    ("report.json", "groups", [{"name": "conv1", "size": 4, "kept": [9]}]),
    ("report.json", "groups", [{"name": "conv1", "size": 0, "kept": []}]),
    ("report.json", "times", []),
    ("exports.json", "files", "words"),
    ("exports.json", "files", [1]),
    *(("exports.json", "exports", value) for value in (5, [1], [{"to": "words", "format": 1, "wrote": []}])),
    ("further_training/config.json", "command", "x"),
]


@pytest.mark.parametrize(("name", "field", "value"), FIELDS)
def test_a_field_of_the_wrong_kind_is_named(run, refused, name, field, value):
    path = run / name
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    line = refused(lambda: READERS[name](run), run)
    assert path.name in line
    assert field in line or "conv1" in line or "channels of every layer" in line


@pytest.mark.parametrize("field", ["command", "dataset"])
def test_a_field_that_lacks_is_named(run, refused, field):
    path = run / "config.json"
    content = json.loads(path.read_text())
    del content[field]
    path.write_text(json.dumps(content))
    assert f"but it lacks {field}" in refused(lambda: READERS["config.json"](run), run)


LINES = {
    "torn": b'{"epoch": 1, "lo\n{"epoch": 2}\n',
    "a list": b'[1]\n{"epoch": 2}\n',
    "null": b"null\n",
    "empty": b'{"epoch": 1}\n\n{"epoch": 2}\n',
    "bare NaN": b'{"epoch": 1, "loss": NaN}\n',
    "not UTF-8": b'{"\xff": 1}\n',
    "a counter that is a word": b'{"epoch": "one"}\n',
    "a counter that is a list": b'{"epoch": []}\n',
    "deep": b"[" * DEEP + b"\n",
}


@pytest.mark.parametrize("kind", LINES)
def test_a_damaged_line_is_named(tmp_path, refused, kind):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(LINES[kind])
    line = refused(lambda: trim_jsonl(path, "epoch", 1), tmp_path)
    assert "metrics.jsonl, line " in line
    assert "delete that line, or start anew with --overwrite" in line


def test_a_last_line_that_a_kill_tore_is_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"epoch": 1}\n{"epoch": 2}\n{"epoch": 1, "lo')
    trim_jsonl(path, "epoch", 1)
    assert path.read_bytes() == b'{"epoch": 1}\n'


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
    from stamp_tf.references.network_file import load_network

    path = run / "model.keras"
    path.write_bytes(NETWORKS[damage](path.read_bytes()))
    assert "model.keras" in refused(lambda: load_run(run), run)
    assert "model.keras" in refused(lambda: load_network(path), run)


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
    from stamp_tf.export.keras_file import read_card

    path = run / "model.keras"
    path.write_bytes(packed(path.read_bytes(), "input_and_classes.json", card))
    assert "model.keras" in refused(lambda: read_card(path), run)


def test_a_file_that_is_far_too_large_is_not_read(run, refused):
    with open(run / "masks.json", "wb") as file:
        file.truncate(2**40)
    expected = "at most 256 MiB, but has 1048576 MiB"
    with pytest.raises(StampError, match=expected):
        read_masks(run)


@pytest.mark.parametrize("name", ["masks.json", "report.json"])
def test_a_folder_in_place_of_a_file_is_one_line(run, refused, name):
    (run / name).unlink()
    (run / name).mkdir()
    assert "must be a file" in refused(lambda: READERS[name](run), run)


def test_a_pipe_is_not_waited_for(run, refused):
    import os

    (run / "masks.json").unlink()
    os.mkfifo(run / "masks.json")
    assert "must be a file" in refused(lambda: read_masks(run), run)
