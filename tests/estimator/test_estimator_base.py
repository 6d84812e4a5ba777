"""What every estimator is."""

import pytest

from skdopamine._esn.base import DopamineESN
from skdopamine._estimator.base import DopamineEstimator
from skdopamine._mlp.base import DopamineMLP


@pytest.mark.parametrize("base", [DopamineEstimator, DopamineMLP, DopamineESN])
def test_only_estimators_are_built(base):
    with pytest.raises(TypeError, match=r"abstract.*fit"):
        base()
