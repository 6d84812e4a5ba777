"""ONNX: `skl2onnx.to_onnx` takes the networks of this package, alone, in pipelines and in searches, as they are.

Here is what else is needed where other estimators wrap them.
"""

from skdopamine._mlp.estimators import DopamineMLPClassifier, DopamineMLPRegressor

__all__ = ["register_converters"]


def register_converters() -> None:
    """Tell skl2onnx of the networks of this package, for what wraps other estimators.

    ``skl2onnx.to_onnx`` asks a network, the last step of a pipeline and the best estimator of a search how they are to
    be converted. It does not ask what is inside a voting, stacking, bagging or calibrated estimator: call this first.

    Examples
    --------
    >>> from skdopamine.onnx import register_converters
    >>> register_converters()
    """
    from skdopamine._mlp.onnx import register  # which imports skl2onnx

    for estimator in (DopamineMLPClassifier, DopamineMLPRegressor):
        register(estimator)
