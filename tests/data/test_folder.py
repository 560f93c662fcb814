"""folder:PATH, in memory and streamed, and everything that can be wrong with one."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stamp_tf.data import Batches, ImageSet, Normalization, StreamedSet, load_dataset
from stamp_tf.errors import StampError
from stamp_tf.workers import Workers

WriteFolder = Callable[..., Path]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def test_sub_folders_are_classes_in_alphabetical_order(write_folder: WriteFolder) -> None:
    dataset = load_dataset(f"folder:{write_folder()}")
    assert dataset.class_names == ("cat", "dog", "eel")
    assert dataset.image_shape == (12, 12, 3)
    counts = [np.bincount(part.labels, minlength=3) for part in (dataset.train, dataset.test)]
    np.testing.assert_array_equal(sum(counts), [5, 5, 5])
    assert min(counts[0].min(), counts[1].min()) >= 1


def test_train_and_test_folders_are_the_two_parts(write_folder: WriteFolder) -> None:
    write_folder(prefix="train")
    dataset = load_dataset(f"folder:{write_folder(prefix='test', per_class=2)}")
    assert (len(dataset.train), len(dataset.test)) == (15, 6)


def test_train_folder_alone_is_split(write_folder: WriteFolder) -> None:
    dataset = load_dataset(f"folder:{write_folder(prefix='train')}")
    assert len(dataset.train) + len(dataset.test) == 15
    assert 3 <= len(dataset.test) < len(dataset.train)


def test_pixels_are_those_of_the_files(write_folder: WriteFolder) -> None:
    write_folder(prefix="train")
    root = write_folder(prefix="test")
    dataset = load_dataset(f"folder:{root}")
    np.testing.assert_array_equal(
        dataset.test.images[6], np.asarray(Image.open(root / "test" / "dog" / "1.png"))
    )


def test_other_files_are_not_looked_at_and_deeper_folders_are(write_folder: WriteFolder) -> None:
    root = write_folder()
    (root / "cat" / "notes.csv").write_text("a,b")
    (root / "cat" / ".hidden.png").write_bytes(b"junk")
    (root / ".cache").mkdir()
    (root / "cat" / "deeper").mkdir()
    os.replace(root / "cat" / "0.png", root / "cat" / "deeper" / "0.png")
    dataset = load_dataset(f"folder:{root}")
    assert len(dataset.train) + len(dataset.test) == 15


def test_mixed_sizes_and_modes_are_brought_to_the_wanted_shape(write_folder: WriteFolder) -> None:
    root = write_folder()
    Image.new("RGBA", (20, 30), (255, 0, 0, 128)).save(root / "cat" / "0.png")
    Image.new("L", (9, 8), 77).save(root / "cat" / "1.jpg")
    Image.new("P", (9, 8), 3).save(root / "cat" / "2.gif")
    Image.fromarray(np.full((7, 7), 257 * 50, np.uint16)).save(root / "dog" / "1.png")
    Image.fromarray(np.full((7, 7), 65535, np.uint16)).save(root / "dog" / "2.png")
    assert load_dataset(f"folder:{root}", image_shape=(32, 24, 3)).image_shape == (32, 24, 3)
    gray = load_dataset(f"folder:{root}", image_shape=(8, 8, 1))
    assert gray.image_shape == (8, 8, 1)
    everything = np.concatenate([gray.train.images, gray.test.images])
    # The 16-bit picture is a uniform gray of 50 in 8 bits.
    assert any((image == 50).all() for image in everything)


def test_pictures_are_turned_upright(write_folder: WriteFolder) -> None:
    root = write_folder(prefix="train")
    write_folder(prefix="test")
    picture = Image.fromarray(np.arange(144, dtype=np.uint8).reshape(12, 12))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    picture.save(root / "test" / "cat" / "0.png", exif=exif)
    dataset = load_dataset(f"folder:{root}", image_shape=(12, 12, 1))
    np.testing.assert_array_equal(dataset.test.images[0, ..., 0].ravel(), np.arange(144)[::-1])


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
def test_pictures_on_their_side_have_the_size_of_upright_ones(tmp_path: Path, ending: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for index in range(4):
        pixels = np.random.default_rng(index).integers(0, 256, (6, 9, 3), dtype=np.uint8)
        folder = tmp_path / ("cat" if index % 2 else "dog")
        folder.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{index}.{ending}", exif=exif)
    assert load_dataset(f"folder:{tmp_path}").image_shape == (9, 6, 3)


@pytest.mark.parametrize("shuffle", [True, False])
def test_streamed_and_in_memory_give_the_same_batches(write_folder: WriteFolder, shuffle: bool) -> None:
    write_folder(prefix="train", per_class=17)
    spec = f"folder:{write_folder(prefix='test')}"
    in_memory, streamed = (load_dataset(spec, stream_above=limit).train for limit in (10**9, 0))
    assert isinstance(in_memory, ImageSet)
    assert isinstance(streamed, StreamedSet)
    assert len(streamed) == len(in_memory) == 51
    assert Normalization.of(streamed) == Normalization.of(in_memory)
    for epoch in (0, 1):
        two = [
            Batches(
                part,
                8,
                normalization=Normalization.of(in_memory),
                seed=0,
                augment=True,
                shuffle=shuffle,
            )
            for part in (in_memory, streamed)
        ]
        for (images, labels), (streamed_images, streamed_labels) in zip(
            *(batches.epoch(epoch) for batches in two), strict=True
        ):
            np.testing.assert_array_equal(images, streamed_images)
            np.testing.assert_array_equal(labels, streamed_labels)


@pytest.mark.parametrize("skip_corrupt", [True, False])
def test_a_worker_reads_its_share_of_a_stream(write_folder: WriteFolder, skip_corrupt: bool) -> None:
    write_folder(prefix="train", per_class=17)
    spec = f"folder:{write_folder(prefix='test')}"
    streamed = load_dataset(spec, stream_above=0, skip_corrupt=skip_corrupt).train
    whole = Batches(streamed, 8, normalization=Normalization.of(streamed), seed=0, augment=True)
    for index in range(2):
        shared = whole.shared_by(Workers(2, index))
        for (images, labels), (own, own_labels) in zip(whole.epoch(0), shared.epoch(0), strict=True):
            np.testing.assert_array_equal(own, images[index::2])
            np.testing.assert_array_equal(own_labels, labels[index::2])


def test_train_size_takes_the_same_images_from_a_stream(write_folder: WriteFolder) -> None:
    write_folder(prefix="train", per_class=17)
    spec = f"folder:{write_folder(prefix='test')}"
    in_memory, streamed = (
        load_dataset(spec, stream_above=limit, train_size=12).train for limit in (10**9, 0)
    )
    assert isinstance(streamed, ImageSet)
    np.testing.assert_array_equal(in_memory.images, streamed.images)
    np.testing.assert_array_equal(in_memory.labels, streamed.labels)


def test_refuses_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(StampError, match="absent must be a folder, but is not there; check the path"):
        load_dataset(f"folder:{tmp_path / 'absent'}")


def test_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StampError, match="must be a folder, but is a file"):
        load_dataset(f"folder:{tmp_path / 'file'}")


def test_refuses_a_name_without_a_path() -> None:
    with pytest.raises(StampError, match=r"folder must name a folder.*write folder:PATH"):
        load_dataset("folder:")


def test_refuses_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(StampError, match="must hold a sub-folder of images per class, but holds none"):
        load_dataset(f"folder:{tmp_path}")


def test_refuses_a_single_class(write_folder: WriteFolder) -> None:
    with pytest.raises(StampError, match="2 or more classes, but holds only 'cat'; add classes"):
        load_dataset(f"folder:{write_folder(('cat',))}")


def test_refuses_a_class_without_images(write_folder: WriteFolder) -> None:
    root = write_folder()
    (root / "fox").mkdir()
    with pytest.raises(StampError, match="must hold images of every class, but 'fox' has none"):
        load_dataset(f"folder:{root}")


def test_refuses_a_class_that_only_test_has(write_folder: WriteFolder) -> None:
    write_folder(prefix="train")
    root = write_folder(("cat", "dog", "eel", "fox"), prefix="test")
    with pytest.raises(StampError, match="same classes in 'train' and 'test', but only test has 'fox'; add"):
        load_dataset(f"folder:{root}")


def test_refuses_to_split_a_class_of_one_image(write_folder: WriteFolder) -> None:
    with pytest.raises(
        StampError, match=r"2 or more different images per class to split off a test set.*'cat' has one"
    ):
        load_dataset(f"folder:{write_folder(per_class=1)}")


def test_refuses_different_sizes_without_a_wanted_shape(write_folder: WriteFolder) -> None:
    root = write_folder()
    Image.new("RGB", (20, 30)).save(root / "dog" / "0.png")
    with pytest.raises(
        StampError, match=r"images of one size.*12 x 12 and dog/0.png 30 x 20; give image_shape"
    ):
        load_dataset(f"folder:{root}")


@pytest.mark.parametrize("spoil", [truncate, lambda path: path.write_bytes(b"junk")], ids=["cut", "junk"])
def test_refuses_a_corrupt_image_by_name(write_folder: WriteFolder, spoil: Callable[[Path], None]) -> None:
    root = write_folder()
    spoil(root / "dog" / "2.png")
    with pytest.raises(StampError, match=r"dog/2.png cannot be decoded: .*add --skip-corrupt"):
        load_dataset(f"folder:{root}", image_shape=(12, 12, 3))


def test_counts_further_corrupt_images(write_folder: WriteFolder) -> None:
    root = write_folder()
    for name in ("cat/1.png", "dog/2.png", "eel/0.png"):
        (root / name).write_bytes(b"junk")
    with pytest.raises(StampError, match=r"cat/1.png \(and 2 more\) cannot be decoded: not an image"):
        load_dataset(f"folder:{root}", image_shape=(12, 12, 3))


@pytest.mark.parametrize("spoil", [truncate, lambda path: path.write_bytes(b"junk")], ids=["cut", "junk"])
def test_skips_a_corrupt_image_when_asked_and_says_so(
    write_folder: WriteFolder, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    root = write_folder()
    spoil(root / "dog" / "2.png")
    dataset = load_dataset(f"folder:{root}", skip_corrupt=True)
    assert len(dataset.train) + len(dataset.test) == 14
    assert "skipped dog/2.png, which cannot be decoded" in caplog.text


def test_refuses_a_class_whose_images_are_all_corrupt(write_folder: WriteFolder) -> None:
    root = write_folder()
    for path in (root / "dog").iterdir():
        path.write_bytes(b"junk")
    with pytest.raises(StampError, match="a readable image in every class, but class 'dog' has none left"):
        load_dataset(f"folder:{root}", skip_corrupt=True)


@pytest.mark.parametrize("skip_corrupt", [False, True])
def test_stream_refuses_or_skips_an_image_cut_short(write_folder: WriteFolder, skip_corrupt: bool) -> None:
    write_folder(prefix="train")
    root = write_folder(prefix="test", per_class=2)
    truncate(root / "train" / "dog" / "2.png")
    dataset = load_dataset(f"folder:{root}", stream_above=0, skip_corrupt=skip_corrupt)
    passes = [
        part.raw_batches(4, order_seed=None, drop_remainder=False) for part in (dataset.train, dataset.test)
    ]
    if skip_corrupt:
        assert sum(len(labels) for batches in passes for _, labels in batches) == 20
    else:
        with pytest.raises(StampError, match=r"dog/2.png cannot be decoded"):
            [list(batches) for batches in passes]


def test_refuses_a_folder_that_may_not_be_read(
    write_folder: WriteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_folder()

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    # Taking the permission away would not stop a test run by root.
    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(StampError, match=r"must be readable, but .*pictures gave 'Permission denied'; check"):
        load_dataset(f"folder:{root}")


@pytest.mark.parametrize(
    ("prefix", "names", "expected"),
    [
        (
            "",
            ["a.png"],
            "1 image lies beside the class folders, such as a.png, and so of no class; left out.",
        ),
        (
            "train",
            ["d.jpg", "c.JPEG", "n.txt"],
            "2 images lie beside the class folders, such as c.JPEG, ",
        ),
        ("", ["notes.txt", ".hidden.png"], None),
    ],
)
def test_images_beside_class_folders_are_counted(
    write_folder: WriteFolder,
    caplog: pytest.LogCaptureFixture,
    prefix: str,
    names: list[str],
    expected: str | None,
) -> None:
    root = write_folder(prefix=prefix)
    for name in names:
        (root / name).write_bytes(b"any")
    dataset = load_dataset(f"folder:{root}")
    assert len(dataset.train) + len(dataset.test) == 15
    beside = [line for line in caplog.messages if "beside the class folders" in line]
    assert beside == [] if expected is None else expected in beside[0]
