"""What a fitted forecaster is: a model and where that stands, from which all that users see of it is read."""

from abc import ABC
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from skdopamine._esn.gains_problem import TRAINED
from skdopamine._esn.model import Model
from skdopamine._esn.sound import check_model, check_stream
from skdopamine._esn.stream import Stream
from skdopamine._estimator.base import DopamineEstimator
from skdopamine._estimator.history import History
from skdopamine._estimator.sound import check_typed, refuse
from skdopamine._typing import Array

SHOWN = {  # attributes that once were copies of what the model holds, in older pickles
    *("readout_", "lags_", "gains_", "n_reservoirs_", "n_channels_", "n_outputs_", "base_", "n_iter_"),
    *("loss_", "best_loss_", "learning_rate_", "n_evaluations_"),
}


class FittedESN(DopamineEstimator, ABC):
    """An echo-state network after its fit."""

    _model: Model
    _stream: Stream

    @property
    def _history(self) -> History:
        return self._model.training

    def __sklearn_is_fitted__(self) -> bool:
        return "_model" in vars(self)

    # What users see is read from the model, which is the one copy. The docstring of the forecaster describes it.

    @property
    def readout_(self) -> Array:
        return frozen(self._known_model().readout)

    @property
    def lags_(self) -> npt.NDArray[np.intp]:
        return frozen(self._known_model().lags)

    @property
    def gains_(self) -> dict[str, float]:
        gains = self._known_model().gains
        return {name: float(getattr(gains, name)[0]) for name in TRAINED}

    @property
    def n_reservoirs_(self) -> int:
        return self._known_model().n_reservoirs

    @property
    def n_channels_(self) -> int:
        return self._known_model().form.n_channels

    @property
    def n_outputs_(self) -> int:
        return int(self._known_model().readout.shape[1])

    @property
    def base_(self) -> str:
        return self._known_model().base.name()

    @property
    def n_iter_(self) -> int:
        return max(1, self._known_model().training.n_epochs)  # the ridge solution is one

    @property
    def loss_(self) -> float:
        return float(self._shown("loss_"))

    @property
    def best_loss_(self) -> float:
        return float(self._shown("best_loss_"))

    @property
    def learning_rate_(self) -> float:
        return float(self._shown("learning_rate_"))

    @property
    def n_evaluations_(self) -> int:
        return int(self._shown("n_evaluations_"))

    def _shown(self, name: str) -> Any:
        return self._known_model().training.attributes(nothing=np.nan, learning_rate_init=np.nan)[name]

    def _known_model(self) -> Model:
        check_is_fitted(self)
        return self._model

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({name: value for name, value in state.items() if name not in SHOWN})

    def _check_loaded(self) -> None:
        known = [name for name in ("_model", "_stream") if name in vars(self)]
        if not known:
            return
        if len(known) < 2:
            refuse("_model and _stream", "there in a fitted forecaster", f"{known[0]} alone")
        check_model(self._model)
        check_stream(self._stream, self._model)
        form, n_columns = self._model.form, getattr(self, "n_features_in_", None)
        check_typed("n_features_in_", n_columns, int)
        assert n_columns is not None
        fits = form.n_channels == n_columns if form.is_series else n_columns % form.n_channels == 0
        if not fits:
            refuse("n_features_in_", f"one of {form.n_channels} channels, as _model.form says", n_columns)


def frozen(array: Array) -> Array:
    """A view that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view
