"""
A credit score that never falls where it must not
=================================================

A bank may have to say why a loan was refused. "You would have got it with one more late payment" is no answer, yet a
model that has learnt from few and noisy rows may well behave like that. Do constraints on the signs of the weights keep
a network from it, and what do they cost?
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.inspection import PartialDependenceDisplay
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdopamine import DopamineMLPClassifier

N_TRAIN = 300
N_TEST = 5000
NAMES = ["income", "debt ratio", "late payments", "age"]
CONSTRAINTS = [-1, 1, 1, 0]  # of the risk: it must not rise with income, nor fall with debt or late payments

# %%
# Loans are drawn at random. The risk of default falls with income, rises with debt and late payments, and is highest at
# both ends of age, for which there is no constraint. Much of it is chance.
rng = np.random.default_rng(1)
n = N_TRAIN + N_TEST
income, debt = rng.lognormal(1, 0.5, n), rng.beta(2, 4, n)
late, age = rng.poisson(0.8, n), rng.uniform(20, 70, n)
log_odds = debt + 0.5 * np.sqrt(late) - np.log(income) + 2 * ((age - 45) / 25) ** 2
X = np.column_stack([income, debt, late, age])
y = (log_odds + rng.logistic(0, 1, n) > 0).astype(int)
X_train, X_test, y_train, y_test = train_test_split(X, y, train_size=N_TRAIN, random_state=0)

# %%
# The two networks differ in `monotonic_cst` only; how long they are trained is chosen out of fold.
free, constrained = (
    make_pipeline(StandardScaler(), DopamineMLPClassifier(monotonic_cst=cst, random_state=0)).fit(X_train, y_train)
    for cst in (None, CONSTRAINTS)
)
fig, axes = plt.subplots(2, 3, figsize=(8, 4), layout="constrained", sharey="row")
for row, (label, model) in zip(axes, (("free", free), ("constrained", constrained)), strict=True):
    print(f"{label}: test accuracy {model.score(X_test, y_test):.3f}")
    shown = {"kind": "both", "subsample": 40, "percentiles": (0, 1), "pd_line_kw": {"color": "tab:red", "label": None}}
    PartialDependenceDisplay.from_estimator(
        model, X_train, [0, 1, 2], feature_names=NAMES, random_state=0, ax=row, **shown
    )
    for ax in row:
        ax.set_ylabel("")
    row[0].set_ylabel(f"risk, {label}")
plt.show()


# %%
# Each blue line is one customer, the red one their mean. The free network lets the risk of many fall with more debt,
# and that of some rise with income.
#
# How many lines do that? Along each feature, from a low to a high value, for each of 300 customers:
def broken(model):
    """Share of lines that move against their constraint."""
    lines = []
    for feature in range(3):
        grid = np.repeat(X_test[:300, None], 30, axis=1)
        grid[:, :, feature] = np.linspace(*np.quantile(X_test[:, feature], [0, 1]), 30)
        risk = model.predict_proba(grid.reshape(-1, 4))[:, 1].reshape(300, 30)
        lines.append((CONSTRAINTS[feature] * np.diff(risk, axis=1) < -1e-12).any(axis=1))
    return np.mean(lines)


for label, model in (("free", free), ("constrained", constrained)):
    print(f"{label}: {100 * broken(model):.0f} % of the lines break a constraint")

# %%
# No line of the constrained network can: the signs of its weights see to it, for every customer there could be. And as
# the constraints are true, they are worth rows: here, with 300 of them, it is right more often, too.
