"""What every estimator of the package is."""

from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state


class DopamineEstimator(BaseEstimator):
    """An estimator whose parameters are explained in notebooks."""

    # scikit-learn shows what a parameter means only where there is a link to more; this one stays on the page
    _doc_link_module = "skdopamine"
    _doc_link_template = "#{estimator_name}"


def draw_seed(random_state: Any) -> int:
    """The next seed of a random state, as it is or as an int or None."""
    return int(check_random_state(random_state).randint(2**31 - 1))
