"""
Progress bar and early stop through callbacks
=============================================

scikit-learn 1.9 and later can watch a fit through callbacks. How does one show the progress of a fit, record a score of
each epoch, and stop when the score is good enough?
"""

# sphinx_gallery_thumbnail_path = "_static/thumbnails/callbacks.svg"
from importlib.util import find_spec

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skdopamine import DopamineMLPClassifier

try:
    from sklearn.callback import ProgressBar, ScoringMonitor
except ImportError as error:
    raise SystemExit("This example needs the callbacks of scikit-learn 1.9 or later.") from error

N_ROWS = 1797
MAX_ITER = 200
ENOUGH = 0.97


# %%
# A callback is any object with these four methods. ``on_fit_task_end`` asks for what it needs by name; a true answer
# stops the fit. Tasks without a parent are whole fits, the others are epochs.
class StopWhenGood:
    """Stops once the accuracy on given rows is good enough."""

    def __init__(self, X, y, enough):
        self.X, self.y, self.enough = X, y, enough

    def setup(self, estimator, context):
        self.scores = []

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.parent is None:
            return False
        self.scores.append(fitted_estimator.score(self.X, self.y))
        return self.scores[-1] >= self.enough

    def teardown(self, estimator, context):
        pass


# %%
# ``set_callbacks`` takes as many callbacks as one likes.
X, y = load_digits(return_X_y=True)
X = StandardScaler().fit_transform(X[:N_ROWS])
X_train, X_valid, y_train, y_valid = train_test_split(X, y[:N_ROWS], stratify=y[:N_ROWS], random_state=0)
stop, monitor = StopWhenGood(X_valid, y_valid, ENOUGH), ScoringMonitor(scoring="accuracy")
bars = [ProgressBar()] if find_spec("rich") else []  # it draws with rich, which is not a dependency of scikit-learn
mlp = DopamineMLPClassifier(max_iter=MAX_ITER, random_state=0).set_callbacks(stop, monitor, *bars)
mlp.fit(X_train, y_train)

# %%
# The monitor has the score on the training rows, one row for each epoch and one for the fit.
training = [row["accuracy"] for row in monitor.get_logs().data if len(row["task_id_path"]) == 2]
print(f"{'epoch':>5}{'training':>10}{'validation':>12}")
for epoch, scores in enumerate(zip(training, stop.scores, strict=True), start=1):
    print(f"{epoch:5d}{scores[0]:10.3f}{scores[1]:12.3f}")

# %%
# The fit stops after epoch 6, the first with an accuracy of at least 0.97 on the rows held back, where 200 epochs
# were allowed.
