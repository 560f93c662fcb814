"""Files, folders and patterns become pictures, in the order given; what is not there is refused."""

import logging
from pathlib import Path

import pytest

from stamp_tf.errors import StampError
from stamp_tf.serving.pictures import find_pictures


def test_folders_are_gone_through_and_sorted(pictures: Path) -> None:
    found = find_pictures([pictures])
    assert [path.relative_to(pictures).as_posix() for path in found] == ["a.png", "b.jpg", "below/c.png"]


def test_the_order_is_that_of_the_arguments(pictures: Path) -> None:
    found = find_pictures([str(pictures / "below"), pictures / "a.png", pictures / "*.jpg"])
    assert [path.name for path in found] == ["c.png", "a.png", "b.jpg"]


def test_a_pattern_reaches_folders_below(pictures: Path) -> None:
    assert [path.name for path in find_pictures([pictures / "**/*.png"])] == ["a.png", "c.png"]


def test_a_file_named_like_a_pattern_is_meant_itself(pictures: Path) -> None:
    odd = pictures / "[ab].png"
    odd.write_bytes((pictures / "a.png").read_bytes())
    assert find_pictures([odd]) == [odd]


@pytest.mark.parametrize("name", ["  ", "a.png "])
def test_a_name_with_blanks_around_is_shown_between_quotes(name: str) -> None:
    with pytest.raises(StampError, match=f"nothing is at '{name}';"):
        find_pictures([name])


@pytest.mark.parametrize("name", ["nothing.png", "*.gif", "nowhere/*"])
def test_what_is_not_there_is_refused(pictures: Path, name: str) -> None:
    with pytest.raises(StampError, match="PICTURES must be there, but nothing is at"):
        find_pictures([pictures / "a.png", pictures / name])


def test_no_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StampError, match=r"but the folder .* holds none"):
        find_pictures([tmp_path])
    with pytest.raises(StampError, match="must name a picture, but are none"):
        find_pictures([])
    with pytest.raises(StampError, match="but one is empty"):
        find_pictures([""])


def test_types_that_are_not_read_are_said(pictures: Path, caplog: pytest.LogCaptureFixture) -> None:
    (pictures / "phone.heic").write_bytes(b"a picture")
    with caplog.at_level(logging.WARNING):
        assert len(find_pictures([pictures])) == 3
    assert "1 picture is left out, of types that are not read, such as" in caplog.text
