"""The network's passes against plain loops over layers and members."""

import numpy as np
import pytest
from scipy import sparse

from skdopamine._mlp import network as _network
from skdopamine._mlp.activations import ACTIVATIONS
from skdopamine._mlp.network import Network

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 5)) * (RNG.random((6, 5)) < 0.7)


def network(name: str = "tanh", hidden: tuple[int, ...] = (7, 4)) -> Network:
    return Network((5, *hidden, 3), (ACTIVATIONS[name],) * len(hidden))


def output_by_hand(net: Network, params: np.ndarray) -> np.ndarray:
    weights, biases = _network.unpack(net, params)
    h = X
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        h = h @ w + b
        if layer < len(net.activations):
            h = net.activations[layer].function(h)
    return h


def params_of(net: Network) -> np.ndarray:
    return _network.init_params(net, 6.0, np.random.default_rng(1), np.float64)


@pytest.mark.parametrize("hidden", [(), (7,), (7, 4)])
def test_forward_and_trace_agree_with_the_definition(hidden):
    net = network(hidden=hidden)
    params = params_of(net)
    expected = output_by_hand(net, params)
    np.testing.assert_allclose(_network.forward(net, params, X), expected, atol=1e-14)
    np.testing.assert_allclose(_network.trace(net, params, X).output, expected, atol=1e-14)
    np.testing.assert_allclose(_network.forward(net, params, sparse.csr_array(X)), expected, atol=1e-14)


def test_pack_inverts_unpack_and_views_share_memory():
    net = network()
    params = params_of(net)
    weights, biases = _network.unpack(net, params)
    np.testing.assert_array_equal(_network.pack(weights, biases), params)
    assert len(params) == _network.n_parameters(net) == 5 * 7 + 7 * 4 + 4 * 3 + 7 + 4 + 3
    weights[1][0, 0] = 42
    assert 42 in params


@pytest.mark.parametrize("matrix", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("hidden", [(), (7,), (7, 4)])
def test_population_is_the_networks_one_by_one(hidden, matrix):
    net = network(hidden=hidden)
    params = params_of(net)
    directions = RNG.choice([-1.0, 1.0], (3, len(params)))
    outputs = _network.forward_pairs(net, params, directions, 0.1, matrix(X))
    for member, direction in enumerate(directions):
        for sign, side in ((1, 0), (-1, 1)):
            expected = output_by_hand(net, params + sign * 0.1 * direction)
            np.testing.assert_allclose(outputs[side, member], expected, atol=1e-13)


def test_population_bits_do_not_depend_on_who_else_is_in_it():
    net = network()
    params = params_of(net)
    directions = RNG.choice([-1.0, 1.0], (5, len(params)))
    whole = _network.forward_pairs(net, params, directions, 0.1, X)
    for member in range(5):
        alone = _network.forward_pairs(net, params, directions[member : member + 1], 0.1, X)
        np.testing.assert_array_equal(alone[:, 0], whole[:, member])


@pytest.mark.parametrize("groups", [1, 2, 3, 7])
def test_grouped_product_sums_to_the_whole_product(groups):
    moved, weight = RNG.normal(size=(6, 7)), RNG.normal(size=(7, 3))
    parts = _network.grouped_product(moved, weight, groups)
    np.testing.assert_allclose(parts.sum(axis=0), moved @ weight, atol=1e-13)
    np.testing.assert_allclose(parts[0], moved[:, : -(-7 // groups)] @ weight[: -(-7 // groups)], atol=1e-13)


def test_moved_outputs_is_a_forward_pass_with_moved_biases():
    net = network()
    params = params_of(net)
    shift = RNG.normal(size=4)
    moved = _network.moved_outputs(
        net, *_network.unpack(net, params), _network.trace(net, params, X), 1, np.broadcast_to(shift, (1, 6, 4))
    )
    for side, sign in enumerate((1, -1)):
        changed = params.copy()
        _network.unpack(net, changed)[1][1][...] += sign * shift
        np.testing.assert_allclose(moved[side, 0], output_by_hand(net, changed), atol=1e-13)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_response_is_the_central_difference(name):
    activation, z = ACTIVATIONS[name], np.linspace(-2, 2, 401)
    for scale in (1e-2, 0.5):
        expected = (activation.function(z + scale) - activation.function(z - scale)) / (2 * scale)
        np.testing.assert_allclose(activation.response(z, scale), expected, atol=1e-12)
        if activation.audible is not None:
            np.testing.assert_array_equal(
                activation.audible(activation.response(z, scale), np.empty_like(z)), expected != 0
            )


def test_hard_units_have_two_values():
    z = np.array([-2.0, -1e-9, 0.0, 1e-9, 2.0])
    np.testing.assert_array_equal(ACTIVATIONS["step"].function(z), [0, 0, 0, 1, 1])
    np.testing.assert_array_equal(ACTIVATIONS["sign"].function(z), [-1, -1, -1, 1, 1])


def test_initial_parameters_fill_their_range():
    net = network(hidden=(400,))
    weights, biases = _network.unpack(net, _network.init_params(net, 6.0, np.random.default_rng(0), np.float32))
    for bound, weight in zip(_network.init_bounds(net, 6.0), weights, strict=True):
        assert 0.98 * bound < np.abs(weight).max() <= bound
    assert _network.init_bounds(net, 6.0)[0] == pytest.approx(np.sqrt(6 / 405))
    assert biases[0].dtype == np.float32
