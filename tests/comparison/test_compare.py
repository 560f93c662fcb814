"""Runs beside each other: what they share, what is refused, and the files that say it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from stamp_tf import compare
from stamp_tf.comparison.compare import Comparison
from stamp_tf.comparison.page import render_comparison, shared_channels, write_comparison
from stamp_tf.errors import StampError
from stamp_tf.quantities import points, share

SIZES = {"conv1": 4, "conv2": 8}
FIRST = {"conv1": [0, 1], "conv2": [0, 1, 2]}
SECOND = {"conv1": [1, 2], "conv2": [0, 1, 2, 3, 4, 5]}
THIRD = {"conv1": [1, 3], "conv2": [7]}


def write_run(path: Path, kept: dict, *, dataset: str = "digits", **masks: object) -> Path:
    """Write what of a pruned run is read for its masks."""
    path.mkdir(parents=True)
    config = {"command": "prune", "dataset": dataset, "method": "stamp", "max_flops": 0.5}
    backbone = {"name": "toy", "input_shape": [8, 8, 3], "num_classes": 3, "options": {"width": 1.0}}
    content = {"backbone": backbone, "reference": "0a1b2c3d", "sizes": SIZES, "kept": kept, **masks}
    path.joinpath("config.json").write_text(json.dumps(config))
    path.joinpath("masks.json").write_text(json.dumps(content))
    path.joinpath("model.keras").write_bytes(b"")
    return path


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    return lambda name, kept=FIRST, **content: write_run(tmp_path / name, kept, **content)


@pytest.fixture
def comparison(make_run) -> Comparison:
    return compare([make_run("a", FIRST), make_run("b", SECOND, dataset="signs <i>&"), make_run("c", THIRD)])


def test_every_pair_is_compared_layer_by_layer_and_as_a_whole(comparison: Comparison) -> None:
    assert [(pair.first, pair.second) for pair in comparison.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    pair = comparison.pairs[0]
    assert {layer.name: layer.iou for layer in pair.layers} == {"conv1": 1 / 3, "conv2": 0.5}
    assert pair.overall.iou == 4 / 9
    assert comparison.pair("c", "b") is comparison.pairs[2]


def test_json_says_all_that_was_counted(comparison: Comparison) -> None:
    content = json.loads(json.dumps(comparison.to_json(), allow_nan=False))
    assert content["runs"][0]["groups"] == [
        {"name": name, "size": size, "kept": FIRST[name]} for name, size in SIZES.items()
    ]
    assert content["runs"][1]["dataset"] == "signs <i>&"
    assert content["pairs"][0]["layers"][1] == {
        "name": "conv2",
        "channels": 8,
        "kept": [3, 6],
        "shared": 3,
        "iou": 0.5,
        "iou_by_chance": pytest.approx(2.25 / 6.75),
        "iou_at_most": 0.5,
    }
    assert (content["warnings"], content["swaps"]) == ([], [])


def test_sharing_is_shown_over_the_classes_that_runs_have_in_common(make_run) -> None:
    classes = {"a": ("cat", "dog"), "b": ("dog", "eel"), "c": ("ox", "yak")}
    kept = {"a": FIRST, "b": SECOND, "c": THIRD}
    comparison = compare([make_run(name, kept[name], class_names=classes[name]) for name in classes])
    assert {level.similarity: level.num_pairs for level in comparison.sharing} == {0: 2, 1: 1}
    assert comparison.sharing[1].iou == (1 / 3, 0.5)
    content = json.loads(json.dumps(comparison.to_json(), allow_nan=False))
    assert content["by_shared_classes"][1]["num_pairs"] == 1
    assert [len(layer["odds"]) for layer in content["by_votes"]] == [3, 3]
    text = render_comparison(comparison)
    assert "1 shared (1 pair)" in text
    assert "Of the channels that so many of 2 similar runs keep" in text


def test_names_that_do_not_tell_leave_votes_of_all_others(comparison: Comparison) -> None:
    assert comparison.sharing == ()
    assert "Of the channels that so many of 2 other runs keep" in render_comparison(comparison)


def test_other_classes_are_no_other_backbone(make_run) -> None:
    backbone = {"name": "toy", "input_shape": [8, 8, 3], "num_classes": 7, "options": {"width": 1.0}}
    assert compare([make_run("a"), make_run("b", backbone=backbone)]).pairs[0].overall.iou == 1.0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "oak"}, r"toy \(width 1.0, 12 channels in 2 layers\) and \S+/b of oak \(width 1.0, 12"),
        ({"options": {"width": 2.0}}, r"toy \(width 1.0, .* of toy \(width 2.0, "),
    ],
)
def test_another_backbone_is_refused_by_name(make_run, changes, words) -> None:
    backbone = {"name": "toy", "input_shape": [8, 8, 3], "num_classes": 3, "options": {"width": 1.0}}
    with pytest.raises(StampError, match=rf"must be of the same backbone, but \S+/a is of {words}"):
        compare([make_run("a"), make_run("b", backbone=backbone | changes)])


def test_layers_of_other_sizes_are_another_backbone(make_run) -> None:
    with pytest.raises(StampError, match=r"12 channels in 2 layers\) and .* 14 channels in 2 layers"):
        compare([make_run("a"), make_run("b", sizes={"conv1": 4, "conv2": 10})])


def test_one_run_is_not_enough(make_run) -> None:
    run = make_run("a")
    for runs in ([run], str(run)):
        with pytest.raises(StampError, match="must be given at least twice, but came once"):
            compare(runs)


def test_the_same_run_by_another_path_is_refused(make_run, tmp_path: Path) -> None:
    run = make_run("a")
    (tmp_path / "link").symlink_to(run)
    with pytest.raises(
        StampError, match=r"Each RUN must be another one, but \S+/a and \S+/link are the same"
    ):
        compare([run, tmp_path / "link"])


@pytest.mark.parametrize(
    "content",
    [
        {"kept": {"conv1": [0]}},
        {"kept": {"conv1": [0], "conv2": [8]}},
        {"kept": {"conv1": [], "conv2": [0]}},
        {"backbone": {"name": "toy"}},
        {"sizes": {}},
        {"sizes": None},
    ],
)
def test_damaged_masks_are_refused(make_run, content) -> None:
    with pytest.raises(StampError, match=r"b/masks.json must (hold|be JSON)"):
        compare([make_run("a"), make_run("b", **content)])


def test_folders_of_the_same_name_are_told_apart_by_their_paths(make_run, tmp_path: Path) -> None:
    comparison = compare([make_run("one/run"), make_run("two/run")])
    assert [run.label for run in comparison.runs] == [f"{tmp_path}/one/run", f"{tmp_path}/two/run"]


def test_other_references_are_a_warning(make_run, caplog) -> None:
    comparison = compare([make_run("a"), make_run("b", reference="ffffffff")])
    assert comparison.warnings == (
        "The runs are cut from different references (a of 0a1b2c3d, b of ffffffff), in which the same channel "
        "number means different things.",
    )
    assert caplog.messages == [f"Warning: {comparison.warnings[0]}"]
    assert comparison.warnings[0] in render_comparison(comparison)


def test_a_run_that_does_not_say_its_reference_is_a_warning(make_run) -> None:
    comparison = compare([make_run("a"), make_run("b", reference=None)])
    assert comparison.warnings[0].startswith("b does not say which reference")


def test_ticks_are_parted_by_who_else_kept_the_channel(comparison: Comparison) -> None:
    strips = {
        (layer.name, strip.label): strip for layer in shared_channels(comparison) for strip in layer.strips
    }

    def ticks(layer: str, run: str) -> list[list[str]]:
        return [re.findall(r"M(\d+) 0", path) for path, _ in strips[layer, run].ticks]

    assert ticks("conv1", "a") == [["1"], [], ["0"]]
    assert ticks("conv2", "b") == [[], ["0", "1", "2"], ["3", "4", "5"]]
    assert strips["conv2", "c"].num_own == 1
    assert len({colour for _, colour in strips["conv1", "a"].ticks}) == 3


def test_page_needs_nothing_from_outside_and_escapes_names(comparison: Comparison) -> None:
    text = render_comparison(comparison, command="stamp-tf compare a b c")
    assert not re.search(r"https?:|//\w|<script|<link|<img|@import|url\(", text)
    assert "signs &lt;i&gt;&amp;" in text
    assert "signs <i>" not in text
    assert "stamp-tf compare a b c" in text
    assert 'id="swaps"' not in text


def test_page_has_a_strip_per_layer_and_run_and_a_cell_per_layer_and_pair(comparison: Comparison) -> None:
    text = render_comparison(comparison)
    assert text.count("<svg ") == 2 * 3 + 1
    assert text.count('<td class="shade">') == (2 + 1) * 3


def test_files_hold_numbers_and_pictures(comparison: Comparison, tmp_path: Path) -> None:
    write_comparison(comparison, tmp_path / "new/out")
    content = json.loads((tmp_path / "new/out/compare.json").read_text())
    assert content["pairs"] == comparison.to_json()["pairs"]
    assert "Kept channels side by side" in (tmp_path / "new/out/compare.html").read_text()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]


def test_a_comparison_is_replaced_only_on_request(comparison: Comparison, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    write_comparison(comparison, folder, command="first")
    with pytest.raises(
        StampError, match=r"--output must be new or empty, but \S+/out is not; .* --overwrite"
    ):
        write_comparison(comparison, folder, command="second")
    write_comparison(comparison, folder, overwrite=True, command="second")
    assert "<pre>second</pre>" in (folder / "compare.html").read_text()


def test_overwriting_spares_what_is_not_a_comparison(comparison: Comparison, tmp_path: Path) -> None:
    write_comparison(comparison, tmp_path / "out")
    (tmp_path / "out/notes.txt").write_text("precious")
    with pytest.raises(
        StampError, match=r"only takes a folder that compare wrote, but \S+ also holds notes.txt"
    ):
        write_comparison(comparison, tmp_path / "out", overwrite=True)
    assert (tmp_path / "out/notes.txt").read_text() == "precious"


def test_a_file_is_no_output_folder(comparison: Comparison, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(StampError, match="--output must be a folder"):
        write_comparison(comparison, tmp_path / "out")


def test_a_failing_write_leaves_the_old_comparison(
    comparison: Comparison, tmp_path: Path, monkeypatch
) -> None:
    folder = tmp_path / "out"
    write_comparison(comparison, folder, command="old")
    before = {path: path.read_bytes() for path in folder.iterdir()}

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StampError, match=r"Cannot write .*/out: No space left on device"):
        write_comparison(comparison, folder, overwrite=True, command="new")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c", "out"]


@pytest.mark.parametrize(("part", "text"), [(1.0, "1.00"), (0.999, "0.99"), (0.444, "0.44"), (0.0, "0.00")])
def test_only_the_whole_is_said_to_be_one(part: float, text: str) -> None:
    assert share(part) == text


@pytest.mark.parametrize(("difference", "text"), [(0.0123, "+1.2"), (-0.2, "-20.0"), (-0.0001, "+0.0")])
def test_differences_have_a_sign(difference: float, text: str) -> None:
    assert points(difference) == text
