"""What classifier and regressor share of the scikit-learn contract."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted, validate_data

from skdopamine._estimator.base import DopamineEstimator
from skdopamine._estimator.callbacks import CallbackSupportMixin
from skdopamine._estimator.history import History
from skdopamine._estimator.validation import check_in_memory, check_monotonic_cst
from skdopamine._mlp import bridge as _bridge
from skdopamine._mlp import network as _network
from skdopamine._mlp.activations import check_rising, layer_activations
from skdopamine._mlp.network import Network
from skdopamine._mlp.parameters import CONSTRAINTS, check_hidden_layer_sizes
from skdopamine._mlp.signs import check_signs, make_signs
from skdopamine._mlp.sound import check_layers, check_network, check_training, check_weights
from skdopamine._mlp.training import Training
from skdopamine._mlp.units import Units
from skdopamine._objectives.registry import LossOptions
from skdopamine._objectives.tasks import View
from skdopamine._typing import Array

MOST_PARAMETERS = 2**31  # of a network: 16 GB in float64, several times
PREDICT_ROWS = 4000  # predicted at once


class DopamineMLP(CallbackSupportMixin, DopamineEstimator, ABC):
    """What classifier and regressor share with every estimator, and what they have to say of themselves."""

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS

    _learns: ClassVar[str] = "loss"  # the parameter that says what is learnt
    _functions: ClassVar[tuple[str, ...]]  # that outputs may have
    _training: Training

    # where an estimator lacks these parameters:
    monotonic_cst: Any = None
    dale: bool = False

    @property
    def _history(self) -> History:
        return self._training.history

    def _learnt(self) -> str:
        return f"{self._learns}={getattr(self, self._learns)!r}"

    def _check_classes(self, y: Any, classes: Any, *, fresh: bool, whole: bool) -> None:
        """Check the classes of y, and learn them with `fresh`; with `whole`, y has all rows."""

    @abstractmethod
    def _encode(self, y: Any) -> Array:
        """Check y against the task and turn it into numeric targets (n, outputs)."""

    @abstractmethod
    def _task(self) -> str:
        """Kind of the target: "binary", "multiclass", "multilabel" or "regression"."""

    @abstractmethod
    def _out_activation(self, units: Units) -> str:
        """Name of the function of the outputs."""

    @abstractmethod
    def _publish(self, output: Array) -> Array:
        """Probabilities or values of outputs, all in the user's units."""

    @abstractmethod
    def _view(self, units: Units) -> View:
        """How the user sees the targets and outputs of training."""

    def _check_continued(self) -> None:
        """Refuse parameters that do not suit the model that is being continued."""

    def _check_constraints(self) -> npt.NDArray[np.int8] | None:
        """Constraints (n_features,) of the features, None where all are free."""
        constraints = check_monotonic_cst(self, self.monotonic_cst)
        if constraints is not None:
            check_rising(self.activation)
        return constraints

    def _make_network(self, n_inputs: int, n_outputs: int) -> Network:
        """The layout of the network, and the signs that its weights must have."""
        hidden = check_hidden_layer_sizes(self.hidden_layer_sizes)
        units = (n_inputs, *hidden, n_outputs)
        network = Network(units, layer_activations(self.activation, len(hidden))[:-1])
        if _network.n_parameters(network) > MOST_PARAMETERS:
            raise ValueError(
                f"hidden_layer_sizes must make at most {MOST_PARAMETERS} weights and biases, got {hidden} for "
                f"layers of {units} units."
            )
        return network._replace(signs=make_signs(units, self._check_constraints(), dale=self.dale))

    def _check_signs(self, network: Network, params: Array) -> None:
        """Refuse weights of another network to start from, with signs that they must not have."""
        given = {"monotonic_cst": self.monotonic_cst is not None, "dale": self.dale}
        check_signs(network, params, " with ".join(name for name in given if given[name]))

    def _choose_units(self, target: Array, weight: Array | None) -> Units:
        """Units in which training counts the targets."""
        return Units()

    def _level(self) -> float | None:
        """Quantile of the targets that is the best constant; None where that is their mean."""
        return None

    def _loss_options(self, units: Units) -> LossOptions:
        """Options of the losses that have any."""
        return LossOptions()

    def __sklearn_clone__(self) -> Self:
        # a clone of `init` would not be fitted, and there would be nothing to start from
        cloned: Self = super(DopamineMLP, _bridge.started_from(self, None)).__sklearn_clone__()
        cloned.init = self.init
        return cloned

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        shown = _bridge.started_from(self, _bridge.without_ancestors(self.init))
        return str(super(DopamineMLP, shown).__repr__(N_CHAR_MAX))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters of this estimator, without those of `init`.

        `init` is where training starts, and not a part of the estimator.

        Parameters
        ----------
        deep : bool, default=True
            Ignored.

        Returns
        -------
        params : dict
            Names and values of the parameters.
        """
        params: dict[str, Any] = super().get_params(deep=False)
        return params

    def _check_loaded(self) -> None:
        if not check_network(self, self._functions):
            return
        training = vars(self).get("_training")
        if training is not None:
            check_training(training, self)
        self._check_labels()

    def _check_untouched(self, before: Any) -> None:
        training: Training | None = vars(self).get("_training")
        if training is None or training.is_hollow or training.agrees(self.coefs_, self.intercepts_):
            return
        if vars(before).get("coefs_") is self.coefs_ and before.intercepts_ is self.intercepts_:
            return  # they were set before the fit, which has not published any yet
        raise ValueError(
            "coefs_ and intercepts_ must be as in the fit that this one continues, got others. Start from these by "
            "partial_fit, or by a clone with this model as init."
        )

    def _check_labels(self) -> None:
        """Refuse what is known of the targets if it does not fit the network that was loaded."""

    def __getstate__(self) -> dict[str, Any]:
        # in a chain of models, each started from the one before, only the last start is kept
        return {**super().__getstate__(), "init": _bridge.without_ancestors(self.init)}

    def to_sklearn(self) -> Any:
        """Build the fitted scikit-learn network that predicts the same.

        Use it for exporters, explainers and other tools that know scikit-learn's networks. The network has the
        parameters of this estimator where scikit-learn has them. Its own `partial_fit` trains by backpropagation.

        Returns
        -------
        model : MLPClassifier or MLPRegressor
            The network, with copies of the weights.

        Raises
        ------
        ValueError
            If scikit-learn does not offer the activation or the output function. If weights that were set have other
            shapes or are not finite.
        NotFittedError
            If this estimator is not fitted yet.
        """
        check_is_fitted(self)
        check_layers(self)
        check_weights(self)
        return _bridge.to_sklearn(self)

    def onnx_parser(self) -> Any:
        """Tell skl2onnx how to convert the fitted network; ``skl2onnx.to_onnx`` calls this.

        Returns
        -------
        parser : callable or None
            Function for skl2onnx to call; None if skl2onnx needs none.
        """
        check_is_fitted(self)
        from skdopamine._mlp import onnx as _onnx  # which imports skl2onnx, that need not be there

        return _onnx.parser(self)

    def _published(self, params: Array) -> dict[str, Any]:
        """Fitted attributes that hold the network, in units of the target."""
        layers, units = self._training.layers, self._training.units
        weights, biases = self._training.published(params)
        return {
            "coefs_": weights,
            "intercepts_": biases,
            "n_layers_": len(layers),
            "n_outputs_": layers[-1],
            "out_activation_": self._out_activation(units),
        }

    # ---- prediction --------------------------------------------------------------------------------------------------

    def _forward(self, X: Any) -> Array:
        """Outputs (n, outputs) for checked X."""
        check_layers(self)
        activations = layer_activations(self.activation, self.n_layers_ - 2)[:-1]
        coefs, intercepts = self.coefs_, self.intercepts_
        starts = range(0, X.shape[0], PREDICT_ROWS)  # in chunks, so that no whole layer is ever in memory
        chunks = (X[start : start + PREDICT_ROWS] for start in starts)
        outputs = [_network.forward_layers(activations, coefs, intercepts, chunk) for chunk in chunks]
        output = outputs[0] if len(outputs) == 1 else np.concatenate(outputs)
        if not np.isfinite(output).all():  # rows may be huge, but weights must be numbers
            check_weights(self)
        return output

    def _outputs(self, X: Any) -> Array:
        """Predictions of the objective, (n, outputs)."""
        check_is_fitted(self)
        check_in_memory(X=X)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=(np.float64, np.float32), reset=False)
        return self._publish(self._forward(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
