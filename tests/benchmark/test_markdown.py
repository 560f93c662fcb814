import pytest

from library.markdown import mean_and_deviation, table


def test_table_has_a_line_per_row():
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"must have 2 cells, but got \['1'\]"):
        table(["a", "b"], [["1"]])


@pytest.mark.parametrize(
    ("values", "text"), [([], "-"), ([1.0], "1.0"), ([1.0, 3.0], "2.0 ± 1.4"), ([2.0, 2.0], "2.0 ± 0.0")]
)
def test_deviation_is_that_of_the_sample(values, text):
    assert mean_and_deviation(values) == text
