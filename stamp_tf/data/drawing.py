"""One picture of a character or a traffic sign."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Colour = tuple[int, int, int]
Points = list[tuple[float, float]]

# Pixels are drawn three times finer than they are asked for.
_FINE = 3
_RED, _BLUE, _YELLOW = (185, 30, 35), (30, 75, 165), (235, 185, 40)
_WHITE, _BLACK, _GREY = (235, 235, 235), (25, 25, 25), (110, 110, 110)


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a sign is before something stands on it.

    Args:
        outline: A circle, a triangle on its side or its tip, a diamond, an octagon or a square.
        rim: Colour of the rim.
        face: Colour within.
        ink: Colour of the symbol.
    """

    outline: Literal["disc", "triangle", "yield", "diamond", "octagon", "square"]
    rim: Colour
    face: Colour
    ink: Colour


FORMS: dict[str, Form] = {
    "ban": Form(outline="disc", rim=_RED, face=_WHITE, ink=_BLACK),
    "order": Form(outline="disc", rim=_WHITE, face=_BLUE, ink=_WHITE),
    "end": Form(outline="disc", rim=_GREY, face=_WHITE, ink=_GREY),
    "warning": Form(outline="triangle", rim=_RED, face=_WHITE, ink=_BLACK),
    "yield": Form(outline="yield", rim=_RED, face=_WHITE, ink=_BLACK),
    "priority": Form(outline="diamond", rim=_WHITE, face=_YELLOW, ink=_BLACK),
    "stop": Form(outline="octagon", rim=_WHITE, face=_RED, ink=_WHITE),
    "notice": Form(outline="square", rim=_WHITE, face=_BLUE, ink=_WHITE),
}
SYMBOLS = ("nothing", "bar", "left", "right", "ahead", "exclamation", "number", "cross")
CHARACTERS = tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
CLASSES = (*CHARACTERS, *(f"{form} {symbol}" for form in FORMS for symbol in SYMBOLS))
"""Names of all classes."""


def draw(
    name: str, size: tuple[int, int], *, fonts: tuple[Path, ...], rng: np.random.Generator
) -> np.ndarray:
    """Return a picture of a class, uint8 `[height, width, 3]`.

    Args:
        name: One of `CLASSES`.
        size: Height and width.
        fonts: Files of fonts, one of which is drawn.
        rng: Decides everything that the class does not.
    """
    height, width = size
    side = _FINE * max(height, width)
    font = fonts[rng.integers(len(fonts))]
    layer, picture = Image.new("RGBA", (side, side)), _background(side, rng)
    if name in CHARACTERS:
        _character(layer, name, behind=picture, font=font, rng=rng)
    else:
        form, symbol = name.split()
        _sign(layer, FORMS[form], symbol, font=font, rng=rng)
    layer = layer.transform(
        layer.size, Image.Transform.PERSPECTIVE, _perspective(side, rng), Image.Resampling.BILINEAR
    )
    picture.paste(layer, mask=layer)
    picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.6 * _FINE)))
    pixels = np.asarray(picture.resize((width, height), Image.Resampling.BOX), "float32")
    # Light of the day: how much of it, of which colour, and the grain of the camera.
    light = np.exp(rng.uniform(-0.9, 0.35)) * np.exp(rng.normal(0, 0.06, 3))
    pixels = (pixels - 128) * rng.uniform(0.45, 1.1) + 128 + rng.normal(0, 20)
    pixels = pixels * light + rng.normal(0, rng.uniform(0, 8), pixels.shape)
    return np.clip(np.rint(pixels), 0, 255).astype("uint8")


def _character(
    layer: Image.Image, name: str, *, behind: Image.Image, font: Path, rng: np.random.Generator
) -> None:
    """Draw a character, often with parts of others beside it, as on a house or a number plate."""
    side = layer.width
    drawing = ImageDraw.Draw(layer)
    height = int(side * rng.uniform(0.6, 0.95))
    ground = np.asarray(behind, float).mean((0, 1))
    if rng.random() < 0.5:
        ground = rng.uniform(0, 255, 3)
        drawing.rectangle((0, 0, side, side), fill=(*_jittered(ground, rng), 255))
    # Far enough from what it stands on to be read.
    away = np.where(ground < 128, 1.0, -1.0) if rng.random() < 0.7 else rng.choice([-1.0, 1.0], 3)
    ink = _jittered(ground + away * rng.uniform(70, 200), rng)
    pen = _Pen(drawing=drawing, ink=ink, font=font, rng=rng)
    middle = side / 2 + rng.normal(0, 0.04 * side, 2)
    step = height * rng.uniform(0.55, 0.75)
    for offset in (-1, 1):
        if rng.random() < 0.5:
            other = CHARACTERS[rng.integers(10)]
            pen.write(other, middle + np.array([offset * step, 0]), height=height)
    pen.write(name, middle, height=height)


def _sign(layer: Image.Image, form: Form, symbol: str, *, font: Path, rng: np.random.Generator) -> None:
    side = layer.width
    drawing = ImageDraw.Draw(layer)
    radius = side * rng.uniform(0.34, 0.47)
    middle = side / 2 + rng.normal(0, 0.03 * side, 2)
    rim, face, ink = (_jittered(colour, rng) for colour in (form.rim, form.face, form.ink))
    for share, colour in ((1.0, rim), (rng.uniform(0.72, 0.86), face)):
        drawing.polygon(_outline(form.outline, middle, share * radius), fill=(*colour, 255))
    # What points down or is a triangle has less room, and its middle elsewhere.
    room = radius * {"triangle": 0.42, "yield": 0.42}.get(form.outline, 0.58)
    shift = {"triangle": 0.18, "yield": -0.18}.get(form.outline, 0.0) * radius
    _SYMBOLS[symbol](_Pen(drawing=drawing, ink=ink, font=font, rng=rng), middle + np.array([0, shift]), room)


def _outline(kind: str, middle: np.ndarray, radius: float) -> Points:
    corners, turn = {
        "disc": (40, 0.0),
        "triangle": (3, -90.0),
        "yield": (3, 90.0),
        "diamond": (4, 0.0),
        "octagon": (8, 22.5),
        "square": (4, 45.0),
    }[kind]
    angles = np.radians(turn + 360 / corners * np.arange(corners))
    return [(middle[0] + radius * math.cos(angle), middle[1] + radius * math.sin(angle)) for angle in angles]


@dataclass(frozen=True, kw_only=True)
class _Pen:
    drawing: ImageDraw.ImageDraw
    ink: Colour
    font: Path
    rng: np.random.Generator

    def write(self, text: str, at: np.ndarray, *, height: int) -> None:
        font = _font(self.font, height)
        self.drawing.text((at[0], at[1]), text, font=font, fill=(*self.ink, 255), anchor="mm")


Symbol = Callable[[_Pen, np.ndarray, float], None]
"""Draws at a point, with so many pixels of room on every side."""


def _nothing(pen: _Pen, at: np.ndarray, room: float) -> None:
    """Leave the face bare."""


def _bar(pen: _Pen, at: np.ndarray, room: float) -> None:
    pen.drawing.rectangle(
        (at[0] - room, at[1] - 0.25 * room, at[0] + room, at[1] + 0.25 * room), fill=(*pen.ink, 255)
    )


def _arrow(turn: float) -> Symbol:
    shape = np.array([(-1, -0.18), (0.1, -0.18), (0.1, -0.6), (1, 0), (0.1, 0.6), (0.1, 0.18), (-1, 0.18)])
    angle = math.radians(turn)
    turned = shape @ np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])

    def symbol(pen: _Pen, at: np.ndarray, room: float) -> None:
        pen.drawing.polygon([tuple(at + room * point) for point in turned], fill=(*pen.ink, 255))

    return symbol


def _cross(pen: _Pen, at: np.ndarray, room: float) -> None:
    for sign in (-1, 1):
        ends = (at[0] - room, at[1] - sign * room, at[0] + room, at[1] + sign * room)
        pen.drawing.line(ends, fill=(*pen.ink, 255), width=max(1, int(0.35 * room)))


def _written(choices: tuple[str, ...]) -> Symbol:
    def symbol(pen: _Pen, at: np.ndarray, room: float) -> None:
        text = choices[pen.rng.integers(len(choices))]
        height = int(room * (2.0 if len(text) == 1 else 1.7 if len(text) == 2 else 1.25))
        pen.write(text, at, height=height)

    return symbol


_SYMBOLS: dict[str, Symbol] = {
    "nothing": _nothing,
    "bar": _bar,
    "left": _arrow(180),
    "right": _arrow(0),
    "ahead": _arrow(-90),
    "exclamation": _written(("!",)),
    "number": _written(tuple(str(number) for number in range(10, 140, 10))),
    "cross": _cross,
}


@lru_cache(maxsize=2000)
def _font(path: Path, height: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), height)


def _jittered(colour: ArrayLike, rng: np.random.Generator) -> Colour:
    red, green, blue = np.clip(np.array(colour) + rng.normal(0, 18, 3), 0, 255).astype(int)
    return int(red), int(green), int(blue)


def _background(side: int, rng: np.random.Generator) -> Image.Image:
    """Return coarse clouds of colour, with a few hard edges."""
    cells = int(rng.integers(2, 7))
    base, spread = rng.uniform(20, 230, 3), rng.uniform(5, 70)
    clouds = np.clip(base + rng.normal(0, spread, (cells, cells, 3)), 0, 255).astype("uint8")
    picture = Image.fromarray(clouds).resize((side, side), Image.Resampling.BICUBIC)
    drawing = ImageDraw.Draw(picture)
    for _ in range(rng.integers(0, 4)):
        ends = tuple(float(value) for value in rng.uniform(-0.2 * side, 1.2 * side, 4))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        drawing.line(ends, fill=colour, width=int(rng.integers(1, side // 5)))
    return picture


def _perspective(side: int, rng: np.random.Generator) -> list[float]:
    """Return the eight numbers by which Pillow looks at a square from somewhere else."""
    corners = np.array([(0, 0), (side, 0), (side, side), (0, side)], float)
    angle = rng.normal(0, 0.12)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    seen = (
        (corners - side / 2) @ turn * rng.uniform(0.85, 1.1) + side / 2 + rng.normal(0, 0.05 * side, (4, 2))
    )
    rows, values = [], []
    for (x, y), (u, v) in zip(seen, corners, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return [float(value) for value in np.linalg.solve(np.array(rows), np.array(values))]
