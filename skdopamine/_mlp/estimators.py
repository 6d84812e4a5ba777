"""DopamineMLPClassifier and DopamineMLPRegressor: the scikit-learn contract, and nothing else."""

from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

from skdopamine._estimator import validation as _validation
from skdopamine._estimator.ending import without_effect
from skdopamine._estimator.validation import check_labels, plain
from skdopamine._mlp.class_weights import row_factors
from skdopamine._mlp.fitting import TrainedMLP
from skdopamine._mlp.units import Units
from skdopamine._objectives.registry import LossOptions, find_loss, relatives, serves, takes_positives
from skdopamine._objectives.tasks import View
from skdopamine._typing import Array

__all__ = ["DopamineMLPClassifier", "DopamineMLPRegressor"]


class DopamineMLPClassifier(ClassifierMixin, TrainedMLP):
    """Multi-layer perceptron classifier, trained by perturbation, without backpropagation.

    The network is perturbed and its loss watched: the regret of the perturbed network against the unperturbed one
    assigns credit to the synapses, and the reward prediction error of past updates adapts the learning rate. This is
    our formalisation of [1]_, with node perturbation and a critic [2]_ where the loss is a sum over samples. No
    derivative of the loss or of the activation is used.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Units of each hidden layer; an int is one layer, () a linear model.
    activation : {"identity", "logistic", "tanh", "relu", "leaky_relu", "step", "sign"}, callable or list of them, \
            default="relu"
        Function of the hidden units, or a list with one for each hidden layer. "step" (0 or 1) and "sign" (-1 or 1) are
        trained as they are, without a smooth surrogate; so is a callable, which maps an array elementwise to one of the
        same shape.
    loss : str or callable, default="log_loss"
        What is minimised: "log_loss" (of a softmax, or of independent logistic outputs for two classes and for labels),
        "hinge" (Crammer and Singer's for several classes) or "zero_one"; or what is maximised: the name of a
        scikit-learn scorer, or a scorer ``scorer(estimator, X, y)``; or a callable ``loss(y_true, y_pred)`` of labels
        and probabilities (as from `predict_proba`) that returns one value per row, or one number. See Notes, also for
        the positive class of "f1".
    perturbation : {"auto", "node", "feedback", "weight"}, default="auto"
        What is perturbed: the units, separately in every sample ("node", and "auto"), or all weights at once for the
        whole minibatch ("weight", the method of [1]_: for small networks and few rows, see Notes). "feedback"
        perturbs the units, only to teach the critics: what these expect is all the credit of hidden layers, and no loss
        judges it. Its critics come to be the transposed weights, so it is close to a backward pass, and biased.
    perturbation_scale : float or "auto", default="auto"
        Size sigma of the perturbation: of the units' inputs ("node") or of the weights ("weight"). "auto" is 0.01 (or
        as in Notes), and 0.5 for units with steps, which do not notice small ones, layer by layer ("node") or the
        larger for all; else from 1e-8 to 100.
        With a metric as loss, "node" perturbs the outputs by sigma, "auto" being 1, and "weight" has 0.1.
    n_perturbations : int or "auto", default="auto"
        Antithetic pairs of perturbations an update averages over, or with "feedback" draws of noise to learn from.
        "auto" is 1, and 16 for "weight" (or as in Notes); of a metric with "node" or "feedback" it is 64, or 16 where
        each pair costs calls of a scorer or callable.
    learning_rate : {"dopamine", "constant", "invscaling"}, default="dopamine"
        Whether the reward prediction error moves the rate while a schedule anneals it, or it stays constant, or falls
        as ``learning_rate_init / update ** power_t``.
    learning_rate_init : float, default=0.003
        Start of the learning rate, in units of a layer whose weights start within 0.2. With "dopamine" anything from
        1e-4 on will do: the rate is held below a ceiling of 0.01 ("node") or 0.02 ("weight",
        which needs no ceiling where all rows are in one minibatch, see Notes).
    power_t : float, default=0.5
        Exponent of "invscaling".
    momentum : float, default=0.9
        Decay of the running mean of the credit, in [0, 1).
    alpha : float, default=0.0001
        Strength of the L2 penalty, divided by the sum of the sample weights of the minibatch.
    batch_size : int or "auto", default="auto"
        Rows of a minibatch, at most all; "auto" is 200.
    max_iter : int, default=200
        Most epochs. With "dopamine" the rate is annealed over ``200 / b ** 0.4`` epochs of b minibatches, with two and
        more hidden layers over half of that, but no less than ``200 / b`` (not with "weight"), or over `max_iter` if
        that is fewer; a `max_iter` above 200 stretches the schedule in proportion.
    shuffle : bool, default=True
        Whether the rows are put in a new order in each epoch.
    random_state : int, RandomState instance or None, default=None
        Determines initial weights, perturbations, shuffling and the rows held back. An int makes fits reproducible to
        the bit.
    tol : float, default=1e-4
        Least improvement of the loss (of the regressor in units of the targets' variance) or of the validation score
        that counts.
    verbose : bool or int, default=False
        Whether to print one line an epoch.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the last fit; y must have the same classes.
    early_stopping : bool or "auto", default="auto"
        How the length of training is chosen. "auto": by up to five folds where 100 to 2,000 rows are distinct; then
        all rows are trained for the length that suits rows that are not learnt from, see Notes. True: hold back rows,
        stop when their score no longer improves, and keep the weights that scored best. False: the whole schedule.
    validation_fraction : float, default=0.1
        Share of the rows that is held back, in (0, 1), two at least; used with early_stopping=True only. Each class has
        that share held back; its only row is trained on, and so is one row of each where there are more classes than
        rows to hold back.
    n_iter_no_change : int or np.inf, default=10
        Epochs without improvement by `tol` after which training stops; np.inf for never. With "weight" and all rows in
        one minibatch it counts times in which all directions could have been tried: parameters over `n_perturbations`.
    scoring : str, callable or None, default=None
        Metric of early_stopping: a scorer name, a callable ``scorer(estimator, X, y)``, or None for minus the loss, and
        out of fold for loss and accuracy. Sample weights count in None only. `fit` warns where nothing is judged by it:
        with early_stopping=False, or with "auto" where there are no folds.
    class_weight : dict, list of dicts, "balanced" or None, default=None
        Weights of the classes, above zero, by which `sample_weight` is multiplied; a class that is not named has weight
        one. For multi-label targets a list with a dict for each label, ``{0: ..., 1: ...}``, whose weights are
        multiplied. "balanced" gives all classes the same total (not in `partial_fit`).
    init : MLPClassifier or DopamineMLPClassifier, default=None
        Fitted network whose weights `fit`, or the first `partial_fit`, starts from; it stays as it is. Its
        layers, activation, classes and outputs must be the same. Clones of this estimator keep it fitted; as a value
        in a parameter grid it has to be wrapped in :class:`~sklearn.frozen.FrozenEstimator`. A `learning_rate_init` of
        1e-4 keeps the first steps near the start. A model that is refreshed again and again keeps all models before in
        memory, unless each is let go: ``init=model.set_params(init=None)``.
    monotonic_cst : array-like of int of shape (n_features,) or dict, default=None
        Constraints of the features: 1 where predictions must not fall as the feature rises, -1 where they must not
        rise, 0 for none; or a dict from names of features, where X has names, to these. They hold for all values of
        the features, and for all weights: the signs of the weights see to it. For two classes
        only, and about the probability of ``classes_[1]``.
        A callable as activation must not fall anywhere. See the :ref:`User Guide <constraints>`.
    dale : bool, default=False
        Whether each hidden unit excites or inhibits all that it feeds (Dale's law): the weights of a unit to the layer
        above have one sign, half of the units +1 and half -1. With `monotonic_cst`, units from the second hidden layer
        on only excite.
    n_jobs : int or None, default=None
        How many evaluate the population of perturbation="weight", where updates are large enough to be shared; the
        result does not depend on it. They are threads or, in a `joblib.parallel_config` of "loky" or "dask" around the
        fit, processes or workers of a cluster. None is one, unless that context says otherwise. Inside a task of a
        search, they are threads. See the guide's page "Scaling".

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels; for multi-label targets the column numbers.
    coefs_ : list of ndarray of shape (units below, units above)
        Weights, one matrix per layer, in the dtype of X.
    intercepts_ : list of ndarray of shape (units above,)
        Biases.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X had string names.
    n_layers_ : int
        Number of layers, inputs and outputs included.
    n_outputs_ : int
        Number of outputs.
    out_activation_ : str
        Function of the outputs.
    n_iter_ : int
        Epochs run by the last `fit`; after `partial_fit` those of all calls and of the fits before them. Epochs of the
        natural loss before a metric are not counted.
    t_ : int
        Training rows seen, each time counted.
    loss_ : float
        Training loss of the last epoch.
    best_loss_ : float or None
        Lowest training loss; None where rows were held back.
    loss_curve_ : list of float
        Training loss of each epoch.
    validation_scores_ : list of float or None
        Score of each epoch on the rows held back or, with "auto", out of fold, which is the accuracy unless
        `scoring` says otherwise; None where no row was held back.
    validation_loss_curve_ : list of float or None
        Loss of each epoch on the rows held back or, with "auto", out of fold; None where no row was held back.
    best_validation_score_ : float or None
        Highest of `validation_scores_`.
    learning_rate_ : float
        Rate at the end.
    learning_rate_curve_ : list of float
        Rate at the end of each epoch.
    reward_prediction_error_curve_ : list of float
        Mean reward prediction error of each epoch: by how much the last update had lowered the loss on
        the next minibatch (positive: better than expected). The first 30 updates are judged and then every fourth; an
        epoch without one has the value of the last.
    n_evaluations_ : int
        Loss evaluations spent on learning, by the networks of the folds, too: rows times perturbed or unperturbed
        networks. Where rows that are not learnt from are judged, that is not counted.

    See Also
    --------
    DopamineMLPRegressor : The same network for regression.
    sklearn.neural_network.MLPClassifier : Trained by backpropagation.

    Notes
    -----
    With early_stopping="auto", five networks (of more than 400 distinct rows ``2000 // rows``, at least one) are
    trained at once, each without the fifth of the rows that is its fold. Equal rows share a fold, and each class has as
    many rows in each; several labels at once are not balanced so. Training stops where the loss or the accuracy (or the
    metric of `scoring`) on the rows of the folds has long been at its best, or improves for so long that the whole
    schedule is wanted. Then all rows are trained for 1.6 times the best epoch of the two (the geometric mean), with the
    rate annealed within; `tol` and `n_iter_no_change` can only end that last training. The whole schedule is run, and
    no folds are made, for fewer than 100 or more than 2,000 distinct rows, fewer than 50 that share their class with
    another, schedules below 20 epochs, other rates than "dopamine", perturbation="weight",
    ``n_iter_no_change=np.inf``, `init`, `warm_start` of a fitted estimator, and losses that stand still (see below).

    With perturbation="weight", all rows in one minibatch (200 or fewer at the defaults), units and a loss with a slope,
    and learning_rate="dopamine", an update is that of [1]_: each of `n_perturbations` directions (one for 40
    parameters, 64 at most) is judged against the unperturbed network, which promises a gain of the loss; the next
    unperturbed loss tells the gain that came; and the rate follows their ratio, up where more than a tenth of the
    promise is kept and down where less is. A step that raises the loss by 30 % is undone. There is no ceiling, no
    schedule and no momentum; `perturbation_scale` is 1e-4 (1e-3 in single precision), and can be up to 1e-3.
    Minibatches, metrics, steps, signs of weights, larger scales, other rates and `partial_fit` have antithetic pairs
    and the rate of node perturbation.

    A scorer that is best where a loss is least is trained as that loss ("accuracy" as "zero_one", "neg_log_loss"
    as "log_loss"). Any other stands still under small perturbations of a batch ("zero_one", too), so a third of the
    epochs goes to "log_loss" first, unless there is `init`. Then the decision threshold, for two classes and for
    labels, is put where the metric is best on the training rows, and then the metric itself is maximised: the outputs
    of a minibatch (1,000 rows) are perturbed together, the change of the metric assigns credit to each output, and
    node perturbation passes it on to the layers below. The curves and `loss_` hold minus the metric, and begin there.
    The common metrics are computed for all perturbations at once; other scorers and callables are called for each and
    are slow. `partial_fit` trains on the metric from the start.

    Of two classes, the positive one of "f1", "precision", "recall", "jaccard" and "average_precision" is the label 1,
    as for scikit-learn's scorers. Without that label it is ``classes_[1]``, and a warning says so;
    ``make_scorer(f1_score, pos_label="yes")`` chooses another, without a warning.

    A minibatch on which a metric or callable is not defined counts for nothing: for the names above where it lacks
    positives, for others where scikit-learn raises an error or gives nan, and for a callable or scorer where it returns
    nan. What a callable or scorer raises is passed on. `fit` raises an error, and `partial_fit` warns, where no
    minibatch of an epoch has a loss; a larger `batch_size` helps.

    Probabilities are shifted so that the threshold is 0.5; after a metric or "hinge" they are not calibrated: in
    `benchmarks/calibration.py` they are off by .05 to .07 on average, after "log_loss" by .04, and in a
    :class:`~sklearn.calibration.CalibratedClassifierCV` by .02.

    The weights of the epoch with the lowest loss, or the highest validation score, are kept. An interrupted or
    diverging fit keeps them too, and warns; before the first epoch has ended, an interruption leaves the estimator as
    it was, and goes on to the caller if it was not fitted. Where losses are compared, a row counts for at most some
    twenty times the mean loss at the start, so that a few absurd rows neither end a fit nor choose its epoch. Noise is
    a function of `random_state` and of a row's content, so neither the order of the rows in a minibatch nor `n_jobs`
    matters.

    References
    ----------
    .. [1] Nambusubramaniyan, Safavi, Guru and Knoblauch (2025). Dopamine-driven synaptic credit assignment in neural
       networks. https://arxiv.org/abs/2510.22178
    .. [2] Lansdell, Prakash and Kording (2020). Learning to solve the credit assignment problem.
       https://arxiv.org/abs/1906.00889

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdopamine import DopamineMLPClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = make_pipeline(StandardScaler(), DopamineMLPClassifier(random_state=0))
    >>> bool(model.fit(X_train, y_train).score(X_test, y_test) > 0.95)
    True

    Trained on the metric that counts, here where one class is rare:

    >>> from sklearn.datasets import make_classification
    >>> from sklearn.metrics import balanced_accuracy_score
    >>> X, y = make_classification(2000, n_informative=8, n_clusters_per_class=3, weights=[0.9], random_state=0)
    >>> model = DopamineMLPClassifier(loss="balanced_accuracy", random_state=0)
    >>> scores = [
    ...     balanced_accuracy_score(y[1000:], m.fit(X[:1000], y[:1000]).predict(X[1000:]))
    ...     for m in (DopamineMLPClassifier(random_state=0), model)
    ... ]
    >>> bool(scores[1] > scores[0] + 0.03)
    True

    With probabilities that can be relied on:

    >>> from sklearn.calibration import CalibratedClassifierCV
    >>> from sklearn.metrics import brier_score_loss
    >>> scores = [
    ...     brier_score_loss(y[1000:], m.fit(X[:1000], y[:1000]).predict_proba(X[1000:])[:, 1])
    ...     for m in (model, CalibratedClassifierCV(model, cv=3))
    ... ]
    >>> bool(scores[1] < scores[0])
    True

    On a loss of one's own, with a value for each row, and with weights of the classes:

    >>> def brier(y_true, y_pred):
    ...     return (y_true - y_pred[:, 1]) ** 2
    >>> model = DopamineMLPClassifier(loss=brier, class_weight={0: 1, 1: 3}, random_state=0)
    >>> bool(model.fit(X, y).score(X, y) > 0.85)
    True

    And from and to scikit-learn's network:

    >>> from sklearn.neural_network import MLPClassifier
    >>> start = MLPClassifier(early_stopping=True, random_state=0).fit(X, y)
    >>> tuned = DopamineMLPClassifier(loss="balanced_accuracy", init=start, random_state=0).fit(X, y)
    >>> bool((tuned.to_sklearn().predict(X) == tuned.predict(X)).all())
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TrainedMLP._parameter_constraints,
        "loss": [str, callable],
        "monotonic_cst": ["array-like", dict, None],
        "dale": ["boolean"],
        "class_weight": [dict, list, _validation.one_of("balanced"), None],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        loss: Any = "log_loss",
        perturbation: str = "auto",
        perturbation_scale: float | str = "auto",
        n_perturbations: int | str = "auto",
        learning_rate: str = "dopamine",
        learning_rate_init: float = 0.003,
        power_t: float = 0.5,
        momentum: float = 0.9,
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: float = 10,
        scoring: Any = None,
        class_weight: Any = None,
        init: Any = None,
        monotonic_cst: Any = None,
        dale: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.perturbation = perturbation
        self.perturbation_scale = perturbation_scale
        self.n_perturbations = n_perturbations
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.momentum = momentum
        self.alpha = alpha
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.scoring = scoring
        self.class_weight = class_weight
        self.init = init
        self.monotonic_cst = monotonic_cst
        self.dale = dale
        self.n_jobs = n_jobs

    @_validation.fit_context
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Fit the network to data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows, float32 or float64; scale them first.
        y : array-like of shape (n_samples,) or {array-like, sparse matrix} of shape (n_samples, n_outputs)
            Class labels, or an indicator matrix of 0 and 1 for multi-label targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; a row of weight two counts as two equal rows, one of weight zero as none. A class
            whose rows all have weight zero is one of `classes_`.
        X_val : {array-like, sparse matrix} of shape (n_val_samples, n_features), default=None
            Rows of your own that are not learnt from: training stops when their score no longer improves, and the
            weights that scored best are kept. Not with early_stopping=False.
        y_val : array-like of shape (n_val_samples,) or (n_val_samples, n_outputs), default=None
            Their targets; needed with `X_val`.
        sample_weight_val : array-like of shape (n_val_samples,), default=None
            Their weights.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, X, y or sample_weight is not valid, y has a single class and `loss` is a metric or a
            callable, or `loss` is not defined on any minibatch of an epoch. The estimator is then as it was before.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    @_validation.fit_context
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Update the network by one pass over a batch of a stream.

        The rows are trained on in minibatches of `batch_size`, at the learning rate that earlier calls have arrived at,
        without annealing and without a stop: nothing is held back, whatever `early_stopping` says, and the latest
        weights are kept unless they have made the loss of the batch jump. The calls over the minibatches of one epoch
        do the same, bit for bit, as one epoch of `fit` with ``shuffle=False``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or {array-like, sparse matrix} of shape (n_samples, n_outputs)
            Class labels, all among `classes`, or an indicator matrix of 0 and 1 for multi-label targets.
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever come; needed in the first call, except for multi-label targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights.

        Returns
        -------
        self : object
            The updated estimator.

        Raises
        ------
        ValueError
            If an argument is not valid, `classes` is missing in the first call or differs later, or y has a
            class that `classes` lacks.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all of y and cannot be used with partial_fit: pass a dict, as "
                "sklearn.utils.class_weight.compute_class_weight gives the weights."
            )
        if classes is None and not hasattr(self, "coefs_") and not type_of_target(y).startswith("multilabel"):
            raise ValueError("classes must be passed in the first call to partial_fit, got None.")
        return self._partial_fit(X, y, sample_weight, None if classes is None else check_labels(classes))

    def predict(self, X: Any) -> Any:
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,) or {ndarray, sparse matrix} of shape (n_samples, n_outputs)
            The most probable class, or an indicator matrix of the labels that are more probable than not, which is
            sparse if the first y of training was.
        """
        probabilities = self._outputs(X)
        if probabilities.shape[1] == 1:
            probabilities = probabilities.ravel()
        return self._label_binarizer.inverse_transform(probabilities)

    def predict_proba(self, X: Any) -> Array:
        """Predict probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`. Rows sum to one, except for multi-label targets, where each column is a
            probability of its own.
        """
        probabilities = self._outputs(X)
        if len(self.classes_) == 1:
            return np.ones_like(probabilities)
        if probabilities.shape[1] == 1:
            return np.hstack([1 - probabilities, probabilities])
        return probabilities

    def predict_log_proba(self, X: Any) -> Array:
        """Predict logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
            ``log(predict_proba(X))``; minus infinity where the probability is 0.
        """
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))

    def _task(self) -> str:
        return str(self._label_binarizer.y_type_).removesuffix("-indicator")

    def _publish(self, output: Array) -> Array:
        return np.asarray(softmax(output, axis=-1) if self._task() == "multiclass" else expit(output))

    def _view(self, units: Units) -> View:
        return View(self._task(), self.classes_, self._publish)

    def _class_weighted(self, target: Array, weight: Array | None) -> Array | None:
        if self.class_weight is None:
            return weight
        factors = row_factors(self.class_weight, self._view(Units()).numbers(target), self.classes_, weight)
        return np.asarray(factors if weight is None else factors * weight, dtype=np.float64)

    def _out_activation(self, units: Units) -> str:
        return "softmax" if self._task() == "multiclass" else "logistic"

    def _check_classes(self, y: Any, classes: Any, *, fresh: bool, whole: bool) -> None:
        check_classification_targets(y)
        if fresh:
            multilabel = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if classes is None or multilabel else classes)
            self.classes_ = self._label_binarizer.classes_
            if len(self.classes_) < 2 and find_loss(self.loss, "binary") is None:
                raise ValueError(
                    f"loss={self.loss!r} needs y of two classes or more, got one class only: {self.classes_.tolist()}."
                )
            if not serves(self.loss, self._task()):
                served = "Only binary classification is supported. " if serves(self.loss, "binary") else ""
                kind, others = type_of_target(y), relatives(self.loss, self._task())
                instead = f": use {' or '.join(map(repr, others))}" if others else ""
                raise ValueError(
                    f"{served}The type of the target is {kind}, which loss={self.loss!r} does not support{instead}."
                )
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"classes must be those of the first call to partial_fit, {plain(self.classes_)}, got {plain(classes)}."
            )
        several = self._task() == "multilabel"
        if not fresh and type_of_target(y).startswith("multilabel") != several:
            kinds = "an indicator of several labels", "one class for each row"
            wanted, got = kinds if several else reversed(kinds)
            raise ValueError(f"y must be {wanted}, as in the first fit or call to partial_fit, got {got}.")
        present = unique_labels(y)
        if whole and not np.array_equal(present, self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. Previously "
                f"got {self.classes_}, `y` has {present}"
            )
        unknown = np.setdiff1d(present, self.classes_)
        if len(unknown):
            raise ValueError(f"y has classes {unknown.tolist()} that are not among classes={self.classes_.tolist()}.")

    def _remarks(self) -> Iterator[str]:
        yield from super()._remarks()
        if self._task() == "binary" and takes_positives(self.loss) and 1 not in self.classes_.tolist():
            yield (
                f"loss={self.loss!r} takes {self.classes_.tolist()[1]!r} for the positive class, the second of "
                f"{self.classes_.tolist()}, as none is 1: sklearn.metrics.make_scorer(..., pos_label=...) chooses."
            )

    def _check_constraints(self) -> npt.NDArray[np.int8] | None:
        constraints = super()._check_constraints()
        if constraints is not None and self._task() != "binary":
            raise ValueError(
                f"monotonic_cst is for two classes: monotonic constraints are not supported for {self._task()} "
                f"classification, got classes {plain(self.classes_)}."
            )
        return constraints

    def _encode(self, y: Any) -> Array:
        if self._label_binarizer.y_type_ == "binary":
            return np.isin(y, self.classes_[1:]).astype(np.int8)[:, None]  # of one class, none is positive
        target = np.asarray(self._label_binarizer.transform(y))
        if not np.isin(target, [0, 1]).all():
            raise ValueError(f"y of several labels must be an indicator of 0 and 1, got {np.unique(target).tolist()}.")
        return target.astype(np.int8)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = serves(self.loss, "multiclass")
        tags.classifier_tags.multi_label = serves(self.loss, "multilabel")
        return tags


class DopamineMLPRegressor(RegressorMixin, TrainedMLP):
    """Multi-layer perceptron regressor, trained by perturbation, without backpropagation.

    The network is perturbed and its loss watched: the regret of the perturbed network against the unperturbed one
    assigns credit to the synapses, and the reward prediction error of past updates adapts the learning rate. This is
    our formalisation of [1]_, with node perturbation and a critic [2]_ where the loss is a sum over samples. No
    derivative of the loss or of the activation is used.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Units of each hidden layer; an int is one layer, () a linear model.
    activation : {"identity", "logistic", "tanh", "relu", "leaky_relu", "step", "sign"}, callable or list of them, \
            default="relu"
        Function of the hidden units, or a list with one for each hidden layer. "step" (0 or 1) and "sign" (-1 or 1) are
        trained as they are, without a smooth surrogate; so is a callable, which maps an array elementwise to one of the
        same shape.
    loss : str or callable, default="squared_error"
        What is minimised: "squared_error" (halved), "absolute_error", "huber" (linear beyond 1.35 times the normalised
        median absolute deviation of each output's targets), "pinball" (of `quantile`) or "poisson" (half the deviance
        of ``exp(output)``, for y of 0 and more), summed over outputs, each in its own unit; or what is maximised: the
        name of a scikit-learn scorer, or a scorer ``scorer(estimator, X, y)``; or a callable ``loss(y_true, y_pred)``
        that returns one value per row, or one number. See Notes.
    quantile : float, default=0.5
        Quantile that loss="pinball" predicts, in (0, 1); `fit` warns of another with another loss.
    perturbation : {"auto", "node", "feedback", "weight"}, default="auto"
        What is perturbed: the units, separately in every sample ("node", and "auto"), or all weights at once for the
        whole minibatch ("weight", the method of [1]_: for small networks and few rows, see Notes). "feedback"
        perturbs the units, only to teach the critics: what these expect is all the credit of hidden layers, and no loss
        judges it. Its critics come to be the transposed weights, so it is close to a backward pass, and biased.
    perturbation_scale : float or "auto", default="auto"
        Size sigma of the perturbation: of the units' inputs ("node") or of the weights ("weight"). "auto" is 0.01 (or
        as in Notes), and 0.5 for units with steps, which do not notice small ones, layer by layer ("node") or the
        larger for all; else from 1e-8 to 100. With a metric as loss, "node" perturbs the outputs by sigma, "auto" being
        0.1 times the targets' spread, and "weight" has 0.1.
    n_perturbations : int or "auto", default="auto"
        Antithetic pairs of perturbations an update averages over, or with "feedback" draws of noise to learn from.
        "auto" is 1, and 16 for "weight" (or as in Notes); of a metric with "node" or "feedback" it is 64, or 16 where
        each pair costs calls of a scorer or callable.
    learning_rate : {"dopamine", "constant", "invscaling"}, default="dopamine"
        Whether the reward prediction error moves the rate while a schedule anneals it, or it stays constant, or falls
        as ``learning_rate_init / update ** power_t``.
    learning_rate_init : float, default=0.003
        Start of the learning rate, in units of a layer whose weights start within 0.2. With "dopamine" anything from
        1e-4 on will do: the rate is held below a ceiling of 0.007 ("node") or 0.014 ("weight",
        which needs no ceiling where all rows are in one minibatch, see Notes).
    power_t : float, default=0.5
        Exponent of "invscaling".
    momentum : float, default=0.9
        Decay of the running mean of the credit, in [0, 1).
    alpha : float, default=0.0001
        Strength of the L2 penalty, divided by the sum of the sample weights of the minibatch.
    batch_size : int or "auto", default="auto"
        Rows of a minibatch, at most all; "auto" is 200.
    max_iter : int, default=200
        Most epochs. With "dopamine" the rate is annealed over ``200 / b ** 0.4`` epochs of b minibatches, with two and
        more hidden layers over half of that, but no less than ``200 / b`` (not with "weight"), or over `max_iter` if
        that is fewer; a `max_iter` above 200 stretches the schedule in proportion.
    shuffle : bool, default=True
        Whether the rows are put in a new order in each epoch.
    random_state : int, RandomState instance or None, default=None
        Determines initial weights, perturbations, shuffling and the rows held back. An int makes fits reproducible to
        the bit.
    tol : float, default=1e-4
        Least improvement of the loss (of the regressor in units of the targets' variance) or of the validation score
        that counts.
    verbose : bool or int, default=False
        Whether to print one line an epoch.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the last fit.
    early_stopping : bool or "auto", default="auto"
        How the length of training is chosen. "auto": by up to five folds where 100 to 2,000 rows are distinct; then
        all rows are trained for the length that suits rows that are not learnt from, see Notes. True: hold back rows,
        stop when their score no longer improves, and keep the weights that scored best. False: the whole schedule.
    validation_fraction : float, default=0.1
        Share of the rows that is held back, in (0, 1), two at least; used with early_stopping=True only.
    n_iter_no_change : int or np.inf, default=10
        Epochs without improvement by `tol` after which training stops; np.inf for never. With "weight" and all rows in
        one minibatch it counts times in which all directions could have been tried: parameters over `n_perturbations`.
    scoring : str, callable or None, default=None
        Metric of early_stopping: a scorer name, a callable ``scorer(estimator, X, y)``, or None for minus the loss.
        Sample weights count in None only. `fit` warns where nothing is judged by it: with early_stopping=False, or with
        "auto" where there are no folds.
    init : MLPRegressor or DopamineMLPRegressor, default=None
        Fitted network whose weights `fit`, or the first `partial_fit`, starts from; it stays as it is. Its
        layers, activation and outputs must be the same. Clones of this estimator keep it fitted; as a value
        in a parameter grid it has to be wrapped in :class:`~sklearn.frozen.FrozenEstimator`. A `learning_rate_init` of
        1e-4 keeps the first steps near the start. A model that is refreshed again and again keeps all models before in
        memory, unless each is let go: ``init=model.set_params(init=None)``.
    monotonic_cst : array-like of int of shape (n_features,) or dict, default=None
        Constraints of the features: 1 where predictions must not fall as the feature rises, -1 where they must not
        rise, 0 for none; or a dict from names of features, where X has names, to these. They hold for all values of
        the features, and for all weights: the signs of the weights see to it. Of several outputs,
        each is constrained.
        A callable as activation must not fall anywhere. See the :ref:`User Guide <constraints>`.
    dale : bool, default=False
        Whether each hidden unit excites or inhibits all that it feeds (Dale's law): the weights of a unit to the layer
        above have one sign, half of the units +1 and half -1. With `monotonic_cst`, units from the second hidden layer
        on only excite.
    n_jobs : int or None, default=None
        How many evaluate the population of perturbation="weight", where updates are large enough to be shared; the
        result does not depend on it. They are threads or, in a `joblib.parallel_config` of "loky" or "dask" around the
        fit, processes or workers of a cluster. None is one, unless that context says otherwise. Inside a task of a
        search, they are threads. See the guide's page "Scaling".

    Attributes
    ----------
    coefs_ : list of ndarray of shape (units below, units above)
        Weights, one matrix per layer, in the dtype of X.
    intercepts_ : list of ndarray of shape (units above,)
        Biases.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X had string names.
    n_layers_ : int
        Number of layers, inputs and outputs included.
    n_outputs_ : int
        Number of outputs.
    out_activation_ : str
        Function of the outputs.
    n_iter_ : int
        Epochs run by the last `fit`; after `partial_fit` those of all calls and of the fits before them. Epochs of the
        natural loss before a metric are not counted.
    t_ : int
        Training rows seen, each time counted.
    loss_ : float
        Training loss of the last epoch in the units of y, summed over outputs, as in scikit-learn from version 1.10 on.
    best_loss_ : float or None
        Lowest training loss; None where rows were held back.
    loss_curve_ : list of float
        Training loss of each epoch.
    validation_scores_ : list of float or None
        Score of each epoch on the rows held back or, with "auto", of `scoring` out of fold; None where no row was
        held back, and with "auto" without `scoring`.
    validation_loss_curve_ : list of float or None
        Loss of each epoch on the rows held back or, with "auto", out of fold; None where no row was held back.
    best_validation_score_ : float or None
        Highest of `validation_scores_`.
    learning_rate_ : float
        Rate at the end.
    learning_rate_curve_ : list of float
        Rate at the end of each epoch.
    reward_prediction_error_curve_ : list of float
        Mean reward prediction error of each epoch: by how much the last update had lowered the loss on
        the next minibatch (positive: better than expected). The first 30 updates are judged and then every fourth; an
        epoch without one has the value of the last. Several outputs count in the mean of their units.
    n_evaluations_ : int
        Loss evaluations spent on learning, by the networks of the folds, too: rows times perturbed or unperturbed
        networks. Where rows that are not learnt from are judged, that is not counted.

    See Also
    --------
    DopamineMLPClassifier : The same network for classification.
    sklearn.neural_network.MLPRegressor : Trained by backpropagation.

    Notes
    -----
    With early_stopping="auto", five networks (of more than 400 distinct rows ``2000 // rows``, at least one) are
    trained at once, each without the fifth of the rows that is its fold. Equal rows share a fold. Training stops where
    the loss (or the metric of `scoring`) on the rows of the folds has long been at its best, or improves for so long
    that the whole schedule is wanted. Then all rows are trained for 1.6 times the best epoch (with `scoring`, the
    geometric mean of both best), with the rate annealed within; `tol` and `n_iter_no_change` can only end that last
    training. The whole schedule is run, and no folds are made, for fewer than 100 or more than 2,000 distinct rows,
    schedules below 20 epochs, other rates than "dopamine", perturbation="weight", ``n_iter_no_change=np.inf``, `init`,
    `warm_start` of a fitted estimator, and losses that stand still (see below).

    With perturbation="weight", all rows in one minibatch (200 or fewer at the defaults), units and a loss with a slope,
    and learning_rate="dopamine", an update is that of [1]_: each of `n_perturbations` directions (one for 40
    parameters, 64 at most) is judged against the unperturbed network, which promises a gain of the loss; the next
    unperturbed loss tells the gain that came; and the rate follows their ratio, up where more than a tenth of the
    promise is kept and down where less is. A step that raises the loss by 30 % is undone. There is no ceiling, no
    schedule and no momentum; `perturbation_scale` is 1e-4 (1e-3 in single precision), and can be up to 1e-3.
    Minibatches, metrics, steps, signs of weights, larger scales, other rates and `partial_fit` have antithetic pairs
    and the rate of node perturbation.

    A scorer that is best where a loss is least is trained as that loss ("r2" and the mean squared errors as
    "squared_error", "neg_mean_absolute_error" as "absolute_error", "neg_mean_poisson_deviance" as "poisson"). Any other
    stands still under small perturbations of a batch, so a third of the epochs goes to "squared_error" first, unless
    there is `init`. Then the metric itself is maximised: the outputs of a minibatch (1,000 rows) are perturbed
    together, the change of the metric assigns credit to each output, and node perturbation passes it on to the layers
    below. The curves and `loss_` hold minus the metric, and begin there. The common metrics are computed for all
    perturbations at once; other scorers and callables are called for each and are slow. `partial_fit` trains on the
    metric from the start.

    A minibatch on which a metric or callable is not defined, even for perfect predictions, counts for nothing; a
    callable or scorer says so by nan, and what it raises is passed on. `fit` raises an error, and `partial_fit` warns,
    where no minibatch of an epoch has a loss; a larger `batch_size` helps.

    Targets need no scaling: training works on the deviation of each output's targets from their mean, in units of their
    spread, so that small outputs count as much as large ones. By that sum the best weights are chosen; losses and
    scores are reported in the units of y, where large outputs outweigh small ones. A metric, scorer or callable sees
    the units of y. An output whose targets are all the same is predicted exactly (with "poisson" up to rounding),
    unless there is `init`.

    The weights of the epoch with the lowest loss, or the highest validation score, are kept. An interrupted or
    diverging fit keeps them too, and warns; before the first epoch has ended, an interruption leaves the estimator as
    it was, and goes on to the caller if it was not fitted. Where losses are compared, a row counts for at most some
    twenty times the mean loss at the start, so that a few absurd rows neither end a fit nor choose its epoch. Noise is
    a function of `random_state` and of a row's content, so neither the order of the rows in a minibatch nor `n_jobs`
    matters.

    References
    ----------
    .. [1] Nambusubramaniyan, Safavi, Guru and Knoblauch (2025). Dopamine-driven synaptic credit assignment in neural
       networks. https://arxiv.org/abs/2510.22178
    .. [2] Lansdell, Prakash and Kording (2020). Learning to solve the credit assignment problem.
       https://arxiv.org/abs/1906.00889

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdopamine import DopamineMLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> model = make_pipeline(StandardScaler(), DopamineMLPRegressor(random_state=0))
    >>> bool(model.fit(X_train, y_train).score(X_test, y_test) > 0.2)
    True

    A high quantile instead of the mean:

    >>> high = make_pipeline(StandardScaler(), DopamineMLPRegressor(loss="pinball", quantile=0.9, random_state=0))
    >>> bool((high.fit(X_train, y_train).predict(X_train) > y_train).mean() > 0.7)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TrainedMLP._parameter_constraints,
        "loss": [str, callable],
        "monotonic_cst": ["array-like", dict, None],
        "dale": ["boolean"],
        "quantile": [_validation.share()],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        loss: Any = "squared_error",
        quantile: float = 0.5,
        perturbation: str = "auto",
        perturbation_scale: float | str = "auto",
        n_perturbations: int | str = "auto",
        learning_rate: str = "dopamine",
        learning_rate_init: float = 0.003,
        power_t: float = 0.5,
        momentum: float = 0.9,
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: float = 10,
        scoring: Any = None,
        init: Any = None,
        monotonic_cst: Any = None,
        dale: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.quantile = quantile
        self.perturbation = perturbation
        self.perturbation_scale = perturbation_scale
        self.n_perturbations = n_perturbations
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.momentum = momentum
        self.alpha = alpha
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.scoring = scoring
        self.init = init
        self.monotonic_cst = monotonic_cst
        self.dale = dale
        self.n_jobs = n_jobs

    @_validation.fit_context
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Fit the network to data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows, float32 or float64; scale them first.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Target values, in any unit.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; a row of weight two counts as two equal rows, one of weight zero as none.
        X_val : {array-like, sparse matrix} of shape (n_val_samples, n_features), default=None
            Rows of your own that are not learnt from: training stops when their score no longer improves, and the
            weights that scored best are kept. Not with early_stopping=False.
        y_val : array-like of shape (n_val_samples,) or (n_val_samples, n_outputs), default=None
            Their targets; needed with `X_val`.
        sample_weight_val : array-like of shape (n_val_samples,), default=None
            Their weights.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, X, y or sample_weight is not valid, or `loss` is not defined on any minibatch of an epoch.
            The estimator is then as it was before.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    @_validation.fit_context
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Update the network by one pass over a batch of a stream.

        The rows are trained on in minibatches of `batch_size`, at the learning rate that earlier calls have arrived at,
        without annealing and without a stop: nothing is held back, whatever `early_stopping` says, and the latest
        weights are kept unless they have made the loss of the batch jump. The unit and the start of the outputs are
        those of the first batch's targets; otherwise the calls over the minibatches of one epoch do the same as one
        epoch of `fit` with ``shuffle=False``. Where the latest 500 targets of an output have another mean or spread by
        a factor of four or more, its unit follows them, and predictions stay what they are; an output that fits the new
        targets far better if it is only read in the new unit is read so. A few outliers move no unit.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Target values.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights.

        Returns
        -------
        self : object
            The updated estimator.

        Raises
        ------
        ValueError
            If an argument is not valid.
        """
        return self._partial_fit(X, y, sample_weight, None)

    def predict(self, X: Any) -> Array:
        """Predict target values.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predicted values.
        """
        output = self._outputs(X)
        return output.ravel() if output.shape[1] == 1 else output

    def _task(self) -> str:
        return "regression"

    def _out_activation(self, units: Units) -> str:
        return units.link

    def _publish(self, output: Array) -> Array:
        return Units(link=self.out_activation_).publish(output)

    def _view(self, units: Units) -> View:
        return View("regression", None, units.restored)

    def _remarks(self) -> Iterator[str]:
        yield from super()._remarks()
        if self.quantile != 0.5 and self.loss != "pinball":
            yield without_effect("quantile", self.quantile, "loss='pinball'")

    def _encode(self, y: Any) -> Array:
        target, link = np.asarray(y, dtype=np.float64), self._link()
        if link == "exp" and target.min() < 0:
            raise ValueError(f"y must not be negative for loss={self.loss!r}, got a minimum of {target.min()}.")
        return target[:, None] if target.ndim == 1 else target

    def _check_continued(self) -> None:
        if self._link() != self.out_activation_:
            raise ValueError(
                f"loss={self.loss!r} needs a different output function from that of the model being continued."
            )

    def _choose_units(self, target: Array, weight: Array | None) -> Units:
        units = Units.of(target, weight, link=self._link(), level=self._level())
        # what starts from another network predicts what that does, even where y is constant
        return units if self.init is None else units._replace(varies=np.ones_like(units.varies))

    def _level(self) -> float | None:
        entry = find_loss(self.loss, "regression")
        return None if entry is None or entry.level is None else entry.level(self._loss_options(Units()))

    def _link(self) -> str:
        entry = find_loss(self.loss, "regression")
        return "identity" if entry is None else entry.link

    def _loss_options(self, units: Units) -> LossOptions:
        return LossOptions(units.knee, float(self.quantile))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
