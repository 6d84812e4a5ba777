"""The examples and the README do what they say."""

import importlib.util
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)  # (language, text)
PYTHON = [text for language, text in BLOCKS if language == "python"]

SCORES = re.compile(r"^(\w*MLPClassifier) +(\d\.\d{4}) +(\d+\.\d\d) +(\d+)$", re.MULTILINE)  # accuracy, seconds, epochs
TRACE = re.compile(r"^ +(\d+) +(\d+\.\d{4}) +([-+]\d\.\d\de[-+]\d\d) +(\d\.\d\de[-+]\d\d)$", re.MULTILINE)


def check_comparison(printed: str) -> None:
    """One data set's tables: a row for each estimator, and eight of the trace."""
    assert re.search(r"^ +accuracy +fit seconds +epochs$", printed, re.MULTILINE)
    assert re.search(r"^ +epoch +loss +RPE +learning rate$", printed, re.MULTILINE)
    scores = SCORES.findall(printed)
    assert [name for name, *_ in scores] == ["MLPClassifier", "DopamineMLPClassifier"]
    assert all(0.9 < float(accuracy) <= 1 for _, accuracy, *_ in scores)
    epochs, losses, errors, rates = np.array(TRACE.findall(printed), dtype=float).T
    assert len(epochs) == 8
    assert epochs[0] == 1
    assert (np.diff(epochs) > 0).all()
    assert 0 < losses[-1] < 0.1 * losses[0]
    assert errors[0] > 0
    assert (rates > 0).all()


def check_compare_mlp(printed: str) -> None:
    first, cancer, digits = re.split(r"^(?:Breast cancer|Digits)$", printed, flags=re.MULTILINE)
    assert first.startswith("Medians of 3 splits")
    check_comparison(cancer)
    check_comparison(digits)


def check_forecast_lorenz(printed: str) -> None:
    times = re.findall(r"^(ridge alone|tuned gains) +(\d+\.\d\d) +(\d+\.\d\d) +(\d+\.\d\d)$", printed, re.MULTILINE)
    (plain, plain_mean, *_), (tuned, tuned_mean, *_) = times
    assert (plain, tuned) == ("ridge alone", "tuned gains")
    assert 4 < float(plain_mean) < float(tuned_mean)
    trace = np.array(
        re.findall(r"^ +(\d+) +(-\d+\.\d+) +([-+]\d+\.\d+) +(\d\.\d+)$", printed, re.MULTILINE), dtype=float
    )
    assert (trace[:, 0] == np.arange(1, len(trace) + 1)).all()
    assert trace[-1, 1] < trace[0, 1] - 1
    intervals = re.findall(r"after (\d+) steps: (-?\d+\.\d+) to (-?\d+\.\d+)$", printed, re.MULTILINE)
    widths = [float(high) - float(low) for _, low, high in intervals]
    assert len(widths) == 3
    assert 0 <= widths[0] < widths[-1]


CHECKS = {"compare_mlp.py": check_compare_mlp, "forecast_lorenz.py": check_forecast_lorenz}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_example_prints_its_tables(name, capsys):
    runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")
    CHECKS[name](capsys.readouterr().out)


def test_every_example_is_checked():
    assert sorted(CHECKS) == EXAMPLES


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # the table shows the epochs
def test_compare_mlp_on_one_split(monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("compare_mlp", ROOT / "examples" / "compare_mlp.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    monkeypatch.setattr(example, "SEEDS", range(1))
    with threadpool_limits(limits=1):
        example.print_trace(example.compare(*load_breast_cancer(return_X_y=True)))
    check_comparison(capsys.readouterr().out)


def test_readme_has_two_commands():
    commands = [text for language, text in BLOCKS if language not in ("python", "")]
    assert [language for language, _ in BLOCKS if language not in ("python", "")] == ["bash", "bash"]
    assert all(re.fullmatch(r"[^\n]+\n", command) for command in commands)
    assert README.count("```") == 2 * len(BLOCKS)  # and no block that the pattern has missed


def test_readme_names_files_that_exist():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.slow
def test_readme_forecast():
    names = {"__name__": "readme"}
    exec(compile(PYTHON[1], "README.md", "exec"), names)
    series, ahead = names["series"], names["ahead"]
    assert ahead.shape == (200, 3)
    assert np.abs(ahead[:100] - series[3000:3100]).max() < 0.1 * series.std()
    assert (names["low"] <= names["high"]).all()
    assert np.abs(names["one_step"][:-1] - series[3001:]).max() < 0.01 * series.std()


def test_readme_python_runs(capsys):
    exec(compile(PYTHON[0], "README.md", "exec"), {"__name__": "readme"})
    score, traces = capsys.readouterr().out.splitlines()[:2]
    assert 0.9 < float(score) <= 1
    rate, error, evaluations = map(float, traces.split())
    assert 0 < rate < 1
    assert abs(error) < 1
    assert evaluations > 1e4


def test_readme_has_two_pieces_of_python():
    assert len(PYTHON) == 2
