"""The recipes of CONTRIBUTING.md, followed to the letter on a copy, give what they promise.

A copy of the package and of its tests gets a recipe's blocks of code and the names that its last step asks for. Then
another process trains what is new, and runs the tests that walk the table it stands in.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("skdopamine", "tests", "README.md", "CONTRIBUTING.md", "pyproject.toml", "doc/parameters.md")
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


class Block(NamedTuple):
    """A block of code of a recipe."""

    file: str
    place: str  # "at the end", "with the imports", "before NAME" or "in NAME", the name of a table or class
    code: str


def blocks(text: str) -> list[Block]:
    """All blocks that name a file and a place."""
    found = re.findall(r"^ *```python\n *# (\S+), ([^\n]+)\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return [Block(file, place, textwrap.dedent(code)) for file, place, code in found]


def section(title: str) -> str:
    """Text of the recipe of this title."""
    return re.search(rf"^## {title}\n(.*?)(?=^## )", TEXT, re.MULTILINE | re.DOTALL)[1]


def placed(source: str, place: str, code: str) -> str:
    """The source with a block of code at this place."""
    body, lines = ast.parse(source).body, source.splitlines(keepends=True)
    if place == "at the end":
        return f"{source}\n\n{code}"
    if place == "with the imports":
        row = max(node.end_lineno for node in body if isinstance(node, ast.Import | ast.ImportFrom))
        return "".join([*lines[:row], code, *lines[row:]])
    where, name = place.split()
    (node,) = [node for node in body if name in names(node)]
    if where == "before":
        return "".join([*lines[: node.lineno - 1], code, "\n\n", *lines[node.lineno - 1 :]])
    row = node.end_lineno
    if isinstance(node, ast.ClassDef):
        code = f"\n{code}"
    if not isinstance(node, ast.ClassDef):  # a row of a table ends with a comma, and the bracket stays below
        row, code = row - 1, code.rstrip(",\n") + ",\n"
    return "".join([*lines[:row], textwrap.indent(code, "    "), *lines[row:]])


def names(node: ast.stmt) -> list[str]:
    """What a statement at the top of a file defines."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


class Copy:
    """A copy of the package and its tests, to try a recipe on."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
            else:
                (root / name).parent.mkdir(exist_ok=True)
                shutil.copy(ROOT / name, root / name)

    def follow(self, title: str) -> None:
        """Put every block of the recipe where it says."""
        for block in blocks(section(title)):
            path = self.root / block.file
            path.write_text(placed(path.read_text(encoding="utf-8"), block.place, block.code), encoding="utf-8")

    def name(self, new: str, known: str, *files: str) -> None:
        """Name what is new before what is known already, wherever that stands in these files."""
        for file in files:
            path = self.root / file
            text = path.read_text(encoding="utf-8")
            quoted = '`"{}"`' if file.endswith(".md") else '"{}"'
            assert quoted.format(known) in text, file
            text = text.replace(quoted.format(known), f"{quoted.format(new)}, {quoted.format(known)}")
            path.write_text(text, encoding="utf-8")

    def check(self, recipe: str, code: str) -> None:
        """Add this code as a test of a recipe."""
        path = self.root / "tests" / f"test_recipe_of_{recipe}.py"
        path.write_text(f"import numpy as np\nimport skdopamine\n{code}", encoding="utf-8")

    def run_tests(self, words: str, *files: str) -> str:
        """Run the tests added, and those of these files whose names have one of these words; what is shown of them."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
        options = ("-v", "--tb=short", "--color=no", "-p", "no:cacheprovider", "-k", f"recipe_of or {words}")
        added = sorted(str(path.relative_to(self.root)) for path in self.root.glob("tests/test_recipe_of_*.py"))
        result = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *added, *files],
            cwd=self.root,
            env=environment | {"PYTHONPATH": str(self.root), "OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-2000:]
        return result.stdout


LOSS = """
def test_it_is_trained_as_itself():
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = X[:, 0] + X[:, 1] ** 2
    first = [
        skdopamine.DopamineMLPRegressor((5,), loss="quartic", random_state=0).fit(X, unit * y).loss_curve_[0]
        for unit in (1.0, 1024.0)
    ]
    assert first[1] == first[0] * 1024.0**4

def test_the_forecaster_has_it():
    X = np.sin(0.3 * np.arange(120))[:, None]
    model = skdopamine.DopamineESNForecaster(n_units=5, stateful=True, loss="quartic", random_state=0)
    assert np.isfinite(model.fit(X).forecast(3)).all()
"""

ACTIVATION = """
def test_it_is_trained_as_itself():
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = X[:, 0] * X[:, 1]
    model, own, *others = (
        skdopamine.DopamineMLPRegressor((5,), activation, random_state=0).fit(X, y)
        for activation in ("softsign", lambda z: z / (1 + np.abs(z)), "tanh", "relu")
    )
    assert model.loss_curve_ == own.loss_curve_
    for other in others:
        assert model.loss_curve_[0] != other.loss_curve_[0]
    z = X @ model.coefs_[0] + model.intercepts_[0]
    expected = (z / (1 + np.abs(z))) @ model.coefs_[1] + model.intercepts_[1]
    np.testing.assert_allclose(model.predict(X), expected[:, 0], rtol=1e-12)
"""

CREDIT_RULE = """
import pytest

@pytest.mark.filterwarnings("ignore:Maximum iterations")
@pytest.mark.parametrize("estimator", [skdopamine.DopamineMLPClassifier, skdopamine.DopamineMLPRegressor])
def test_it_is_trained_as_itself(estimator):
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = (X[:, 0] > 0) * 1
    params = {"learning_rate": "constant", "max_iter": 100, "batch_size": 20, "random_state": 0}
    fits = [
        estimator((5, 5), perturbation=rule, **params).fit(X, y) for rule in ("forward", "node", "weight")
    ]
    for other in fits[1:]:
        assert not np.allclose(fits[0].coefs_[0], other.coefs_[0], rtol=1e-3)
    assert fits[0].loss_ < 0.5 * fits[0].loss_curve_[0]
"""

FEATURE = """
from sklearn.linear_model import Ridge

def test_another_readout_learns_from_it():
    X = np.sin(0.3 * np.arange(300))[:, None] + 0.01 * np.random.default_rng(0).normal(size=(300, 1))
    model = skdopamine.DopamineESNForecaster(20, stateful=True, trainable=(), random_state=0).fit(X[:150])
    seen = model.features(X[150:])
    assert seen.shape == (150, len(model.readout_))
    assert Ridge(1e-6).fit(seen[:100], X[151:251]).score(seen[100:-1], X[251:]) > 0.99
"""


def passed(shown: str, test: str) -> set[str]:
    """Parameters with which this test has passed."""
    return set(re.findall(rf"::{test}\[(.*)\] PASSED", shown))


@pytest.mark.slow
def test_the_recipes(tmp_path):
    """All on one copy and in one process, as each starts with what takes longest."""
    copy = Copy(tmp_path)
    copy.follow("To add a loss that is a sum over samples")
    copy.name("quartic", "huber", "skdopamine/_mlp/estimators.py", "skdopamine/_esn/forecaster.py", "doc/parameters.md")
    copy.check("loss", LOSS)
    copy.follow("To add an activation")
    copy.name("softsign", "leaky_relu", "skdopamine/_mlp/estimators.py", "doc/parameters.md")
    copy.check("activation", ACTIVATION)
    copy.follow("To add a credit rule")
    copy.name("forward", "weight", "skdopamine/_mlp/estimators.py", "doc/parameters.md")
    copy.check("credit_rule", CREDIT_RULE)
    copy.follow("To add a feature of the forecaster")
    copy.check("feature", FEATURE)
    shown = copy.run_tests(
        "quartic or softsign or same_activations or forward or names_of_the_table or features or answered_before_fit "
        "or prediction_changes_nothing or every_method_is_called",
        "tests/objectives/test_registry.py",
        "tests/objectives/test_losses.py",
        "tests/mlp/test_activations.py",
        "tests/mlp/test_network.py",
        "tests/mlp/test_estimators.py",
        "tests/mlp/test_modes.py",
        "tests/test_conformance.py",
        "tests/training/test_credit.py",
        "tests/esn/test_forecaster.py",
    )
    # a loss
    assert "::test_quartic_by_hand PASSED" in shown
    assert passed(shown, "test_a_loss_is_documented_where_it_is_taken") == {"quartic-regression"}
    assert passed(shown, "test_a_loss_grows_with_the_unit_as_it_says") >= {"1024.0-quartic-regression"}
    assert passed(shown, "test_difference_is_that_of_two_evaluations") == {"quartic-regression"}
    # an activation
    assert "::test_softsign_by_hand PASSED" in shown
    assert passed(shown, "test_response_is_the_central_difference") == {"softsign"}
    assert passed(shown, "test_every_activation_trains") == {"binary-softsign", "regression-softsign"}
    assert passed(shown, "test_an_activation_is_documented") == {"softsign"}
    # a credit rule
    assert "::test_forward_credit_of_a_linear_loss_is_its_gradient PASSED" in shown
    assert len(passed(shown, "test_parameters_docstring_and_page_have_the_names_of_the_table")) == 2
    assert len(passed(shown, "test_the_loss_falls")) == 9
    assert len(passed(shown, "test_the_books_add_up")) == 9
    # a feature of the forecaster
    assert "::test_features_times_the_readout_are_the_predictions PASSED" in shown
    assert "::test_every_method_is_called PASSED" in shown
    assert passed(shown, "test_nothing_is_answered_before_fit") >= {"predict", "features"}
    assert passed(shown, "test_prediction_changes_nothing") == {"False", "True"}


def test_each_block_of_a_recipe_is_followed():
    """A block without a file and a place would be left out in silence."""
    assert len(blocks(TEXT)) == len(re.findall(r"^ *```python$", TEXT, re.MULTILINE))
