"""States on disk: whole or refused."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from stamp_tf.errors import StampError
from stamp_tf.storage.checkpoints import (
    assign_optimizer,
    load_last_step,
    load_metadata,
    load_state,
    optimizer_arrays,
    save_state,
    save_step,
)

ARRAYS = {
    "model/conv/kernel": np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype("float32"),
    "count": np.array(7),
    "empty": np.zeros((0, 2)),
    "state": np.array([1, 2**32 - 1], "uint32"),
}
METADATA = {"backbone": "vgg19", "nested": {"rate": 0.1, "names": ["é", "b"]}, "nothing": None}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_state(tmp_path / "folder" / "state.npz", ARRAYS, METADATA)
    return tmp_path / "folder" / "state.npz"


def test_what_was_saved_is_what_is_loaded(path: Path) -> None:
    arrays, metadata = load_state(path)
    assert metadata == METADATA
    assert arrays.keys() == ARRAYS.keys()
    for name, value in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], value)
        assert arrays[name].dtype == value.dtype


def test_the_description_is_read_alone(path: Path) -> None:
    assert load_metadata(path) == METADATA


def test_nothing_but_the_file_is_left(path: Path) -> None:
    save_state(path, {}, {"second": True})
    assert [entry.name for entry in path.parent.iterdir()] == ["state.npz"]
    assert load_state(path) == ({}, {"second": True})


def test_a_failed_write_leaves_the_old_state(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(
        StampError, match=r"Cannot write .*state.npz: No space left on device; free some space"
    ):
        save_state(path, {}, {"second": True})
    assert [entry.name for entry in path.parent.iterdir()] == ["state.npz"]
    assert load_state(path)[1] == METADATA


def test_what_no_json_can_hold_is_refused_before_writing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        save_state(tmp_path / "state.npz", {}, {"array": np.zeros(2)})
    assert not (tmp_path / "state.npz").exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        StampError, match=r"A checkpoint must exist, but there is no .*none\.npz; check --from"
    ):
        load_state(tmp_path / "none.npz")


@pytest.mark.parametrize("fraction", [0, 0.001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.999])
def test_truncated_files_are_refused(path: Path, fraction: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(fraction * len(data))])
    with pytest.raises(StampError, match=r"must be a complete file that stamp-tf wrote, but .* is truncated"):
        load_state(path)


def test_damaged_files_are_refused_or_read_right(path: Path) -> None:
    """A flipped byte that changes no content, such as a date's, may pass; anything else has to be noticed."""
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for position in rng.permutation(len(data))[:400]:
        damaged = bytearray(data)
        damaged[position] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(damaged))
        try:
            arrays, metadata = load_state(path)
        except StampError:
            refused += 1
            continue
        assert metadata == METADATA
        for name, value in arrays.items():
            np.testing.assert_array_equal(value, ARRAYS.get(name, value))
    assert refused > 200


def write_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", "{}")


def write_object(path: Path) -> None:
    np.savez(path, metadata=np.array([{"format": "stamp-tf-1"}], object))


FOREIGN = {
    "text": lambda path: path.write_text("not a checkpoint"),
    "one array": lambda path: np.save(path.open("wb"), np.zeros(3)),
    "pickle": lambda path: np.save(path.open("wb"), np.array([{}], object), allow_pickle=True),
    "pickled description": write_object,
    "npz without description": lambda path: np.savez(path, x=np.zeros(3)),
    "npz with another description": lambda path: np.savez(path, metadata=np.zeros(3)),
    "description that is no text": lambda path: np.savez(path, metadata=np.array([255, 254], "uint8")),
    "another zip": write_zip,
    "folder": lambda path: path.mkdir(),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_files_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "foreign.npz"
    FOREIGN[kind](path)
    with pytest.raises(StampError, match=r"must be a complete file that stamp-tf wrote, but .* is truncated"):
        load_state(path)


@pytest.mark.parametrize("description", [{}, {"format": "stamp-tf-99"}, [], 3])
def test_another_format_is_refused(tmp_path: Path, description: object) -> None:
    np.savez(tmp_path / "other.npz", metadata=np.frombuffer(json.dumps(description).encode(), np.uint8))
    with pytest.raises(
        StampError, match=r"must be of the format stamp-tf-1, but .*other\.npz is not; make it anew"
    ):
        load_state(tmp_path / "other.npz")


def test_the_last_two_steps_are_kept(tmp_path: Path) -> None:
    assert load_last_step(tmp_path) is None
    for step in (9, 10, 100):
        save_step(tmp_path, step, arrays={"x": np.array(step)}, metadata={"note": "n"})
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["step-00000010.npz", "step-00000100.npz"]
    arrays, metadata = load_last_step(tmp_path)
    assert arrays["x"] == 100
    assert metadata == {"note": "n", "step": 100}


def test_a_damaged_last_step_falls_back_to_the_one_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for step in (1, 2):
        save_step(tmp_path, step, arrays={}, metadata={})
    (tmp_path / "step-00000002.npz").write_bytes(b"")
    assert load_last_step(tmp_path) == ({}, {"step": 1})
    (line,) = caplog.messages
    assert line.startswith("Warning: ")
    assert "step-00000002.npz is damaged; going on from the state before it, step-00000001.npz" in line


def test_a_state_that_a_kill_left_too_many_goes(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save_state(tmp_path / f"step-{step:08d}.npz", {}, {"step": step})
    load_last_step(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000002.npz", "step-00000003.npz"]


def test_a_state_that_does_not_count_its_steps_is_damaged(tmp_path: Path) -> None:
    save_step(tmp_path, 1, arrays={}, metadata={})
    save_state(tmp_path / "step-00000002.npz", {}, {"step": "two"})
    assert load_last_step(tmp_path) == ({}, {"step": 1})


def test_states_that_are_all_damaged_are_refused(tmp_path: Path) -> None:
    for step in (1, 2):
        save_step(tmp_path, step, arrays={}, metadata={})
        (tmp_path / f"step-{step:08d}.npz").write_bytes(b"")
    with pytest.raises(StampError, match=r"step-00000001\.npz is truncated"):
        load_last_step(tmp_path)


def test_an_optimizers_state_is_carried_over() -> None:
    def make() -> tuple[keras.Variable, keras.optimizers.Optimizer]:
        variable, optimizer = keras.Variable([1.0, 2.0]), keras.optimizers.Adam(0.1)
        optimizer.build([variable])
        return variable, optimizer

    first, optimizer = make()
    for _ in range(3):
        optimizer.apply([keras.ops.convert_to_tensor([0.3, -0.1])], [first])
    second, twin = make()
    assign_optimizer("adam", twin, optimizer_arrays("adam", optimizer))
    second.assign(first)
    for variable, one in ((first, optimizer), (second, twin)):
        one.apply([keras.ops.convert_to_tensor([0.2, 0.2])], [variable])
    np.testing.assert_array_equal(first, second)


def test_an_optimizers_missing_state_is_named() -> None:
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build([keras.Variable([1.0])])
    with pytest.raises(StampError, match=r"must hold the optimizer's sgd/0 of shape \(\), but it does not"):
        assign_optimizer("sgd", optimizer, {})
