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
from skdopamine._estimator.arrays import takes_arrays
from skdopamine._estimator.ending import without_effect
from skdopamine._estimator.sound import refuse
from skdopamine._estimator.validation import check_labels, plain
from skdopamine._mlp.class_weights import row_factors
from skdopamine._mlp.fitting import TrainedMLP
from skdopamine._mlp.sound import check_binarizer
from skdopamine._mlp.units import Units
from skdopamine._objectives.registry import LossOptions, find_loss, relatives, serves, takes_positives
from skdopamine._objectives.tasks import View
from skdopamine._typing import Array

__all__ = ["DopamineMLPClassifier", "DopamineMLPRegressor"]


class DopamineMLPClassifier(ClassifierMixin, TrainedMLP):
    """Multi-layer perceptron classifier, trained by perturbation, without backpropagation.

    Training perturbs the network at random and measures how the loss changes. This change is the regret. The regret
    assigns credit: how far each weight should move, and in which direction. The reward prediction error (RPE), by how
    much an update turned out better or worse than expected, adapts the learning rate. Training needs no derivative of
    the loss or of the activation.

    The method is our formalisation of [1]_. Where the loss is a sum over samples, the default is node perturbation:
    noise on the inputs of the units. A critic predicts the regret and so reduces the noise of the credit [2]_.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Number of units in each hidden layer. An int means one hidden layer; () means none, a linear model.
    activation : {"identity", "logistic", "tanh", "relu", "leaky_relu", "step", "sign"}, callable or list of them, \
            default="relu"
        Activation function of the hidden units. A list has one function for each hidden layer. "step" (0 or 1) and
        "sign" (-1 or 1) are trained as they are, without a smooth surrogate. A callable maps an array elementwise to an
        array of the same shape; it may have steps, too.
    loss : str or callable, default="log_loss"
        Loss to minimise, or metric to maximise:

        * "log_loss": cross-entropy of a softmax over the classes. For two classes and for labels, of independent
          logistic outputs.
        * "hinge": hinge loss; with several classes the one of Crammer and Singer.
        * "zero_one": share of rows with a wrong prediction.
        * The name of a scikit-learn scorer, such as "f1", or a scorer ``scorer(estimator, X, y)``: this metric,
          maximised. See Notes, also for the positive class of "f1".
        * A callable ``loss(y_true, y_pred)`` of labels and probabilities (as from `predict_proba`), minimised. It
          returns one value per row, or one number; with one number it is treated like a metric.
    perturbation : {"auto", "node", "feedback", "weight"}, default="auto"
        Where training adds noise:

        * "auto": "node".
        * "node": to the inputs of the units, with separate noise for every sample.
        * "weight": to all weights at once, with the same noise for the whole minibatch. This is the method of [1]_, for
          small networks and few rows (Notes).
        * "feedback": to the units, but only to teach the critics. Hidden layers learn from what the critics expect, and
          no loss judges it. The critics approach the transposed weights, so "feedback" is close to a backward pass, and
          biased.
    perturbation_scale : float or "auto", default="auto"
        Size of the noise, from 1e-8 to 100: on the inputs of the units ("node") or on the weights ("weight"). "auto" is

        * 0.01 in general.
        * 0.5 for units with steps, which do not notice small noise. "node" decides layer by layer; "weight" takes the
          larger size for all weights.
        * With a metric as loss, 1 for the outputs with "node". With "weight" it is 0.1 (also for "zero_one"), or 0.5
          with steps.
        * 1e-4 (1e-3 in single precision) with "weight" and all rows in one minibatch (Notes).

        A number holds for all units; with a metric and "node" it holds for the outputs only.
    n_perturbations : int or "auto", default="auto"
        Number of perturbations that an update averages over. More of them mean less noise in the credit, and more work.
        They are antithetic pairs: the same noise, once added and once subtracted. With "feedback" the number counts
        draws of noise to learn from. "auto" is

        * 1 with "node" and "feedback".
        * 16 with "weight", unless all rows are in one minibatch (Notes).
        * 64 for a metric with "node" or "feedback", or 16 where each pair costs calls of a scorer or callable.
    learning_rate : {"dopamine", "constant", "invscaling"}, default="dopamine"
        How the learning rate changes:

        * "dopamine": the reward prediction error raises and lowers the rate, while a schedule anneals it.
        * "constant": the rate stays at `learning_rate_init`.
        * "invscaling": the rate falls as ``learning_rate_init / update ** power_t``.
    learning_rate_init : float, default=0.003
        Learning rate at the start. With "dopamine" any value from 1e-4 on works, because a ceiling holds the rate below
        0.01 ("node") or 0.02 ("weight"). There is no ceiling with "weight" and all rows in one minibatch (Notes). Steps
        are scaled by the range of a layer's initial weights; the rate counts for a layer that starts within -0.2 and
        0.2.
    power_t : float, default=0.5
        Exponent of learning_rate="invscaling".
    momentum : float, default=0.9
        Decay of the running mean of the credit, in [0, 1). A larger value averages over more updates.
    alpha : float, default=0.0001
        Strength of the L2 penalty. The penalty is divided by the sum of the sample weights of the minibatch.
    batch_size : int or "auto", default="auto"
        Number of rows in a minibatch, at most all. "auto" is 200, or 1,000 with a metric as loss.
    max_iter : int, default=200
        Maximum number of epochs. With learning_rate="dopamine" the rate is annealed over a schedule, which may be
        shorter. For b minibatches per epoch the schedule has ``200 / b ** 0.4`` epochs. With two and more hidden layers
        it has half of that, but at least ``200 / b`` (not with "weight"). A smaller `max_iter` cuts the schedule to
        `max_iter` epochs. A `max_iter` above 200 stretches the schedule in proportion.
    shuffle : bool, default=True
        Whether to shuffle the rows in each epoch.
    random_state : int, RandomState instance or None, default=None
        Seed of initial weights, perturbations, shuffling and the choice of rows to hold back. An int makes fits
        reproducible to the bit.
    tol : float, default=1e-4
        Smallest improvement that counts, of the loss or of the validation score.
    verbose : bool or int, default=False
        Whether to print one line per epoch.
    warm_start : bool, default=False
        Whether `fit` continues from the weights of the last fit. y must then have the same classes.
    early_stopping : bool or "auto", default="auto"
        How to choose the length of training:

        * "auto": find a length on up to five folds, then train on all rows for that length (Notes). With fewer than 100
          or more than 2,000 distinct rows, run the whole schedule.
        * True: hold back rows, stop when their score no longer improves, and keep the weights that scored best.
        * False: run the whole schedule.
    validation_fraction : float, default=0.1
        Share of the rows to hold back, in (0, 1), and at least two rows. Used with early_stopping=True only. The share
        is held back from each class, but the only row of a class is trained on. Where there are more classes than rows
        to hold back, one row of each class is trained on.
    n_iter_no_change : int or np.inf, default=10
        Number of epochs without improvement by `tol` after which training stops; np.inf for never. With "weight" and
        all rows in one minibatch, one count is as many epochs as trying all directions takes: parameters over
        `n_perturbations`.
    scoring : str, callable or None, default=None
        Metric that judges rows which training does not learn from: a scorer name or a callable
        ``scorer(estimator, X, y)``. None is minus the loss with early_stopping=True, and both loss and accuracy with
        "auto". Sample weights count with None only. `fit` warns if the metric judges nothing: with
        early_stopping=False, or with "auto" without folds.
    class_weight : dict, list of dicts, "balanced" or None, default=None
        Weights of the classes, above zero. `sample_weight` is multiplied by them.

        * A dict from classes to weights: a class that is missing has weight one.
        * A list of dicts ``{0: ..., 1: ...}``, one for each label, for multi-label targets. The weights of a row's
          labels are multiplied.
        * "balanced": all classes get the same total weight. Not for `partial_fit`.
        * None: all classes have weight one.
    init : MLPClassifier or DopamineMLPClassifier, default=None
        Fitted network to start from:

        * None: `fit` starts from random weights.
        * A fitted network: `fit`, or the first `partial_fit`, starts from a copy of its weights. The network must have
          the same layers, activation, classes and outputs. It is not changed.

        A `learning_rate_init` of 1e-4 keeps the first steps near the start. Clones of this estimator keep `init`
        fitted; in a parameter grid, wrap the network in :class:`~sklearn.frozen.FrozenEstimator`. If you refresh a
        model again and again, all earlier models stay in memory, unless you let each go:
        ``init=model.set_params(init=None)``.
    monotonic_cst : array-like of int of shape (n_features,) or dict, default=None
        Features in which predictions must be monotone. A dict maps names of features to constraints, where X has names:

        * 1: predictions must not fall as the feature rises.
        * -1: predictions must not rise as the feature rises.
        * 0: no constraint.

        The constraints hold for all values of the features, because they fix the signs of the weights. They are for two
        classes only, and about the probability of ``classes_[1]``. A callable as activation must not fall anywhere. See
        the :ref:`User Guide <constraints>`.
    dale : bool, default=False
        Whether each hidden unit either excites or inhibits everything it feeds (Dale's law). All weights from a unit to
        the layer above then have one sign: +1 for half of the units, -1 for the other half. With `monotonic_cst`, units
        from the second hidden layer on only excite.
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
        Biases, one vector per layer.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if X has string names.
    n_layers_ : int
        Number of layers, inputs and outputs included.
    n_outputs_ : int
        Number of outputs.
    out_activation_ : str
        Name of the output function: "softmax" for several classes, else "logistic".
    n_iter_ : int
        Number of epochs of the last `fit`, without the epochs on "log_loss" that precede a metric (Notes). After
        `partial_fit`, the number over all calls and the fits before them.
    t_ : int
        Number of training rows seen; a row counts each time.
    loss_ : float
        Training loss of the last epoch.
    best_loss_ : float or None
        Lowest training loss; None where rows were held back.
    loss_curve_ : list of float
        Training loss of each epoch; `partial_fit` keeps 10,000 to 11,000 of this and of the other training curves.
    validation_scores_ : list of float or None
        Score of each epoch on the rows held back or, with early_stopping="auto", out of fold. `scoring` gives the
        score; without `scoring` it is minus the loss on rows held back, and the accuracy out of fold. None where no row
        was held back.
    validation_loss_curve_ : list of float or None
        Loss of each epoch on the rows held back or, with early_stopping="auto", out of fold. None where no row was held
        back.
    best_validation_score_ : float or None
        Highest of `validation_scores_`.
    learning_rate_ : float
        Learning rate at the end.
    learning_rate_curve_ : list of float
        Learning rate at the end of each epoch.
    reward_prediction_error_curve_ : list of float
        Mean reward prediction error of each epoch: by how much the last update lowered the loss on the next minibatch.
        Positive values are better than expected. The first 30 updates are judged, then every fourth; an epoch without a
        judged update repeats the last value.
    n_evaluations_ : int
        Loss evaluations spent on learning: rows times perturbed or unperturbed networks. The networks of the folds
        count, too; judging rows that are not learnt from does not.

    See Also
    --------
    DopamineMLPRegressor : The same network for regression.
    sklearn.neural_network.MLPClassifier : Trained by backpropagation.

    Notes
    -----
    **Length of training.** With early_stopping="auto", `fit` first trains five networks at once. Each leaves out a
    fifth of the rows, its fold. With more than 400 distinct rows there are only ``2000 // rows`` networks, at least
    one. Equal rows share a fold, and each class has equally many rows in every fold; several labels at once are not
    balanced. After each epoch the folds judge the networks by loss and by accuracy (or `scoring`). Judging ends when
    both have long been past their best, or when they improve for so long that the whole schedule is needed. Then `fit`
    trains on all rows for 1.6 times the best epoch, with the rate annealed within. The best epoch is the geometric mean
    of those by loss and by score. `tol` and `n_iter_no_change` can only end this last training.

    `fit` makes no folds, and runs the whole schedule, with

    * fewer than 100 or more than 2,000 distinct rows, or fewer than 50 rows that share their class with another row.
    * a schedule below 20 epochs, or ``n_iter_no_change=np.inf``.
    * a `learning_rate` other than "dopamine", or perturbation="weight".
    * `init`, or `warm_start` of a fitted estimator.
    * a loss that stands still under small perturbations (see below).
    * `scoring`, if a fold lacks a class.

    **Weight perturbation.** perturbation="weight" updates the network as in [1]_ under three conditions. All rows are
    in one minibatch (200 or fewer at the defaults), units and loss have a slope, and learning_rate="dopamine". An
    update then tries `n_perturbations` directions, by default one for 40 parameters and at most 64. Each direction is
    compared with the unperturbed network, and the comparisons promise a gain of the loss. The next unperturbed loss
    shows the gain that came. The rate rises if more than a tenth of the promise is kept, and falls otherwise. A step
    that raises the loss by 30 % is undone. There is no ceiling, no schedule and no momentum. `perturbation_scale` is
    1e-4 (1e-3 in single precision), and can be up to 1e-3. In all other cases "weight" uses antithetic pairs and the
    rate of node perturbation. Such cases are several minibatches, metrics, steps, signs of weights, larger scales,
    other rates and `partial_fit`.

    **Metrics.** A scorer that is best where a loss is least is trained as that loss: "accuracy" as "zero_one",
    "neg_log_loss" as "log_loss". Every other metric, and "zero_one", stands still under small perturbations of a batch.
    `fit` therefore trains in steps:

    1. A third of the epochs minimises "log_loss", unless `init` is given.
    2. For two classes and for labels, the decision threshold moves to where a metric of predicted labels is best on the
       training rows.
    3. The outputs of a minibatch (1,000 rows) are perturbed together. The change of the metric assigns credit to each
       output, and node perturbation passes the credit on to the layers below.

    `loss_` and the curves hold minus the metric, and begin with the third step. The common metrics are computed for all
    perturbations at once. Other scorers and callables are called for each perturbation and are slow. `partial_fit`
    trains on the metric from the start.

    **Positive class.** Of two classes, the positive one of "f1", "precision", "recall", "jaccard" and
    "average_precision" is the label 1, as for scikit-learn's scorers. Without that label it is ``classes_[1]``, and a
    warning says so. ``make_scorer(f1_score, pos_label="yes")`` chooses another class, without a warning.

    **Undefined minibatches.** A minibatch on which a metric or callable is not defined counts for nothing. The metrics
    of a positive class (above) are not defined where the minibatch has no positives. Others are not defined where
    scikit-learn raises an error or gives nan, a callable or scorer where it returns nan. Errors that a callable or
    scorer raises are passed on. Where no minibatch of an epoch has a loss, `fit` raises an error and `partial_fit`
    warns; a larger `batch_size` helps.

    **Probabilities.** Probabilities are shifted so that the decision threshold is 0.5. After a metric or "hinge" they
    are not calibrated. In `benchmarks/calibration.py` they are then off by .04 to .07 on average. After "log_loss" they
    are off by .02, and in a :class:`~sklearn.calibration.CalibratedClassifierCV` by .02.

    **Weights that are kept.** `fit` keeps the weights of the epoch with the lowest loss, or the highest validation
    score. It keeps them and warns if training is interrupted or diverges. An interruption before the first epoch has
    ended leaves the estimator unchanged; if it was not fitted, the interruption reaches the caller. Where losses are
    compared, a row counts for at most some twenty times the mean loss at the start. So a few absurd rows neither end a
    fit nor choose its epoch.

    **Reproducibility.** Noise is a function of `random_state` and of a row's content. So neither the order of the rows
    in a minibatch nor `n_jobs` matters.

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

    Train on the metric that counts, here with a rare class:

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

    Calibrate the probabilities:

    >>> from sklearn.calibration import CalibratedClassifierCV
    >>> from sklearn.metrics import brier_score_loss
    >>> scores = [
    ...     brier_score_loss(y[1000:], m.fit(X[:1000], y[:1000]).predict_proba(X[1000:])[:, 1])
    ...     for m in (model, CalibratedClassifierCV(model, cv=3))
    ... ]
    >>> bool(scores[1] < scores[0])
    True

    Minimise your own loss, which gives a value for each row, with weights of the classes:

    >>> def brier(y_true, y_pred):
    ...     return (y_true - y_pred[:, 1]) ** 2
    >>> model = DopamineMLPClassifier(loss=brier, class_weight={0: 1, 1: 3}, random_state=0)
    >>> bool(model.fit(X, y).score(X, y) > 0.85)
    True

    Start from scikit-learn's network, and go back to it:

    >>> from sklearn.neural_network import MLPClassifier
    >>> start = MLPClassifier(early_stopping=True, random_state=0).fit(X, y)
    >>> tuned = DopamineMLPClassifier(loss="balanced_accuracy", init=start, random_state=0).fit(X, y)
    >>> bool((tuned.to_sklearn().predict(X) == tuned.predict(X)).all())
    True
    """

    _functions = ("logistic", "softmax")

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

    @takes_arrays
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
            Training rows, float32 or float64. Scale the features first.
        y : array-like of shape (n_samples,) or {array-like, sparse matrix} of shape (n_samples, n_outputs)
            Class labels, or an indicator matrix of 0 and 1 for multi-label targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows. A row of weight two counts as two equal rows, and a row of weight zero as
            none. A callable loss of one number does not see the weights. A class whose rows all have weight zero is
            still one of `classes_`.
        X_val : {array-like, sparse matrix} of shape (n_val_samples, n_features), default=None
            Your own validation rows, which training does not learn from. Training stops when their score no longer
            improves, and keeps the weights that scored best. Not with early_stopping=False.
        y_val : array-like of shape (n_val_samples,) or (n_val_samples, n_outputs), default=None
            Targets of the validation rows; needed with `X_val`.
        sample_weight_val : array-like of shape (n_val_samples,), default=None
            Weights of the validation rows.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or argument is not valid. If y has a single class and `loss` is a metric or a callable. If
            `loss` is not defined on any minibatch of an epoch. The estimator is then as it was before.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    @takes_arrays
    @_validation.fit_context
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Update the network by one pass over a batch of a stream.

        Training goes through the rows in minibatches of `batch_size`, at the learning rate that earlier calls have
        reached. There is no annealing and no early stop, and no rows are held back, whatever `early_stopping` says. The
        latest weights are kept, unless they made the loss of the batch jump. Calls over the minibatches of one epoch do
        the same, bit for bit, as one epoch of `fit` with ``shuffle=False``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or {array-like, sparse matrix} of shape (n_samples, n_outputs)
            Class labels, all among `classes`, or an indicator matrix of 0 and 1 for multi-label targets.
        classes : array-like of shape (n_classes,), default=None
            All classes that can ever occur. Needed in the first call, except for multi-label targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows.

        Returns
        -------
        self : object
            The updated estimator.

        Raises
        ------
        ValueError
            If an argument is not valid. If `classes` is missing in the first call or differs later. If y has a class
            that `classes` lacks.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all of y and cannot be used with partial_fit: pass a dict, for "
                "example of the weights from sklearn.utils.class_weight.compute_class_weight."
            )
        if classes is None and not hasattr(self, "coefs_") and not type_of_target(y).startswith("multilabel"):
            raise ValueError("classes must be passed in the first call to partial_fit, got None.")
        return self._partial_fit(X, y, sample_weight, None if classes is None else check_labels(classes))

    @takes_arrays
    def predict(self, X: Any) -> Any:
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        y : ndarray of shape (n_samples,) or {ndarray, sparse matrix} of shape (n_samples, n_outputs)
            The most probable class of each row. For multi-label targets, an indicator matrix of the labels that are
            more probable than not. The matrix is sparse if the first y of training was.
        """
        probabilities = self._outputs(X)
        if probabilities.shape[1] == 1:
            probabilities = probabilities.ravel()
        return self._label_binarizer.inverse_transform(probabilities)

    @takes_arrays
    def predict_proba(self, X: Any) -> Array:
        """Predict probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`. Rows sum to one, except for multi-label targets: there each
            column is the probability of one label.
        """
        probabilities = self._outputs(X)
        if len(self.classes_) == 1:
            return np.ones_like(probabilities)
        if probabilities.shape[1] == 1:
            return np.hstack([1 - probabilities, probabilities])
        return probabilities

    @takes_arrays
    def predict_log_proba(self, X: Any) -> Array:
        """Predict logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
            ``log(predict_proba(X))``; minus infinity where the probability is 0.
        """
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))

    def _check_labels(self) -> None:
        check_binarizer(vars(self), self.out_activation_, self.n_outputs_)

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
                f"{self.classes_.tolist()}, as none is 1: choose by sklearn.metrics.make_scorer(..., pos_label=...)."
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

    Training perturbs the network at random and measures how the loss changes. This change is the regret. The regret
    assigns credit: how far each weight should move, and in which direction. The reward prediction error (RPE), by how
    much an update turned out better or worse than expected, adapts the learning rate. Training needs no derivative of
    the loss or of the activation.

    The method is our formalisation of [1]_. Where the loss is a sum over samples, the default is node perturbation:
    noise on the inputs of the units. A critic predicts the regret and so reduces the noise of the credit [2]_.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Number of units in each hidden layer. An int means one hidden layer; () means none, a linear model.
    activation : {"identity", "logistic", "tanh", "relu", "leaky_relu", "step", "sign"}, callable or list of them, \
            default="relu"
        Activation function of the hidden units. A list has one function for each hidden layer. "step" (0 or 1) and
        "sign" (-1 or 1) are trained as they are, without a smooth surrogate. A callable maps an array elementwise to an
        array of the same shape; it may have steps, too.
    loss : str or callable, default="squared_error"
        Loss to minimise, or metric to maximise:

        * "squared_error": half the squared error.
        * "absolute_error": absolute error; predicts the median.
        * "huber": squared near zero and linear beyond 1.35 times the normalised median absolute deviation of each
          output's targets.
        * "pinball": predicts the quantile `quantile`.
        * "poisson": half the Poisson deviance of ``exp(output)``, for y of 0 and more.
        * The name of a scikit-learn scorer, or a scorer ``scorer(estimator, X, y)``: this metric, maximised (Notes).
        * A callable ``loss(y_true, y_pred)``, minimised. It returns one value per row, or one number; with one number
          it is treated like a metric.

        The named losses are summed over the outputs, each in its own unit.
    quantile : float, default=0.5
        Quantile that loss="pinball" predicts, in (0, 1). `fit` warns if it is set with another loss.
    perturbation : {"auto", "node", "feedback", "weight"}, default="auto"
        Where training adds noise:

        * "auto": "node".
        * "node": to the inputs of the units, with separate noise for every sample.
        * "weight": to all weights at once, with the same noise for the whole minibatch. This is the method of [1]_, for
          small networks and few rows (Notes).
        * "feedback": to the units, but only to teach the critics. Hidden layers learn from what the critics expect, and
          no loss judges it. The critics approach the transposed weights, so "feedback" is close to a backward pass, and
          biased.
    perturbation_scale : float or "auto", default="auto"
        Size of the noise, from 1e-8 to 100: on the inputs of the units ("node") or on the weights ("weight"). "auto" is

        * 0.01 in general.
        * 0.5 for units with steps, which do not notice small noise. "node" decides layer by layer; "weight" takes the
          larger size for all weights.
        * With a metric as loss, 0.1 times the targets' spread for the outputs with "node". With "weight" it is 0.1, or
          0.5 with steps.
        * 1e-4 (1e-3 in single precision) with "weight" and all rows in one minibatch (Notes).

        A number holds for all units; with a metric and "node" it holds for the outputs only.
    n_perturbations : int or "auto", default="auto"
        Number of perturbations that an update averages over. More of them mean less noise in the credit, and more work.
        They are antithetic pairs: the same noise, once added and once subtracted. With "feedback" the number counts
        draws of noise to learn from. "auto" is

        * 1 with "node" and "feedback".
        * 16 with "weight", unless all rows are in one minibatch (Notes).
        * 64 for a metric with "node" or "feedback", or 16 where each pair costs calls of a scorer or callable.
    learning_rate : {"dopamine", "constant", "invscaling"}, default="dopamine"
        How the learning rate changes:

        * "dopamine": the reward prediction error raises and lowers the rate, while a schedule anneals it.
        * "constant": the rate stays at `learning_rate_init`.
        * "invscaling": the rate falls as ``learning_rate_init / update ** power_t``.
    learning_rate_init : float, default=0.003
        Learning rate at the start. With "dopamine" any value from 1e-4 on works, because a ceiling holds the rate below
        0.007 ("node") or 0.014 ("weight"). There is no ceiling with "weight" and all rows in one minibatch (Notes).
        Steps are scaled by the range of a layer's initial weights; the rate counts for a layer that starts within -0.2
        and 0.2.
    power_t : float, default=0.5
        Exponent of learning_rate="invscaling".
    momentum : float, default=0.9
        Decay of the running mean of the credit, in [0, 1). A larger value averages over more updates.
    alpha : float, default=0.0001
        Strength of the L2 penalty. The penalty is divided by the sum of the sample weights of the minibatch.
    batch_size : int or "auto", default="auto"
        Number of rows in a minibatch, at most all. "auto" is 200, or 1,000 with a metric as loss.
    max_iter : int, default=200
        Maximum number of epochs. With learning_rate="dopamine" the rate is annealed over a schedule, which may be
        shorter. For b minibatches per epoch the schedule has ``200 / b ** 0.4`` epochs. With two and more hidden layers
        it has half of that, but at least ``200 / b`` (not with "weight"). A smaller `max_iter` cuts the schedule to
        `max_iter` epochs. A `max_iter` above 200 stretches the schedule in proportion.
    shuffle : bool, default=True
        Whether to shuffle the rows in each epoch.
    random_state : int, RandomState instance or None, default=None
        Seed of initial weights, perturbations, shuffling and the choice of rows to hold back. An int makes fits
        reproducible to the bit.
    tol : float, default=1e-4
        Smallest improvement that counts, of the loss (in units of the targets' variance) or of the validation score.
    verbose : bool or int, default=False
        Whether to print one line per epoch.
    warm_start : bool, default=False
        Whether `fit` continues from the weights of the last fit.
    early_stopping : bool or "auto", default="auto"
        How to choose the length of training:

        * "auto": find a length on up to five folds, then train on all rows for that length (Notes). With fewer than 100
          or more than 2,000 distinct rows, run the whole schedule.
        * True: hold back rows, stop when their score no longer improves, and keep the weights that scored best.
        * False: run the whole schedule.
    validation_fraction : float, default=0.1
        Share of the rows to hold back, in (0, 1), and at least two rows. Used with early_stopping=True only.
    n_iter_no_change : int or np.inf, default=10
        Number of epochs without improvement by `tol` after which training stops; np.inf for never. With "weight" and
        all rows in one minibatch, one count is as many epochs as trying all directions takes: parameters over
        `n_perturbations`.
    scoring : str, callable or None, default=None
        Metric that judges rows which training does not learn from: a scorer name or a callable
        ``scorer(estimator, X, y)``. None is minus the loss. Sample weights count with None only. `fit` warns if the
        metric judges nothing: with early_stopping=False, or with "auto" without folds.
    init : MLPRegressor or DopamineMLPRegressor, default=None
        Fitted network to start from:

        * None: `fit` starts from random weights.
        * A fitted network: `fit`, or the first `partial_fit`, starts from a copy of its weights. The network must have
          the same layers, activation and outputs. It is not changed.

        A `learning_rate_init` of 1e-4 keeps the first steps near the start. Clones of this estimator keep `init`
        fitted; in a parameter grid, wrap the network in :class:`~sklearn.frozen.FrozenEstimator`. If you refresh a
        model again and again, all earlier models stay in memory, unless you let each go:
        ``init=model.set_params(init=None)``.
    monotonic_cst : array-like of int of shape (n_features,) or dict, default=None
        Features in which predictions must be monotone. A dict maps names of features to constraints, where X has names:

        * 1: predictions must not fall as the feature rises.
        * -1: predictions must not rise as the feature rises.
        * 0: no constraint.

        The constraints hold for all values of the features, because they fix the signs of the weights. With several
        outputs, each is constrained. A callable as activation must not fall anywhere. See the
        :ref:`User Guide <constraints>`.
    dale : bool, default=False
        Whether each hidden unit either excites or inhibits everything it feeds (Dale's law). All weights from a unit to
        the layer above then have one sign: +1 for half of the units, -1 for the other half. With `monotonic_cst`, units
        from the second hidden layer on only excite.
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
        Biases, one vector per layer.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if X has string names.
    n_layers_ : int
        Number of layers, inputs and outputs included.
    n_outputs_ : int
        Number of outputs.
    out_activation_ : str
        Name of the output function: "exp" with loss="poisson", else "identity".
    n_iter_ : int
        Number of epochs of the last `fit`, without the epochs on "squared_error" that precede a metric (Notes). After
        `partial_fit`, the number over all calls and the fits before them.
    t_ : int
        Number of training rows seen; a row counts each time.
    loss_ : float
        Training loss of the last epoch in the units of y, summed over outputs, as in scikit-learn from version 1.10 on.
    best_loss_ : float or None
        Lowest training loss; None where rows were held back.
    loss_curve_ : list of float
        Training loss of each epoch; `partial_fit` keeps 10,000 to 11,000 of this and of the other training curves.
    validation_scores_ : list of float or None
        Score of each epoch on the rows held back or, with early_stopping="auto", out of fold. `scoring` gives the
        score; without `scoring` it is minus the loss. None where no row was held back, and with "auto" without
        `scoring`.
    validation_loss_curve_ : list of float or None
        Loss of each epoch on the rows held back or, with early_stopping="auto", out of fold. None where no row was held
        back.
    best_validation_score_ : float or None
        Highest of `validation_scores_`.
    learning_rate_ : float
        Learning rate at the end.
    learning_rate_curve_ : list of float
        Learning rate at the end of each epoch.
    reward_prediction_error_curve_ : list of float
        Mean reward prediction error of each epoch: by how much the last update lowered the loss on the next minibatch.
        Positive values are better than expected. The first 30 updates are judged, then every fourth; an epoch without a
        judged update repeats the last value. With several outputs, the loss is in the mean of their units.
    n_evaluations_ : int
        Loss evaluations spent on learning: rows times perturbed or unperturbed networks. The networks of the folds
        count, too; judging rows that are not learnt from does not.

    See Also
    --------
    DopamineMLPClassifier : The same network for classification.
    sklearn.neural_network.MLPRegressor : Trained by backpropagation.

    Notes
    -----
    **Length of training.** With early_stopping="auto", `fit` first trains five networks at once. Each leaves out a
    fifth of the rows, its fold. With more than 400 distinct rows there are only ``2000 // rows`` networks, at least
    one. Equal rows share a fold. After each epoch the folds judge the networks by the loss and, if given, by `scoring`.
    Judging ends when these have long been past their best, or when they improve for so long that the whole schedule is
    needed. Then `fit` trains on all rows for 1.6 times the best epoch, with the rate annealed within. With `scoring`,
    the best epoch is the geometric mean of those by loss and by score. `tol` and `n_iter_no_change` can only end this
    last training.

    `fit` makes no folds, and runs the whole schedule, with

    * fewer than 100 or more than 2,000 distinct rows.
    * a schedule below 20 epochs, or ``n_iter_no_change=np.inf``.
    * a `learning_rate` other than "dopamine", or perturbation="weight".
    * `init`, or `warm_start` of a fitted estimator.
    * a loss that stands still under small perturbations (see below).

    **Weight perturbation.** perturbation="weight" updates the network as in [1]_ under three conditions. All rows are
    in one minibatch (200 or fewer at the defaults), units and loss have a slope, and learning_rate="dopamine". An
    update then tries `n_perturbations` directions, by default one for 40 parameters and at most 64. Each direction is
    compared with the unperturbed network, and the comparisons promise a gain of the loss. The next unperturbed loss
    shows the gain that came. The rate rises if more than a tenth of the promise is kept, and falls otherwise. A step
    that raises the loss by 30 % is undone. There is no ceiling, no schedule and no momentum. `perturbation_scale` is
    1e-4 (1e-3 in single precision), and can be up to 1e-3. In all other cases "weight" uses antithetic pairs and the
    rate of node perturbation. Such cases are several minibatches, metrics, steps, signs of weights, larger scales,
    other rates and `partial_fit`.

    **Metrics.** A scorer that is best where a loss is least is trained as that loss: "r2" and the mean squared errors
    as "squared_error", "neg_mean_absolute_error" as "absolute_error", "neg_mean_poisson_deviance" as "poisson". Every
    other metric stands still under small perturbations of a batch. `fit` therefore trains in steps:

    1. A third of the epochs minimises "squared_error", unless `init` is given.
    2. The outputs of a minibatch (1,000 rows) are perturbed together. The change of the metric assigns credit to each
       output, and node perturbation passes the credit on to the layers below.

    `loss_` and the curves hold minus the metric, and begin with the second step. The common metrics are computed for
    all perturbations at once. Other scorers and callables are called for each perturbation and are slow. `partial_fit`
    trains on the metric from the start.

    **Undefined minibatches.** A minibatch on which a metric or callable is not defined, even for perfect predictions,
    counts for nothing. A callable or scorer says so by returning nan; errors that it raises are passed on. Where no
    minibatch of an epoch has a loss, `fit` raises an error and `partial_fit` warns; a larger `batch_size` helps.

    **Units of the targets.** Targets need no scaling. Training counts each output's targets from their mean and in
    units of their spread, so all outputs count alike. The sum in these units chooses the best weights. Losses and
    scores are reported in the units of y, where large outputs outweigh small ones. A metric, scorer or callable sees
    the units of y. An output whose targets are all the same is predicted exactly (with "poisson" up to rounding),
    unless `init` is given.

    **Weights that are kept.** `fit` keeps the weights of the epoch with the lowest loss, or the highest validation
    score. It keeps them and warns if training is interrupted or diverges. An interruption before the first epoch has
    ended leaves the estimator unchanged; if it was not fitted, the interruption reaches the caller. Where losses are
    compared, a row counts for at most some twenty times the mean loss at the start. So a few absurd rows neither end a
    fit nor choose its epoch.

    **Reproducibility.** Noise is a function of `random_state` and of a row's content. So neither the order of the rows
    in a minibatch nor `n_jobs` matters.

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

    Predict a high quantile instead of the mean:

    >>> high = make_pipeline(StandardScaler(), DopamineMLPRegressor(loss="pinball", quantile=0.9, random_state=0))
    >>> bool((high.fit(X_train, y_train).predict(X_train) > y_train).mean() > 0.7)
    True
    """

    _functions = ("identity", "exp")

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

    @takes_arrays
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
            Training rows, float32 or float64. Scale the features first.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Target values, in any unit.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows. A row of weight two counts as two equal rows, and a row of weight zero as
            none. A callable loss of one number does not see the weights.
        X_val : {array-like, sparse matrix} of shape (n_val_samples, n_features), default=None
            Your own validation rows, which training does not learn from. Training stops when their score no longer
            improves, and keeps the weights that scored best. Not with early_stopping=False.
        y_val : array-like of shape (n_val_samples,) or (n_val_samples, n_outputs), default=None
            Targets of the validation rows; needed with `X_val`.
        sample_weight_val : array-like of shape (n_val_samples,), default=None
            Weights of the validation rows.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or argument is not valid, or if `loss` is not defined on any minibatch of an epoch. The
            estimator is then as it was before.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    @takes_arrays
    @_validation.fit_context
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Update the network by one pass over a batch of a stream.

        Training goes through the rows in minibatches of `batch_size`, at the learning rate that earlier calls have
        reached. There is no annealing and no early stop, and no rows are held back, whatever `early_stopping` says. The
        latest weights are kept, unless they made the loss of the batch jump. The first batch sets the unit and the
        start of the outputs. Apart from these, calls over the minibatches of one epoch do the same as one epoch of
        `fit` with ``shuffle=False``.

        The unit of an output follows a stream. The unit changes where the mean or the spread of the latest 500 targets
        differs by a factor of four or more. A few outliers move no unit. Predictions stay the same when the unit
        changes. There is one exception: if the output fits the new targets far better when read in the new unit, it is
        read in that unit.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Target values.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows.

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

    @takes_arrays
    def predict(self, X: Any) -> Array:
        """Predict target values.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predicted values.
        """
        output = self._outputs(X)
        return output.ravel() if output.shape[1] == 1 else output

    def _check_labels(self) -> None:
        training = vars(self).get("_training")
        if training is None or training.is_hollow:
            return
        if training.units.link != self.out_activation_:
            refuse("out_activation_", f"{training.units.link!r}, as in training", repr(self.out_activation_))
        if training.units.offset is None:
            refuse("_training.units.offset", "there in a regressor", "None")

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
