"""What the parameters mean to the trainer."""

import numpy as np
import pytest

from skdopamine._mlp.parameters import check_hidden_layer_sizes


@pytest.mark.parametrize(
    ("value", "sizes"),
    [(3, (3,)), (np.int64(3), (3,)), ((), ()), ([4, 2], (4, 2)), (np.array([4, 2]), (4, 2)), (range(1, 3), (1, 2))],
)
def test_hidden_layer_sizes_are_a_tuple_of_int(value, sizes):
    found = check_hidden_layer_sizes(value)
    assert found == sizes
    assert all(type(size) is int for size in found)


@pytest.mark.parametrize("value", [0, -1, [3, 0], [2.0], ["3"], [True], [[3]]])
def test_bad_hidden_layer_sizes_are_named(value):
    with pytest.raises(ValueError, match="hidden_layer_sizes must be a positive integer or a sequence of them, got"):
        check_hidden_layer_sizes(value)
