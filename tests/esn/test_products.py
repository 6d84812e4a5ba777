"""Products of the channels of a row."""

import numpy as np
import pytest

from skdopamine._esn.products import n_products, with_products

LAST = np.array([[2.0, 3.0], [-1.0, 5.0]])
PAST = np.array([[7.0], [8.0]])


def test_products_by_hand():
    np.testing.assert_array_equal(with_products(PAST, LAST, 2), [[7, 4, 6, 9], [8, 1, -5, 25]])
    np.testing.assert_array_equal(
        with_products(PAST, LAST, 3), [[7, 4, 6, 9, 8, 12, 18, 27], [8, 1, -5, 25, -1, 5, -25, 125]]
    )


def test_of_degree_one_there_is_none():
    assert with_products(PAST, LAST, 1) is PAST


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("n_channels", [1, 2, 5])
def test_there_are_as_many_as_are_counted(n_channels, degree):
    found = with_products(np.zeros((3, 4, 2)), np.ones((3, 4, n_channels)), degree)
    assert found.shape == (3, 4, 2 + n_products(n_channels, degree))
