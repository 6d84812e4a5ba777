"""The rooms of the package, the arrows between them, and the size of what is in them; read from the source, not run."""

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "skdopamine"
WINGS = {  # wing -> wings that its rooms may import; the public helpers at the top stand alone
    "_training": set(),
    "_objectives": set(),
    "_estimator": {"_training", "_objectives"},
    "_mlp": {"_training", "_objectives", "_estimator"},
    "_esn": {"_training", "_objectives", "_estimator"},
}
ROOMS_OF = {  # wing -> room -> rooms of the same wing that it may import
    "_training": {
        "trainer": {"learning_rate", "problem", "update"},
        "update": {"learning_rate", "problem"},
        "problem": set(),
        "learning_rate": set(),
        "credit": set(),
        "critic": set(),
        "noise": set(),
    },
    "_objectives": {
        "base": set(),
        "losses": {"base"},
        "actions": {"base", "losses"},
        "metrics": set(),
        "tasks": set(),
        "registry": {"base", "losses", "metrics"},
        "scorers": {"base", "losses", "metrics", "muted", "tasks"},
        "muted": set(),
        "thresholds": {"base"},
    },
    "_estimator": {
        "base": {"history", "journal"},
        "sound": {"validation"},
        "arrays": {"validation"},
        "history": set(),
        "caller": set(),
        "journal": {"callbacks", "report", "sound", "validation"},
        "crew": {"blas", "caller", "cluster", "processes", "workers"},
        "workers": {"blas"},
        "processes": {"workers"},
        "cluster": {"workers"},
        "blas": set(),
        "ending": {"caller", "validation"},
        "report": {"callbacks"},
        "callbacks": set(),
        "validation": {"caller"},
    },
    "_mlp": {
        "estimators": {"class_weights", "fitting", "sound", "units"},
        "policy": {"acting", "exploration", "off_policy", "parameters"},
        "acting": {
            "activations",
            "experience",
            "fitting",
            "network",
            "off_policy",
            "parameters",
            "problem",
            "readout",
            "sound",
            "training",
            "units",
        },
        "experience": {"problem", "readout", "training", "units"},
        "exploration": set(),
        "off_policy": set(),
        "readout": set(),
        "fitting": {
            "activations",
            "base",
            "beforehand",
            "bridge",
            "folds",
            "following",
            "held_back",
            "network",
            "parameters",
            "problem",
            "signs",
            "sound",
            "training",
            "units",
        },
        "beforehand": {"base", "folds", "held_back", "network", "parameters", "problem"},
        "base": {"activations", "bridge", "network", "onnx", "parameters", "signs", "sound", "training", "units"},
        "sound": {"experience", "network", "readout", "training", "units"},
        "parameters": {"activations", "modes", "network", "problem"},
        "following": {"network", "problem", "training", "units"},
        "training": {"network", "units"},
        "modes": {"activations", "network", "node", "problem", "weight"},
        "node": {"network", "output_credit", "problem", "signs"},
        "output_credit": {"network", "problem"},
        "weight": {"network", "problem"},
        "problem": {"network", "units"},
        "units": set(),
        "network": {"activations"},
        "signs": {"network"},
        "bridge": {"activations"},
        "onnx": {"activations"},
        "folds": {"network", "problem"},
        "held_back": {"network", "problem"},
        "class_weights": set(),
        "activations": set(),
    },
    "_esn": {
        "forecaster": {"ahead", "calendar", "intervals", "panel", "reading", "record", "rows"},
        "ahead": {"intervals", "outlook"},
        "outlook": {
            "base",
            "bounds",
            "calendar",
            "frames",
            "held",
            "intervals",
            "model",
            "panel",
            "reading",
            "record",
            "simple",
            "spread",
            "standard",
            "stream",
        },
        "fitted": {"gains_problem", "model", "sound", "stream"},
        "sound": {
            "bounds",
            "covariates",
            "model",
            "products",
            "reader",
            "record",
            "reservoir",
            "robust",
            "root",
            "standard",
            "stream",
        },
        "base": {
            "bounds",
            "calendar",
            "choice",
            "forecast",
            "gaps",
            "model",
            "panel",
            "planning",
            "reader",
            "readout",
            "record",
            "reservoir",
            "robust",
            "root",
            "rows",
            "simple",
            "stream",
            "training",
        },
        "planning": {
            "bounds",
            "choice",
            "covariates",
            "forecast",
            "gains_problem",
            "model",
            "panel",
            "readout",
            "record",
            "reservoir",
            "robust",
            "rows",
            "season",
            "simple",
            "standard",
            "training",
        },
        "training": {
            "choice",
            "forecast",
            "gains_problem",
            "model",
            "reader",
            "reading",
            "readout",
            "readout_problem",
            "recurrent_problem",
            "reservoir",
            "root",
        },
        "reading": {
            "bounds",
            "content",
            "exog",
            "fitted",
            "frames",
            "gaps",
            "model",
            "panel",
            "rows",
            "stream",
            "wild",
        },
        "readout": {"forecast", "loop", "model", "products", "reader", "reservoir", "robust", "root"},
        "choice": {"forecast", "loop", "model", "reader", "reservoir", "simple", "standard"},
        "gaps": {"model", "reservoir", "rows", "stream"},
        "rows": {"frames", "model", "panel"},
        "stream": {
            "bounds",
            "calendar",
            "forecast",
            "frames",
            "model",
            "panel",
            "reader",
            "record",
            "reservoir",
            "root",
            "rows",
        },
        "model": {
            "bounds",
            "covariates",
            "loop",
            "products",
            "reader",
            "reservoir",
            "robust",
            "root",
            "simple",
            "spread",
            "standard",
        },
        "gains_problem": {"forecast", "reservoir"},
        "readout_problem": {"forecast", "reservoir", "window_errors"},
        "recurrent_problem": {"forecast", "reservoir", "root", "window_errors"},
        "window_errors": {"forecast", "reservoir"},
        "intervals": {"loop", "reader", "record", "reservoir", "simple", "spread"},
        "record": {"reader", "reservoir"},
        "spread": {"reader", "record", "reservoir"},
        "forecast": {"loop", "reader", "reservoir", "robust", "root", "simple"},
        "reader": {"loop", "products", "reservoir"},
        "loop": {"products", "reservoir"},
        "covariates": {"simple", "standard"},
        "reservoir": set(),
        "root": {"reservoir"},
        "robust": {"reservoir"},
        "products": set(),
        "season": {"standard"},
        "simple": set(),
        "bounds": {"standard"},
        "wild": set(),
        "standard": set(),
        "held": {"intervals", "loop", "record", "simple", "spread"},
        "content": {"frames"},
        "panel": {"content", "frames"},
        "exog": {"calendar", "content", "frames", "panel"},
        "frames": {"calendar"},
        "calendar": set(),
    },
}
TOP = {  # files beside the wings -> what they may import
    "__init__": {"_esn.forecaster", "_mlp.estimators", "_mlp.policy", "windows"},
    "_typing": set(),
    "checkpoint": {"__init__", "_estimator.callbacks", "_estimator.caller", "_estimator.journal"},
    "control": set(),
    "datasets": set(),
    "evaluation": {"__init__", "_esn.calendar", "_esn.exog", "_esn.frames", "_esn.panel"},
    "inspection": {"_esn.panel"},
    "onnx": {"_mlp.estimators", "_mlp.onnx"},
    "windows": set(),
}
CONTRIBUTING = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
PRIVATE_TO = "_estimator.validation"  # the one room that may touch what scikit-learn keeps private
MOST_LINES, MOST_IN_FILE = 44, 400  # in a function and in a file; see `code_lines` and `length`


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


def rooms(wing: str) -> set[str]:
    return {wing} | {f"{wing}.{room}" for room in ROOMS_OF[wing]}


def allowed(room: str) -> set[str]:
    """Everything that a room may import of the package."""
    if room in TOP:
        return TOP[room] | ({"_typing"} if room != "_typing" else set())
    wing, _, name = room.partition(".")
    inside = {wing, *(f"{wing}.{other}" for other in ROOMS_OF[wing][name])} if name else set()
    return inside.union({"_typing"}, *(rooms(other) for other in WINGS[wing]))


def wrong_arrows(room: str, source: str) -> set[str]:
    """Rooms that this one imports and may not; a name that is no room lies in ``__init__``."""
    known = {*TOP, *(name for wing in WINGS for name in rooms(wing))}
    used = set()
    for name in imported(source):
        top, *below = name.split(".")
        if top == "skdopamine":
            used.add(next((r for n in (2, 1) if (r := ".".join(below[:n])) in known), "__init__"))
    return used - allowed(room)


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
    """Lines of a function's body that are neither blank nor comment, without its docstring."""
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
    return [(name, size) for name, size in sizes if size > MOST_LINES]


def length(source: str) -> int:
    """Lines of a file that are neither blank nor of a docstring."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            first, last = node.body[0].lineno, node.body[0].end_lineno
            lines[first - 1 : last] = [""] * (last - first + 1)
    return sum(1 for line in lines if line.strip())


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "__init__"


ROOMS = {room_of(path): path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}


def test_every_room_is_in_the_table():
    assert set(ROOMS) == {*TOP, *(name for wing in WINGS for name in rooms(wing))}


@pytest.mark.parametrize("room", ROOMS)
def test_arrows(room):
    assert wrong_arrows(room, ROOMS[room]) == set()


def test_the_map_for_contributors_is_the_table():
    """A row may hold several rooms; arrows inside a row are not drawn."""
    drawn = {}
    for wing, section in re.findall(r"^### `(\w+)/`.*?\n(.*?)(?=^##)", CONTRIBUTING, re.MULTILINE | re.DOTALL):
        rows = re.findall(r"^\| (`\w+\.py`.*?) \|.*\| (.*) \|$", section, re.MULTILINE)
        table = {
            tuple(re.findall(r"`(\w+)\.py`", names)): set(re.findall(r"`(\w+)`", arrows)) for names, arrows in rows
        }
        drawn[wing] = sorted(room for names in table for room in names)
        for names, arrows in table.items():
            assert arrows == set().union(*(ROOMS_OF[wing][room] for room in names)) - set(names), (wing, names)
    assert drawn == {wing: sorted(table) for wing, table in ROOMS_OF.items()}


@pytest.mark.parametrize("room", sorted(set(ROOMS) - {PRIVATE_TO}))
def test_privates_of_scikit_learn_stay_in_one_room(room):
    assert private_names(ROOMS[room]) == set()


@pytest.mark.parametrize("room", ROOMS)
def test_functions_are_short(room):
    assert long_functions(ROOMS[room]) == []


@pytest.mark.parametrize("room", ROOMS)
def test_files_are_short(room):
    assert length(ROOMS[room]) <= MOST_IN_FILE


def test_no_two_test_files_have_one_name():
    """pytest imports each by its name alone, and could not collect a run of all."""
    names = sorted(path.name for path in Path(__file__).parent.rglob("*.py") if path.name != "__init__.py")
    assert [name for name, after in pairwise(names) if name == after] == []


def test_contributors_read_the_same_sizes():
    sizes = f"at most {MOST_IN_FILE} lines in a file and {MOST_LINES} in a function."
    assert sizes in " ".join(CONTRIBUTING.split())


# ---- the checks catch what they are for ----


@pytest.mark.parametrize(
    ("room", "source", "wrong"),
    [
        ("_training.credit", "from skdopamine._mlp import network", {"_mlp.network"}),
        ("_training.credit", "from skdopamine._mlp.network import Network", {"_mlp.network"}),
        ("_training.credit", "import skdopamine._mlp.network as net", {"_mlp.network"}),
        ("_training.credit", "from . import windows", {"windows"}),
        ("_training.credit", "def f():\n    if True:\n        from skdopamine._mlp.network import f", {"_mlp.network"}),
        ("_training.credit", "import importlib\nimportlib.import_module('skdopamine._mlp.base')", {"_mlp.base"}),
        ("_training.credit", "from skdopamine import DopamineMLPClassifier", {"__init__"}),
        ("_training.credit", "import numpy, skdopamine", {"__init__"}),
        ("_training.credit", "from skdopamine._training.trainer import train", {"_training.trainer"}),
        ("_mlp.network", "from skdopamine._mlp.node import NodeProblem", {"_mlp.node"}),
        ("_esn.base", "from skdopamine._mlp.network import Network", {"_mlp.network"}),
        ("_mlp.node", "from skdopamine._training import credit as _credit\nimport numpy", set()),
        ("_estimator.validation", "from skdopamine._training.trainer import train", set()),
        ("windows", "from skdopamine._esn.season import season", {"_esn.season"}),
        ("__init__", "from skdopamine._training.trainer import train", {"_training.trainer"}),
        ("_training.credit", "from scipy._lib import _network\nimport numpy._network", set()),
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


@pytest.mark.parametrize(("n_lines", "found"), [(400, True), (401, False)])
def test_a_planted_long_file_is_found(n_lines, found):
    source = '"""One.\n\nTwo.\n"""\n\n' + "a = 1\n\n" * n_lines
    assert (length(source) <= MOST_IN_FILE) is found
