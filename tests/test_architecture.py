"""The rooms of the package, the arrows between them, and the size of what is in them; read from the source, not run."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "skdopamine"
ARROWS = {
    "__init__": {"_esn", "_mlp", "windows"},
    "_esn": {"_esn_base", "_forecast", "_intervals", "_reservoir", "_validation"},
    "_esn_base": {
        "_trainer",
        "_intervals",
        "_reservoir",
        "_forecast",
        "_gains_problem",
        "_weights_problem",
        "_season",
        "_learning_rate",
        "_losses",
        "_scorers",
        "_validation",
    },
    "_reservoir": set(),
    "_forecast": {"_reservoir"},
    "_intervals": {"_forecast", "_reservoir"},
    "_gains_problem": {"_credit", "_forecast", "_objectives", "_problem", "_reservoir"},
    "_weights_problem": {"_credit", "_forecast", "_problem", "_reservoir"},
    "_season": set(),
    "datasets": set(),
    "inspection": set(),
    "windows": set(),
    "_mlp": {"_mlp_base", "_losses", "_scorers", "_validation"},
    "_mlp_base": {
        "_trainer",
        "_network",
        "_objectives",
        "_learning_rate",
        "_validation",
        "_activations",
        "_bridge",
        "_callbacks",
        "_problem",
        "_losses",
        "_scorers",
    },
    "_trainer": {"_learning_rate", "_problem"},
    "_problem": {"_credit", "_network", "_objectives"},
    "_network": {"_activations"},
    "_credit": set(),
    "_learning_rate": set(),
    "_objectives": set(),
    "_metrics": set(),
    "_losses": {"_objectives"},
    "_scorers": {"_losses", "_metrics", "_objectives"},
    "_activations": set(),
    "_validation": set(),
    "_bridge": {"_activations"},
    "_callbacks": set(),
}
CONTRIBUTING = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
PRIVATE_TO = "_validation"  # the one room that may touch what scikit-learn keeps private
MOST_LINES, MOST_IN_TRAIN = 44, 60  # of code in a function, and in the training loop


def imported(source: str) -> set[str]:
    """Dotted names of all that a module imports, wherever in it; relative ones as if of the package."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, ["skdopamine" if node.level else "", node.module or ""]))
            names |= {f"{module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "__import__",
            "importlib.import_module",
            "import_module",
        ):
            names.add(ast.unparse(node.args[0]).strip("'\""))
    return names


def wrong_arrows(room: str, source: str) -> set[str]:
    """Rooms that this one imports and may not; a name that is no room lies in ``__init__``."""
    used = set()
    for name in imported(source):
        top, *below = name.split(".")
        if top == "skdopamine":
            used.add(below[0] if below and below[0] in ARROWS else "__init__")
    return used - ARROWS[room]


def private_names(source: str) -> set[str]:
    """What is used of scikit-learn that begins with an underscore, modules and names in them."""
    used = imported(source) | {
        ast.unparse(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)
    }
    return {
        name
        for name in used
        if name.split(".")[0] == "sklearn" and any(part[0] == "_" and part[:2] != "__" for part in name.split("."))
    }


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef, source: str) -> int:
    """Lines of a function's body that are neither blank nor comment; without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not body:
        return 0
    lines = source.splitlines()[body[0].lineno - 1 : body[-1].end_lineno]
    return sum(1 for line in lines if line.strip() and not line.strip().startswith("#"))


def long_functions(source: str) -> list[tuple[str, int]]:
    """Names and code lines of the functions that have too many."""
    functions = [
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    sizes = [(function.name, code_lines(function, source)) for function in functions]
    return [(name, size) for name, size in sizes if size > (MOST_IN_TRAIN if name == "train" else MOST_LINES)]


ROOMS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}


def test_every_room_is_in_the_table():
    assert set(ROOMS) == set(ARROWS)


@pytest.mark.parametrize("room", ROOMS)
def test_arrows(room):
    assert wrong_arrows(room, ROOMS[room]) == set()


def test_the_map_for_contributors_is_the_table():
    """A row may hold several rooms; arrows inside a row are not drawn."""
    rows = re.findall(r"^\| (`\w+\.py`.*?) \|.*\| (.*) \|$", CONTRIBUTING, re.MULTILINE)
    drawn = {tuple(re.findall(r"`(\w+)\.py`", rooms)): set(re.findall(r"`(\w+)`", arrows)) for rooms, arrows in rows}
    assert sorted(room for rooms in drawn for room in rooms) == sorted(set(ARROWS) - {"__init__"})
    for rooms, arrows in drawn.items():
        assert arrows == set().union(*(ARROWS[room] for room in rooms)) - set(rooms), rooms


@pytest.mark.parametrize("room", sorted(set(ROOMS) - {PRIVATE_TO}))
def test_privates_of_scikit_learn_stay_in_one_room(room):
    assert private_names(ROOMS[room]) == set()


@pytest.mark.parametrize("room", ROOMS)
def test_functions_are_short(room):
    assert long_functions(ROOMS[room]) == []


# ---- the checks catch what they are for ----


@pytest.mark.parametrize(
    ("room", "source", "wrong"),
    [
        ("_credit", "from skdopamine import _network", {"_network"}),
        ("_credit", "from skdopamine._network import Network", {"_network"}),
        ("_credit", "import skdopamine._network as net", {"_network"}),
        ("_credit", "from . import _network", {"_network"}),
        ("_credit", "from ._network import forward, trace", {"_network"}),
        ("_credit", "def f():\n    if True:\n        from skdopamine import _network", {"_network"}),
        ("_credit", "import importlib\nimportlib.import_module('skdopamine._network')", {"_network"}),
        ("_credit", "from skdopamine import DopamineMLPClassifier", {"__init__"}),
        ("_credit", "import numpy, skdopamine", {"__init__"}),
        ("_network", "from skdopamine import _activations, _credit, _problem", {"_credit", "_problem"}),
        ("_trainer", "from skdopamine._problem import Batch\nimport numpy", set()),
        ("_trainer", "from skdopamine._mlp import DopamineMLPClassifier", {"_mlp"}),
        ("__init__", "from skdopamine._trainer import train", {"_trainer"}),
        ("_credit", "from scipy._lib import _network\nimport numpy._network", set()),
    ],
)
def test_a_planted_arrow_is_found(room, source, wrong):
    assert wrong_arrows(room, source) == wrong


@pytest.mark.parametrize(
    ("source", "private"),
    [
        ("from sklearn.utils._param_validation import Interval", {"sklearn.utils._param_validation.Interval"}),
        ("from sklearn.utils import _param_validation", {"sklearn.utils._param_validation"}),
        ("from sklearn.base import BaseEstimator, _fit_context", {"sklearn.base._fit_context"}),
        ("import sklearn.neural_network._base", {"sklearn.neural_network._base"}),
        ("import sklearn\nsklearn.base._fit_context()", {"sklearn.base._fit_context"}),
        ("import sklearn\nprint(sklearn.__version__)", set()),
        ("from sklearn.base import BaseEstimator\nfrom numpy import _core", set()),
    ],
)
def test_a_planted_private_is_found(source, private):
    assert private_names(source) == private


@pytest.mark.parametrize(("n_lines", "found"), [(44, []), (45, [("f", 45)])])
def test_a_planted_long_function_is_found(n_lines, found):
    head = 'class C:\n    def f(\n        self,\n        a,\n    ):\n        """One.\n\n        Two.\n        """\n'
    body = "        a += 1\n        # comment\n\n" + "        a += 1\n" * (n_lines - 1)
    namesake = "def f():\n    return 1\n"
    assert long_functions(head + body + namesake) == found
