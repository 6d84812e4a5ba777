"""What the parameters mean to the trainer."""

import numpy as np
import pytest

from skdopamine import DopamineMLPClassifier
from skdopamine._mlp.parameters import check_hidden_layer_sizes, full_schedule


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


@pytest.mark.parametrize(
    ("n_rows", "layers", "perturbation", "epochs"),
    [
        (100, (8,), "auto", 200),
        (100, (8, 8), "auto", 200),  # as many updates at least as one batch an epoch has
        (400, (8,), "auto", 152),
        (400, (8, 8), "auto", 100),
        (6400, (8,), "auto", 50),
        (6400, (8, 8), "node", 25),
        (6400, (8, 8, 8), "feedback", 25),
        (6400, (8, 8), "weight", 50),
    ],
)
def test_deep_nets_have_half_the_schedule(n_rows, layers, perturbation, epochs):
    model = DopamineMLPClassifier(layers, perturbation=perturbation)
    assert full_schedule(model, n_rows) == epochs
    assert full_schedule(model.set_params(max_iter=400), n_rows) in (2 * epochs - 1, 2 * epochs)
