"""The examples and the README do what they say."""

import ast
import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest
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
    assert first.startswith("Medians of 1 splits")
    check_comparison(cancer)
    check_comparison(digits)


# ---- the gallery -----------------------------------------------------------------------------------------------------

# script -> constants that make it small
SMALL = {
    "plot_acting_and_learning.py": {"N_ROWS": 1600},
    "plot_callbacks.py": {"N_ROWS": 600, "ENOUGH": 0.9},
    "plot_choose_by_backtest.py": {"N_UNITS": 30},
    "plot_demand_holidays.py": {"N_UNITS": 40},
    "plot_cart_pole.py": {"N_EPISODES": 40},
    "plot_demand_intervals.py": {"N_DAYS": 37, "N_UNITS": 20, "MAX_ITER": 3},
    "plot_digits_beside_mlp.py": {"N_ROWS": 600},
    "plot_f1_rare_positives.py": {"N_ROWS": 2000, "N_SPLITS": 1, "MAX_ITER": 40},
    "plot_fine_tune_mlp.py": {"N_ROWS": 2000},
    "plot_learning_from_clicks.py": {"N_ROWS": 4000},
    "plot_lorenz_rossler.py": {"N_ROWS": 1000, "N_UNITS": 60, "LYAPUNOV_TIMES": 3},
    "plot_many_shops.py": {"N_SHOPS": 12, "N_UNITS": 30},
    "plot_monotone_credit.py": {"N_TEST": 1000},
    "plot_perturbation_scale.py": {"N_ROWS": 300, "MAX_ITER": 25},
    "plot_quantiles.py": {"N_ROWS": 1000},
    "plot_sensor_gaps.py": {"N_DAYS": 57, "N_UNITS": 40},
    "plot_step_units.py": {"N_ROWS": 1200, "MAX_ITER": 300},
    "plot_streaming.py": {"N_DAYS": 36, "N_UNITS": 60, "MAX_ITER": 5},
    "plot_ten_million_rows.py": {"N_ROWS": 600_000, "CHUNK": 3000},
    "plot_traces.py": {"N_ROWS": 1200, "MAX_ITER": 60},
    "plot_xor_landscape.py": {"N_ROWS": 60},
}
NUMBER = r"([-+]?\d+(?:\.\d+)?)"


def numbers(pattern, printed):
    """Numbers in each line that the pattern matches, "#" being a number: one row a line."""
    found = re.findall(pattern.replace("#", NUMBER), printed, re.MULTILINE)
    assert found, f"no line like {pattern!r} in {printed!r}"
    return np.array(found, dtype=float).reshape(len(found), -1)


def check_acting(printed):
    before, after = numbers(r"^\w+ +mistakes # before the change and # after it$", printed).T
    assert len(before) == 3
    assert (before < 0.7 * 800).all()
    assert (after < 0.9 * 800).all()


def check_cart_pole(printed):
    first, last = numbers(r"^steps: first ten episodes #, last ten #$", printed)[0]
    assert 10 < first < last
    assert numbers(r"^without exploring # of 200$", printed)[0, 0] > 2 * first


def check_clicks(printed):
    estimates, truths = numbers(r"^[^b].{15} clicks estimated #, in truth #$", printed).T
    assert len(truths) == 5
    assert abs(estimates - truths).max() < 0.05
    assert truths[2] > max(truths[:2])
    assert numbers(r"^best possible +clicks estimated nan, in truth #$", printed)[0, 0] > truths.max()


def check_monotone(printed):
    free, constrained = numbers(r"^\w+: test accuracy #$", printed)[:, 0]
    assert constrained > free - 0.01
    free, constrained = numbers(r"^\w+: # % of the lines break a constraint$", printed)[:, 0]
    assert free > 10
    assert constrained == 0


def check_callbacks(printed):
    epochs, training, validation = numbers(r"^ +# +# +#$", printed).T
    assert (epochs == 1 + np.arange(len(epochs))).all()
    assert (validation[:-1] < 0.9).all()
    assert validation[-1] >= 0.9
    assert training[-1] > 0.9


def check_choose(printed):
    day, month = numbers(r"^error of the next day #, of 30 days #: ", printed).T
    assert len(day) == 6
    assert np.ptp(day[[1, 4, 5]]) < 0.15  # with 15 lags
    assert month.argmin() == 1
    mases = numbers(r": MASE # of the first day, # of all$", printed)[:, 1]
    assert mases[0] < mases[1:].min()
    inside = numbers(r"in the interval of 80 %: #%, of 95 %: #%$", printed)[0]
    assert (np.abs(inside - [80, 95]) < 12).all()


def check_holidays(printed):
    blind, told = numbers(r"covariates: mean absolute error #$", printed)[:, 0]
    assert told < min(0.8 * blind, numbers(r"^four weeks before: #$", printed)[0, 0])
    assert numbers(r"demand times #$", printed)[0, 0] == pytest.approx(np.exp(0.4), rel=0.15)
    assert numbers(r"^#% of the days in the interval", printed)[0, 0] > 70


def check_demand(printed):
    errors = numbers(r"mean absolute error # MW", printed)[:, 0]
    (before,) = numbers(r"^the value before: # MW", printed)[0]
    assert len(errors) == 3
    assert (errors[[0, 2]] < before).all()
    error, naive, inside = numbers(r"error # MW \(same day a week before # MW\), #% in the interval", printed)[0]
    assert error < 1.5 * naive
    assert inside > 50


def check_digits(printed):
    accuracy, _, epochs = numbers(r"^\w*MLPClassifier +# +# +#$", printed).T
    assert len(accuracy) == 2
    assert (accuracy > 0.9).all()
    assert epochs[1] < epochs[0]


def check_f1(printed):
    assert 2 < numbers(r"^#% positives", printed)[0, 0] < 5
    scores = numbers(r"^[^%]+? +# +# +#$", printed)[:, 0]
    assert len(scores) == 5
    assert ((scores >= 0) & (scores < 1)).all()
    assert scores.max() > 0.2


def check_fine_tune(printed):
    start, tuned = numbers(r"balanced accuracy #, positives found #, false alarms #$", printed)
    assert 0.5 <= start[0] < tuned[0] < 1
    assert start[1] < tuned[1]


def check_lorenz_rossler(printed):
    times = numbers(r"^(?:Lorenz|Rössler): valid for # Lyapunov times, # rows; fit in # s$", printed)[:, 0]
    assert len(times) == 2
    assert (times > 1).all()


def check_perturbation_scale(printed):
    scores = numbers(r"accuracy #, #, #, #, #, #; best scale #$", printed)[:, :-1]
    assert scores.shape == (2, 6)
    assert (scores > 0.7).all()
    assert (scores[0] > scores[1]).all()  # relu


def check_quantiles(printed):
    quantile, below, *halves = numbers(r"^quantile #: # of .* below, # on the left and # on the right$", printed).T
    np.testing.assert_allclose(quantile, [0.1, 0.5, 0.9])
    np.testing.assert_allclose(below, quantile, atol=0.08)
    np.testing.assert_allclose(np.mean(halves, axis=0), below, atol=0.02)


def check_sensor(printed):
    assert 10 < numbers(r"^#% of the values are missing$", printed)[0, 0] < 25
    whole, holed, lines = numbers(r"error of the next day # degrees$", printed)[:, 0]
    assert holed < min(1.3 * whole, lines)
    filled, straight = numbers(r"^lost hours filled by .*: error # degrees$", printed)[:, 0]
    assert filled < 0.5 * straight


def check_shops(printed):
    together, alone, naive = numbers(r"^(?:one model of all|one model each|the year before) +#% +#%$", printed)
    assert together[0] < 0.9 * alone[0]  # of young shops
    assert (together <= naive).all()
    assert numbers(r"changes the forecast by #%$", printed)[0, 0] < 1


def check_step_units(printed):
    accuracy, _ = numbers(r"test accuracy # after # epochs$", printed).T
    assert len(accuracy) == 2
    assert (accuracy > 0.93).all()


def check_streaming(printed):
    rows = numbers(r"^(?:before|on the day|after|at the end) +# +# +#% +#$", printed)
    before, change, after, _ = rows
    assert change[0] > 2 * before[0]
    assert after[0] < 0.7 * change[0]
    assert change[2] < before[2]
    assert after[3] > 1.5 * after[0]


def check_ten_million_rows(printed):
    memory, accuracy = numbers(r"rows: # MB, accuracy #$", printed).T
    assert len(memory) == 10
    assert accuracy[-1] > 0.95
    rows = numbers(r"^the rows together: # MB$", printed)[0, 0]
    assert numbers(r"^memory, last tenth minus the first: # MB$", printed)[0, 0] < 0.4 * rows
    assert numbers(r"^time, last tenth over the first: #$", printed)[0, 0] > 0  # how much depends on the machine


def check_traces(printed):
    first, third, accuracy = numbers(r"rate # after epoch 1, # after epoch 3, test accuracy #$", printed).T
    assert first[0] < 0.2 * first[1]
    assert abs(np.log(third[0] / third[1])) < 0.5 * abs(np.log(first[0] / first[1]))
    assert (accuracy > 0.9).all()


def check_xor(printed):
    first, last = numbers(r"^accuracy after one update: #, at the end: #$", printed)[0]
    assert first < 0.9 < last
    start, solution = np.abs(numbers(r"regret #$", printed)).reshape(2, 2)
    assert solution.max() < start.max()


GALLERY = {  # script -> check of what it prints, number of figures
    "plot_acting_and_learning.py": (check_acting, 1),
    "plot_callbacks.py": (check_callbacks, 0),
    "plot_choose_by_backtest.py": (check_choose, 1),
    "plot_demand_holidays.py": (check_holidays, 1),
    "plot_cart_pole.py": (check_cart_pole, 1),
    "plot_learning_from_clicks.py": (check_clicks, 1),
    "plot_demand_intervals.py": (check_demand, 1),
    "plot_digits_beside_mlp.py": (check_digits, 1),
    "plot_f1_rare_positives.py": (check_f1, 1),
    "plot_fine_tune_mlp.py": (check_fine_tune, 1),
    "plot_lorenz_rossler.py": (check_lorenz_rossler, 1),
    "plot_many_shops.py": (check_shops, 1),
    "plot_monotone_credit.py": (check_monotone, 1),
    "plot_perturbation_scale.py": (check_perturbation_scale, 1),
    "plot_quantiles.py": (check_quantiles, 1),
    "plot_sensor_gaps.py": (check_sensor, 1),
    "plot_step_units.py": (check_step_units, 1),
    "plot_streaming.py": (check_streaming, 1),
    "plot_ten_million_rows.py": (check_ten_million_rows, 1),
    "plot_traces.py": (check_traces, 1),
    "plot_xor_landscape.py": (check_xor, 1),
}
LIMIT = 80  # lines of a script


def made_small(name):
    """Compile a script whose constants are those of the table."""
    path = ROOT / "examples" / name
    tree, left = ast.parse(path.read_text(encoding="utf-8")), dict(SMALL[name])
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in left:
            ast.literal_eval(node.value)  # a literal, or this fails
            node.value = ast.copy_location(ast.Constant(left.pop(node.targets[0].id)), node.value)
    assert not left, f"{name} has no constant {', '.join(left)}"
    return compile(tree, str(path), "exec")


@pytest.fixture
def pyplot(monkeypatch):
    """pyplot that draws nowhere, without figures before and after."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.close("all")
    monkeypatch.setattr(plt, "show", lambda: None)
    yield plt
    plt.close("all")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # the small sizes ask for few epochs
@pytest.mark.parametrize("name", SMALL)
def test_gallery_script_runs_and_prints_what_it_says(name, pyplot, capsys):
    if name == "plot_callbacks.py":
        pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")
    check, n_figures = GALLERY[name]
    exec(made_small(name), {"__name__": "__main__"})
    check(capsys.readouterr().out)
    figures = [pyplot.figure(number) for number in pyplot.get_fignums()]
    assert len(figures) == n_figures
    for figure in figures:
        figure.canvas.draw()
        assert (figure.get_size_inches() <= (8, 4)).all()
        for ax in figure.axes:
            assert any(other.get_xlabel() for other in ax.get_shared_x_axes().get_siblings(ax))
            assert any(other.get_ylabel() for other in ax.get_shared_y_axes().get_siblings(ax))
    pyplot.close("all")
    assert pyplot.get_fignums() == []


def test_callbacks_script_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)  # as before scikit-learn 1.9
    with pytest.raises(SystemExit, match=r"scikit-learn 1\.9"):
        exec(made_small("plot_callbacks.py"), {"__name__": "__main__"})


def test_constant_that_is_gone_fails(monkeypatch):
    monkeypatch.setitem(SMALL, "plot_traces.py", {"N_LINES": 1})
    with pytest.raises(AssertionError, match="N_LINES"):
        made_small("plot_traces.py")


def test_every_example_is_checked():
    assert sorted(SMALL) == sorted(GALLERY)
    assert sorted([*SMALL, "compare_mlp.py"]) == EXAMPLES


@pytest.mark.parametrize("name", SMALL)
def test_gallery_script_is_short_and_has_a_title(name):
    text = (ROOT / "examples" / name).read_text(encoding="utf-8")
    assert len(text.splitlines()) < LIMIT
    title, underline = ast.get_docstring(ast.parse(text)).splitlines()[:2]
    assert underline == "=" * len(title)


# ---- the comparison and the README -----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # the table shows the epochs
def test_compare_mlp_prints_its_tables(monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("compare_mlp", ROOT / "examples" / "compare_mlp.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    monkeypatch.setattr(example, "SEEDS", range(1))  # README's first command runs all of them
    with threadpool_limits(limits=1):
        example.main()
    check_compare_mlp(capsys.readouterr().out)


def piece(name):
    """Find the one piece of Python in the README that imports this estimator."""
    (text,) = [text for text in PYTHON if f"import {name}\n" in text]
    return text


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
def test_readme_forecast(capsys):
    names = {"__name__": "readme"}
    exec(compile(piece("DopamineESNForecaster"), "README.md", "exec"), names)
    series, ahead = names["series"], names["ahead"]
    assert ahead.shape == (200, 3)
    assert np.abs(ahead[:100] - series[3000:3100]).max() < 0.1 * series.std()
    assert (names["low"] <= names["high"]).all()
    assert float(capsys.readouterr().out) == pytest.approx(0.94, abs=0.05)  # what README says


def test_readme_classifier(capsys):
    exec(compile(piece("DopamineMLPClassifier"), "README.md", "exec"), {"__name__": "readme"})
    (first, log_loss), (second, f1) = map(str.split, capsys.readouterr().out.splitlines())
    assert (first, second) == ("log_loss", "f1")
    assert [float(log_loss), float(f1)] == pytest.approx([0.60, 0.63], abs=0.015)  # what README says
    assert float(f1) > float(log_loss)


def test_readme_policy(capsys):
    exec(compile(piece("DopamineMLPPolicy"), "README.md", "exec"), {"__name__": "readme"})
    all_actions, last = map(float, capsys.readouterr().out.split())
    assert 0.7 < all_actions < last < 1


def test_every_piece_of_python_in_the_readme_is_run():
    names = ("DopamineMLPClassifier", "DopamineESNForecaster", "DopamineMLPPolicy")
    run = [piece(name) for name in names]
    assert sorted(run) == sorted(PYTHON)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_figures_are_finished_in_the_block_that_begins_them(name):
    """The gallery keeps and closes what is open after each block."""
    for block in re.split(r"^# %%", (ROOT / "examples" / name).read_text(encoding="utf-8"), flags=re.MULTILINE):
        begins = re.search(r"subplots\(|figure\(|Display\.from_", block)
        assert bool(begins) == ("plt.show()" in block)
