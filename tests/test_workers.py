"""Which of several processes this one is, by TF_CONFIG; what they then do stands in tests/training."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from stamp_tf.errors import StampError
from stamp_tf.workers import ALONE, Workers, join_workers, read_cluster

ADDRESSES = ["first:2222", "second:2222", "third:2222"]


def described(cluster: object, kind: str = "worker", index: object = 0) -> str:
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (described({"worker": ADDRESSES}, index=1), (ADDRESSES, 1)),
        (described({"chief": ADDRESSES[:1], "worker": ADDRESSES[1:]}, index=1), (ADDRESSES, 2)),
        (described({"chief": ADDRESSES[:1], "worker": ADDRESSES[1:]}, "chief"), (ADDRESSES, 0)),
        (described({"worker": ADDRESSES[:1]}), ((), 0)),
        ("", ((), 0)),
    ],
)
def test_the_chief_comes_first_in_a_cluster(
    monkeypatch: pytest.MonkeyPatch, text: str, found: object
) -> None:
    monkeypatch.setenv("TF_CONFIG", text)
    assert read_cluster() == found


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("worker 1 of 2", "is something else"),
        ("[]", "is something else"),
        (json.dumps({"cluster": [], "task": 3}), "is something else"),
        (described({"worker": ADDRESSES, "ps": ["fourth:2222"]}), "has the job 'ps'"),
        (described({"worker": ["first", "second:2222"]}), "has the address 'first'"),
        (described({"worker": [*ADDRESSES, ADDRESSES[0]]}), "has an address twice"),
        (described({"worker": ADDRESSES}, index=3), "says that this is worker 3, which its cluster has not"),
        (
            described({"worker": ADDRESSES}, index="0"),
            "says that this is worker 0, which its cluster has not",
        ),
        (described({"worker": ADDRESSES}, "evaluator"), "says that this is evaluator 0"),
    ],
)
def test_a_wrong_description_is_refused(monkeypatch: pytest.MonkeyPatch, text: str, what: str) -> None:
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(
        StampError, match=rf"TF_CONFIG must be like .*, but {what}.*; correct it, or unset it"
    ):
        join_workers()


def test_a_process_without_a_description_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert join_workers() is ALONE
    assert ALONE.tell(b"words") == b"words"


def test_uneven_shares_are_refused() -> None:
    Workers(3, 1).check_divides("batch_size", 12)
    with pytest.raises(
        StampError, match=r"--batch-size must be a multiple of .*, 3, but a step has 16; give --batch-size 15"
    ):
        Workers(3, 1).check_divides("batch_size", 16)


class Equal(Workers):
    """Three workers who all compute the same."""

    def __init__(self) -> None:
        super().__init__(3, 0)
        self.sums: list[int] = []

    def _sum(self, vector: keras.KerasTensor) -> keras.KerasTensor:
        self.sums.append(len(vector))
        return 3 * vector


def test_one_vector_carries_all_that_is_averaged() -> None:
    workers = Equal()
    gradients = [ops.ones((2, 3)), ops.full((4,), 2.0, dtype="bfloat16")]
    moved = {
        "variance": ops.full((1,), 5.0),
        "draws": ops.full((2,), 7, dtype="uint32"),
        "loss": ops.ones(()),
    }
    (first, second), means = workers.mean((gradients, moved))
    assert workers.sums == [2 * 3 + 4 + 1 + 1]
    np.testing.assert_array_equal(first, np.ones((2, 3)))
    np.testing.assert_array_equal(ops.cast(second, "float32"), np.full(4, 2.0))
    assert [keras.backend.standardize_dtype(one.dtype) for one in (second, means["draws"])] == [
        "bfloat16",
        "uint32",
    ]
    assert {name: float(np.asarray(value).ravel()[0]) for name, value in means.items()} == {
        "variance": 5.0,
        "draws": 7.0,
        "loss": 1.0,
    }
