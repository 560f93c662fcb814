"""Pictures of every kind of sample, one by one and as a set: no range is guessed, none reads as black."""

import io
import logging
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stamp_tf.data import load_dataset
from stamp_tf.data.decode import decode
from stamp_tf.data.samples import Ranges
from stamp_tf.data.unreadable import UnreadableImage
from stamp_tf.errors import StampError

SHAPE = (9, 10, 3)
RNG = np.random.default_rng(0)
PNG_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}


def png16(samples: np.ndarray) -> bytes:
    """Return a PNG of 16 bits a sample.

    Args:
        samples: Integers `[H, W, C]` in [0, 65535].
    """
    height, width, depth = samples.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, PNG_COLOURS[depth], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def tiff(samples: np.ndarray, *, photometric: int | None = None, compress: bool = False) -> bytes:
    """Return a TIFF of one strip whose numbers are of the samples' type and order of bytes.

    Args:
        samples: `[H, W, C]` of any NumPy type; C of 2 or 4 ends in alpha.
        photometric: What zero is; None takes black, or RGB.
        compress: By deflate.
    """
    height, width, depth = samples.shape
    order = ">" if samples.dtype.byteorder == ">" else "<"
    data = zlib.compress(samples.tobytes()) if compress else samples.tobytes()
    number = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    tags = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [8 * samples.dtype.itemsize] * depth),
        259: ("H", [8 if compress else 1]),
        262: ("H", [(2 if depth > 2 else 1) if photometric is None else photometric]),
        273: ("I", [0]),
        277: ("H", [depth]),
        278: ("I", [height]),
        279: ("I", [len(data)]),
        339: ("H", [number] * depth),
    }
    if depth in (2, 4):
        tags[338] = ("H", [2])
    begin = 8 + 2 + 12 * len(tags) + 4
    long_values = b""
    entries = {}
    for tag, (letter, values) in sorted(tags.items()):
        packed = struct.pack(order + letter * len(values), *values)
        if len(packed) > 4:
            packed, long_values = struct.pack(order + "I", begin + len(long_values)), long_values + packed
        entries[tag] = (letter, len(values), packed.ljust(4, b"\0"))
    entries[273] = ("I", 1, struct.pack(order + "I", begin + len(long_values)))
    directory = b"".join(
        struct.pack(order + "HHI", tag, {"H": 3, "I": 4}[letter], count) + packed
        for tag, (letter, count, packed) in sorted(entries.items())
    )
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    return head + struct.pack(order + "H", len(tags)) + directory + b"\0\0\0\0" + long_values + data


def encoded(picture: Image.Image, name: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, name, **options)
    return file.getvalue()


def ramp(top: float, depth: int = 1) -> np.ndarray:
    """Return all steps from 0 to a top value, `[9, 10, depth]`."""
    return np.repeat(np.linspace(0, top, 90).reshape(9, 10, 1), depth, axis=2)


def folder_of(root: Path, **files: bytes) -> str:
    """Write two classes; each file lies in the first of them, and a plain one beside it."""
    for name in ("a", "b"):
        (root / name).mkdir()
        for index in range(2):
            Image.fromarray(RNG.integers(0, 256, (9, 10, 3), dtype=np.uint8)).save(
                root / name / f"{index}.png"
            )
    for name, content in files.items():
        (root / "a" / name.replace("_", ".")).write_bytes(content)
    return f"folder:{root}"


def grey_image(spec: str) -> np.ndarray:
    """Return the one image of a set that is grey."""
    dataset = load_dataset(spec, image_shape=SHAPE)
    everything = np.concatenate([dataset.train.images, dataset.test.images])
    grey = [image for image in everything if (image == image[..., :1]).all()]
    assert len(grey) == 1
    return grey[0]


@pytest.mark.parametrize("bits", [8, 9, 10, 12, 13, 14, 16])
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("write", [png16, lambda samples: tiff(samples.astype("<u2"))], ids=["png", "tiff"])
def test_any_number_of_used_bits_keeps_its_shades(
    tmp_path: Path, bits: int, depth: int, write: Callable[[np.ndarray], bytes]
) -> None:
    content = write(np.rint(ramp(2**bits - 1, depth)).astype(int))
    image = grey_image(folder_of(tmp_path, deep_png=content))
    even = bits + bits % 2
    np.testing.assert_allclose(image, ramp(255 * (2**bits - 1) / (2**even - 1), 3), atol=1)


@pytest.mark.parametrize("order", ["<u2", ">u2"])
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("depth", [1, 3, 4])
def test_deep_tiff_of_any_order_and_packing(order: str, compress: bool, depth: int) -> None:
    samples = ramp(4095, depth)
    samples[..., 3:] = 4095
    content = tiff(np.rint(samples).astype(order), compress=compress)
    np.testing.assert_allclose(decode(content, SHAPE, ranges=Ranges(bits=12)), ramp(255, 3), atol=1)


def test_two_images_of_a_set_are_scaled_alike_and_the_log_says_how(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    half, full = (png16(np.full((9, 10, 1), value)) for value in (2048, 4095))
    with caplog.at_level(logging.INFO):
        dataset = load_dataset(folder_of(tmp_path, half_png=half, full_png=full))
    everything = np.concatenate([dataset.train.images, dataset.test.images])
    uniform = sorted(int(image[0, 0, 0]) for image in everything if image.std() == 0)
    assert uniform == [128, 255]
    assert "its 16-bit images reach 4,095 at most and are read as of 12 bits" in caplog.text


def test_range_of_a_set_reaches_over_both_parts(tmp_path: Path) -> None:
    for part, value in (("train", 1000), ("test", 65535)):
        (tmp_path / part).mkdir()
        folder_of(tmp_path / part, deep_png=png16(np.full((9, 10, 1), value)))
    train = load_dataset(f"folder:{tmp_path}").train.images
    assert [int(image.max()) for image in train if image.std() == 0] == [4]


@pytest.mark.parametrize("top", [1.0, 1.0005, 255.0])
def test_floating_point_images_run_to_1_or_to_255(tmp_path: Path, top: float) -> None:
    content = tiff(ramp(top).astype("<f4"))
    image = grey_image(folder_of(tmp_path, deep_tif=content))
    np.testing.assert_allclose(image, ramp(255, 3), atol=1)


@pytest.mark.parametrize("top", [1.5, 12.0, 300.0, 4095.0])
def test_floating_point_images_of_another_range_are_refused_by_name(tmp_path: Path, top: float) -> None:
    with pytest.raises(StampError, match=rf"values reach {top:g}.*neither 0..1 nor 0..255 \(a/deep.tif\)"):
        load_dataset(folder_of(tmp_path, deep_tif=tiff(ramp(top).astype("<f4"))))


def not_a_number() -> np.ndarray:
    samples = ramp(1).astype("<f4")
    samples[0, 0] = np.nan
    return samples


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (not_a_number(), "values that are not finite"),
        (ramp(1).astype("<f4") - np.float32(0.5), "its values begin at -0.5"),
        (ramp(100).astype("<i2") - np.int16(5), "its values begin at -5"),
        (ramp(100).astype("i1"), "its 8-bit values are signed"),
        (ramp(2**32 - 1).astype("<u4"), "its values reach 4294967295, more than 16 bits"),
        (np.full((9, 10, 1), 3, "<u2"), "its values end at 3 where white is 65535, so it would be all black"),
        (np.full((9, 10, 1), 1e-4, "<f4"), "its values end at 0.0001 where white is 1"),
    ],
)
def test_values_without_a_meaning_are_refused(samples: np.ndarray, message: str) -> None:
    with pytest.raises(UnreadableImage, match=message):
        decode(tiff(samples), SHAPE)


def test_white_as_zero_is_turned_in_8_bits_and_refused_in_16() -> None:
    assert (decode(tiff(np.full((9, 10, 1), 3, np.uint8), photometric=0), SHAPE) == 252).all()
    with pytest.raises(UnreadableImage, match="its zero is white in more than 8 bits"):
        decode(tiff(np.full((9, 10, 1), 3000, "<u2"), photometric=0), SHAPE)


def test_an_image_that_the_set_makes_black_is_refused_by_name(tmp_path: Path) -> None:
    dark, bright = (png16(np.full((9, 10, 1), value)) for value in (3, 65535))
    with pytest.raises(
        StampError, match=r"a/dark.png cannot be decoded: its values end at 3 where white is 65535"
    ):
        load_dataset(folder_of(tmp_path, dark_png=dark, bright_png=bright))


def palette() -> Image.Image:
    image = Image.new("P", (10, 9), 0)
    image.putpalette([0, 0, 0, 200, 200, 200])
    return image


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (encoded(Image.new("RGBA", (10, 9), (0, 0, 0, 0)), "PNG"), 255),
        (encoded(Image.new("RGBA", (10, 9), (0, 0, 0, 128)), "PNG"), 127),
        (encoded(Image.new("LA", (10, 9), (0, 51)), "PNG"), 204),
        (encoded(palette(), "PNG", transparency=0), 255),
        (encoded(palette(), "PNG"), 0),
        (encoded(Image.new("L", (10, 9), 7), "PNG", transparency=7), 255),
        (png16(np.dstack([np.zeros((9, 10)), np.full((9, 10), 32768)]).astype(int)), 127),
        (encoded(Image.new("1", (10, 9), 1), "PNG"), 255),
        (encoded(Image.new("CMYK", (10, 9), (0, 0, 0, 255)), "TIFF"), 0),
        (encoded(Image.new("CMYK", (10, 9), (0, 0, 0, 0)), "JPEG"), 255),
        (b"P5\n10 9\n4095\n" + np.full(90, 4095, ">u2").tobytes(), 255),
        (b"P5\n10 9\n7\n" + bytes([7] * 90), 255),
    ],
    ids=[
        "clear", "half clear", "grey alpha", "clear palette", "palette", "clear grey", "deep alpha", "1 bit", "CMYK",
        "CMYK of JPEG", "PGM of 12 bits", "PGM of 3 bits",
    ],
)  # fmt: skip
def test_modes_of_8_bits_lie_over_white(content: bytes, expected: int) -> None:
    assert (decode(content, SHAPE) == expected).all()


def test_white_shapes_on_a_transparent_ground_are_refused() -> None:
    image = Image.new("RGBA", (10, 9), (255, 255, 255, 0))
    image.putpixel((3, 3), (255, 255, 255, 255))
    with pytest.raises(UnreadableImage, match="white on a transparent ground, so it would be all white"):
        decode(encoded(image, "PNG"), SHAPE)


def test_a_jpeg_is_resized_from_all_of_its_pixels() -> None:
    photograph = Image.fromarray(RNG.integers(0, 256, (90, 120, 3), dtype=np.uint8))
    content = encoded(photograph, "JPEG")
    whole = Image.open(io.BytesIO(content)).resize((SHAPE[1], SHAPE[0]), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(decode(content, SHAPE), np.asarray(whole))


def test_first_frame_of_an_animation_is_taken() -> None:
    frames = [Image.new("L", (10, 9), value) for value in (40, 200)]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (decode(content, SHAPE) == 40).all()


def test_a_picture_on_its_side_has_the_size_that_a_viewer_shows(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(2):
            pixels = RNG.integers(0, 256, (20, 10, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{index}.jpg", exif=exif)
    assert load_dataset(f"folder:{tmp_path}").image_shape == (10, 20, 3)


@pytest.mark.parametrize("name", ["EPS", "ICNS", "PDF", "TGA"])
def test_formats_that_no_suffix_stands_for_are_not_opened(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*arguments: object, **options: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr("subprocess.Popen.__init__", run)
    content = encoded(Image.new("RGB", (16, 16), "red"), name)
    with pytest.raises(StampError, match=r"a/x.jpg cannot be decoded: not an image of BMP"):
        load_dataset(folder_of(tmp_path, x_jpg=content), image_shape=SHAPE)


def test_a_suffix_of_another_known_format_is_no_matter() -> None:
    for name in ("BMP", "GIF", "PNG", "PPM", "TIFF"):
        assert (decode(encoded(Image.new("L", (10, 9), 9), name), SHAPE) == 9).all()


def test_decompression_bomb_is_one_line(tmp_path: Path) -> None:
    bomb = bytearray(png16(np.zeros((1, 1, 1), int)))
    bomb[16:24] = (60000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bytes(bomb[12:29])).to_bytes(4, "big")
    with pytest.raises(StampError, match=r"a/x.png cannot be decoded: .*decompression bomb") as caught:
        load_dataset(folder_of(tmp_path, x_png=bytes(bomb)), image_shape=SHAPE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP", "deep PNG", "deep TIFF"]
)
def test_a_damaged_picture_is_read_or_refused_in_one_line(name: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 10, 3), dtype=np.uint8)
    deep = {"deep PNG": png16(pixels.astype(int)), "deep TIFF": tiff(pixels.astype("<u2"))}
    content = deep.get(name) or encoded(Image.fromarray(pixels), name)
    rng = np.random.default_rng(1)
    for _ in range(60):
        damaged = bytearray(content)
        for position in rng.integers(0, len(content), 3):
            damaged[position] ^= int(rng.integers(1, 256))
        shape, problem = SHAPE, ""
        try:
            shape = decode(bytes(damaged[: rng.integers(1, 2 * len(content))]), SHAPE).shape
        except UnreadableImage as error:
            problem = str(error)
        assert shape == SHAPE
        assert "\n" not in problem
