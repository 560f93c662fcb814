"""npz files that are damaged, encrypted or claim what they do not hold: one line each, before anything is unpacked."""

import io
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from stamp_tf.data import load_dataset
from stamp_tf.errors import StampError

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 4, 4, 1), dtype=np.uint8)
LABELS = np.arange(12) % 3


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array)
    return file.getvalue()


def header(shape: tuple[int, ...], kind: str = "|u1") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
    return file.getvalue()


def archive(path: Path, **members: bytes) -> str:
    arrays = {"x_train": npy(IMAGES), "y_train": npy(LABELS)} | members
    with zipfile.ZipFile(path / "set.npz", "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in arrays.items():
            file.writestr(f"{name}.npy", content)
    return f"npz:{path / 'set.npz'}"


def one_line(spec: str, message: str) -> None:
    with pytest.raises(StampError, match=message) as caught:
        load_dataset(spec)
    assert "\n" not in str(caught.value)


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    spec = archive(tmp_path)
    path = Path(spec.removeprefix("npz:"))
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(signature) + flags] |= 1
    path.write_bytes(content)
    one_line(spec, "must not be encrypted, but x_train is; write it with numpy.savez")


@pytest.mark.parametrize("shape", [(10**11,), (10**6, 1000, 1000, 3), (2**62, 2**62)])
def test_a_header_that_declares_more_than_there_is_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    one_line(archive(tmp_path, x_train=header(shape)), r"is damaged \(x_train declares .* bytes and has 0\)")


def test_a_zip_that_unpacks_to_more_than_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stamp_tf.data.npz_file.usable_memory", lambda: 10**6)
    big = npy(np.zeros((100, 100, 100, 1), np.uint8))
    one_line(
        archive(tmp_path, x_train=big), r"must fit in memory, but declares 1,000,096 bytes where 800,000 are"
    )


def test_a_declared_size_that_no_compression_reaches_is_never_unpacked(tmp_path: Path) -> None:
    declared = header((2**32 - 2 - 128, 1, 1))
    spec = archive(tmp_path, x_train=declared + bytes(1000))
    path = Path(spec.removeprefix("npz:"))
    content = bytearray(path.read_bytes())
    # The header agrees with the size of nearly 4 GiB that stands in the member's entry.
    struct.pack_into("<I", content, content.index(b"PK\1\2") + 24, 2**32 - 2)
    path.write_bytes(content)
    one_line(spec, "x_train declares 4,294,967,294 bytes, more than the .* in the file can hold")


def test_a_size_of_100_gigabytes_is_never_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = archive(tmp_path, x_train=header((10**11 - 128, 1, 1)))
    read_member = zipfile.ZipFile.getinfo

    def declared(self: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
        member = read_member(self, name)
        if name == "x_train.npy":
            member.file_size, member.compress_size = 10**11, 10**9
        return member

    monkeypatch.setattr(zipfile.ZipFile, "getinfo", declared)
    monkeypatch.setattr("stamp_tf.data.npz_file.usable_memory", lambda: 64 * 2**30)
    # Releases of Python that know of zip bombs refuse it by themselves.
    one_line(spec, r"must fit in memory, but declares 99,999,999,9\d\d bytes|possible zip bomb")


def test_python_objects_are_never_unpickled(tmp_path: Path) -> None:
    one_line(
        archive(tmp_path, class_names=header((3,), "|O") + b"cos\nsystem\n"),
        "class_names holds Python objects, which are never unpickled",
    )


@pytest.mark.parametrize(
    "names", [["a", "b\x1b[2J", "c"], ["a", "b\nc", "d"], ["a", "", "c"], ["a", "b", "a"]]
)
def test_class_names_that_cannot_be_shown_or_told_apart_are_refused(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(StampError, match=r"class names of printable|different class names") as caught:
        load_dataset(archive(tmp_path, class_names=npy(np.array(names))))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("what", ["pipe", "device", "link to itself", "folder"])
def test_only_regular_files_are_opened(tmp_path: Path, what: str) -> None:
    path = tmp_path / "set.npz"
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if what == "device" else path)
    one_line(f"npz:{path}", "is something else|Too many levels of symbolic links")


@pytest.mark.parametrize("seed", range(40))
def test_any_flipped_byte_is_one_line_or_no_matter(tmp_path: Path, seed: int) -> None:
    spec = archive(tmp_path)
    path = Path(spec.removeprefix("npz:"))
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    content[int(rng.integers(len(content)))] ^= int(rng.integers(1, 256))
    path.write_bytes(content)
    message, number = "", 12
    try:
        dataset = load_dataset(spec)
        number = len(dataset.train) + len(dataset.test)
    except StampError as error:
        message = str(error)
    assert "\n" not in message
    assert number == 12
