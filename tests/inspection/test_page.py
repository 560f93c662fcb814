"""The page of an inspection: whole, escaped, well formed, and never over another file by accident."""

import re
from html.parser import HTMLParser
from pathlib import Path

import keras
import pytest
from keras import layers

from stamp_tf.errors import StampError
from stamp_tf.inspection.inspect import Inspection, inspect
from stamp_tf.inspection.page import render_inspection, write_inspection

VOID = {"meta", "br", "wbr", "link", "img", "hr", "input"}


class Nesting(HTMLParser):
    """Reads a page and fails where an element is closed that is not the one open; gathers text and titles."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Elements of SVG close themselves."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def parsed(page: str) -> Nesting:
    nesting = Nesting()
    nesting.feed(page)
    nesting.close()
    assert nesting.open == []
    return nesting


@pytest.fixture
def odd_names() -> Inspection:
    """Names that a careless page would take for markup, a tied group, and a layer that stands in the way."""
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, padding="same", name="a<b>&c")(image)
    x = layers.Add(name="sum")([x, layers.Conv2D(4, 3, padding="same", name='"quoted"')(x)])
    x = layers.LayerNormalization(name="norm[<i>]")(layers.Conv2D(5, 3, name="the_last")(x))
    x = layers.GlobalAveragePooling2D()(x)
    return inspect(keras.Model(image, layers.Dense(3, name="head")(x), name="odd<h1>"))


def test_the_page_is_well_formed_and_names_every_group(odd_names: Inspection) -> None:
    page = render_inspection(odd_names)
    texts = parsed(page).texts
    assert {group.name for group in odd_names.groups} == {"a<b>&c"}
    for name in ("a<b>&c", '"quoted"', "norm[<i>]", "odd<h1>", "a<b>&c, "):
        assert any(name.strip(", ") in text for text in texts), name
    assert "a&lt;b&gt;&amp;c" in page
    assert "a<b>" not in page


def test_the_page_needs_nothing_else(odd_names: Inspection) -> None:
    page = render_inspection(odd_names)
    assert not re.search(r"<script|<link|<img|https?:|@import|url\(", page)
    assert "prefers-color-scheme: dark" in page


def test_reasons_stand_in_their_table_and_at_the_layers(odd_names: Inspection) -> None:
    page = render_inspection(odd_names)
    assert "kept-whole" in parsed(page).ids
    assert page.count("its mean and variance run over all channels") == 3
    (tied,) = re.findall(r"makes group .*, 4 channels, tied with &#34;quoted&#34;", page)
    assert "a&lt;b&gt;&amp;c" in tied


def test_a_network_without_anything_to_prune_has_a_page() -> None:
    image = keras.Input((4, 4, 3), name="image")
    inspection = inspect(keras.Model(image, layers.GlobalAveragePooling2D(name="pool")(image)))
    nesting = parsed(render_inspection(inspection))
    assert "groups" not in nesting.ids
    assert "kept-whole" not in nesting.ids


def test_a_page_in_its_place_needs_overwrite(odd_names: Inspection, tmp_path: Path) -> None:
    path = tmp_path / "new/groups.html"
    write_inspection(odd_names, path)
    before = path.read_bytes()
    with pytest.raises(StampError, match=r"--html must be new, but .*groups.html is there; .*--overwrite"):
        write_inspection(odd_names, path, command="again")
    assert path.read_bytes() == before
    write_inspection(odd_names, path, overwrite=True, command="again")
    assert "<pre>again</pre>" in path.read_text()
    assert [entry.name for entry in path.parent.iterdir()] == ["groups.html"]


def test_only_pages_are_written(odd_names: Inspection, tmp_path: Path) -> None:
    with pytest.raises(StampError, match=r"--html must end in .html, but is .*model.keras"):
        write_inspection(odd_names, tmp_path / "model.keras", overwrite=True)
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(StampError, match=r"--html must be a file, but .*folder.html is a folder"):
        write_inspection(odd_names, tmp_path / "folder.html", overwrite=True)
    (tmp_path / "file").write_text("x")
    with pytest.raises(StampError, match=r"Cannot write .*groups.html: "):
        write_inspection(odd_names, tmp_path / "file/groups.html")
