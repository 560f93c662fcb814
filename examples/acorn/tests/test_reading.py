"""What was written comes back as a network."""

from acorn.arrays import export_arrays
from acorn.reading import read_arrays
from stamp_tf.testing import check_reader


def test_it_is_a_reader():
    check_reader(read_arrays, export=export_arrays, suffix=".npz")
