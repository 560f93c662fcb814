"""Files of pictures that Pillow can read and not write: deep PNG and TIFF of every kind of number."""

import struct
import zlib

import numpy as np

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
