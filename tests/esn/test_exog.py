"""Covariates as users give them: by label between two indexes of pandas, else by position."""

import numpy as np
import pandas as pd
import pytest
from forecasters import stream

from skdopamine.evaluation import backtest

N = 120
RNG = np.random.default_rng(0)
KNOWN = RNG.integers(0, 2, N + 20) * 1.0
VALUES = 10 + np.sin(2 * np.pi * np.arange(N) / 12) + 3 * KNOWN[:N] + 0.1 * RNG.standard_normal(N)
INDEXES = {
    "dates": pd.date_range("2020-01-01", periods=N + 20),
    "integers from 0": pd.RangeIndex(N + 20),
    "integers from 100": pd.RangeIndex(100, 100 + N + 20),
    "every third": pd.RangeIndex(5, 5 + 3 * (N + 20), 3),
    "numbers": pd.Index(np.arange(N + 20) * 0.1),
    "years": pd.period_range("1800", periods=N + 20, freq="Y"),
}


@pytest.fixture(params=INDEXES)
def index(request):
    return INDEXES[request.param]


def fitted(series, exog):
    return stream(n_units=15, season=None, ridge=0.1, lag_ridge=0.1).fit(series, exog=exog)


BY_POSITION = fitted(VALUES, KNOWN[:N])


def test_labels_and_not_places_count(index):
    series, table = pd.Series(VALUES, index[:N]), pd.DataFrame({"k": KNOWN}, index)
    shuffled = table.sample(frac=1, random_state=0)
    model = fitted(series, shuffled)
    np.testing.assert_allclose(model.readout_, BY_POSITION.readout_)
    np.testing.assert_array_equal(model.forecast(5, exog=shuffled), BY_POSITION.forecast(5, exog=KNOWN[N : N + 5]))
    rows, ahead = series.iloc[40:100], KNOWN[40:105]
    np.testing.assert_array_equal(
        model.forecast(5, rows, exog=shuffled), BY_POSITION.forecast(5, VALUES[40:100], exog=ahead)
    )


def test_labels_that_do_not_match_are_refused(index):
    table = pd.DataFrame({"k": KNOWN}, index)
    model = fitted(pd.Series(VALUES, index[:N]), table)
    for wrong in (table.iloc[:5], table.iloc[N + 1 : N + 6], table.iloc[N : N + 4]):
        with pytest.raises(
            ValueError, match=r"exog must have one row for each of .* got none for .*: give it the index"
        ):
            model.forecast(5, exog=wrong)
    with pytest.raises(ValueError, match="got some twice"):
        model.forecast(5, exog=pd.concat([table, table]))
    other = table.set_axis(INDEXES["dates"] if index.dtype.kind != "M" else INDEXES["integers from 0"])
    with pytest.raises(ValueError, match=r"exog must have an index of .*, as X, got one of .*: give it the index of X"):
        model.forecast(5, exog=other)


def test_arrays_go_by_position_and_have_the_right_length(index):
    model = fitted(pd.Series(VALUES, index[:N]), KNOWN[:N])
    np.testing.assert_array_equal(
        model.forecast(5, exog=KNOWN[N : N + 5]), BY_POSITION.forecast(5, exog=KNOWN[N : N + 5])
    )
    for wrong in (KNOWN, KNOWN[:4]):
        with pytest.raises(ValueError, match="exog must have 5 rows"):
            model.forecast(5, exog=wrong)
    table = pd.DataFrame({"k": KNOWN[:5]}, index[:5])
    np.testing.assert_array_equal(BY_POSITION.forecast(5, exog=table), BY_POSITION.forecast(5, exog=KNOWN[:5]))


LEFT = np.delete(np.arange(N), [20, 21, 50, 90])


@pytest.mark.parametrize("kind", ["table", "array", "whole table", "nan"])
@pytest.mark.parametrize("name", [name for name in INDEXES if name != "numbers"])
def test_rows_that_both_lack_are_completed(name, kind):
    """A joined table whose rows with gaps were dropped."""
    index = INDEXES[name]
    series, table = pd.Series(VALUES, index[:N]), pd.DataFrame({"k": KNOWN[:N]}, index[:N])
    holed = table.copy()
    holed.iloc[np.setdiff1d(np.arange(N), LEFT)] = np.nan
    given = {"table": table.iloc[LEFT], "array": KNOWN[LEFT], "whole table": table, "nan": holed}[kind]
    model = fitted(series.iloc[LEFT], given)
    whole = fitted(series, table)
    ahead = pd.DataFrame({"k": KNOWN}, index)
    np.testing.assert_allclose(model.forecast(5, exog=ahead), whole.forecast(5, exog=ahead), atol=0.4)
    rows = given if kind == "array" else pd.concat([given, ahead.iloc[N : N + 5]])
    rows = np.concatenate([rows, KNOWN[N : N + 5]]) if kind == "array" else rows
    again = whole.forecast(5, series.iloc[LEFT], exog=rows)
    np.testing.assert_allclose(again, whole.forecast(5, series, exog=ahead), atol=0.4)


def test_what_x_has_exog_must_have():
    days = INDEXES["dates"]
    series, table = pd.Series(VALUES, days[:N]), pd.DataFrame({"k": KNOWN}, days)
    with pytest.raises(ValueError, match=r"exog must have one row for each of .* got none for 2020-01-11"):
        fitted(series.iloc[LEFT], table.drop(days[10]))
    holed = table.copy()
    holed.iloc[10] = np.nan
    with pytest.raises(ValueError, match=r"exog must be known wherever X is, .* got nan for 2020-01-11"):
        fitted(series.iloc[LEFT], holed)
    with pytest.raises(ValueError, match=r"exog must have 120 rows"):
        fitted(series.iloc[LEFT], KNOWN[: len(LEFT) - 1])
    with pytest.raises(ValueError, match=r"exog must be numbers, got ('1.0'|'no'|str in)"):
        fitted(series, table.astype(str).replace({"0.0": "no"}))


@pytest.mark.parametrize("name", ["dates", "integers from 100"])
def test_a_sparse_member_of_a_panel_has_its_rows_of_a_table_for_all(name):
    index = INDEXES[name]
    kept = np.sort(np.random.default_rng(1).permutation(N)[:50])
    series = {"whole": pd.Series(VALUES, index[:N]), "sparse": pd.Series(VALUES[kept], index[kept])}
    table = pd.DataFrame({"k": KNOWN}, index)
    with pytest.warns(UserWarning, match="gaps"):
        by_label = fitted(series, table)
    own = {"whole": table.iloc[:N], "sparse": table.iloc[kept]}
    with pytest.warns(UserWarning, match="gaps"):
        each = fitted(series, own)
    with pytest.warns(UserWarning, match="gaps"):
        arrays = fitted(series, {name: part.to_numpy() for name, part in own.items()})
    np.testing.assert_array_equal(by_label.readout_, each.readout_)
    np.testing.assert_array_equal(by_label.readout_, arrays.readout_)
    with pytest.warns(UserWarning, match="gaps"):
        path = by_label.forecast(2, series, exog=table)["sparse"]
    last = kept[-1] + 1
    own = by_label.forecast(2, {"sparse": VALUES[kept]}, exog=KNOWN[[*kept, last, last + 1]])["sparse"]
    np.testing.assert_allclose(path, own)


@pytest.mark.parametrize("given", ["table", "array"])
def test_a_backtest_of_rows_that_both_lack(given):
    days = INDEXES["dates"]
    series = pd.Series(VALUES, days[:N]).iloc[LEFT]
    exog = pd.DataFrame({"k": KNOWN[:N]}, days[:N]).iloc[LEFT]
    model = stream(n_units=15, season=None)
    for refit in (False, True):
        result = backtest(model, series, 3, 4, exog=exog if given == "table" else exog.to_numpy(), refit=refit)
        assert result.summary()["mase"] < result.summary()["naive_mase"]
    with pytest.raises(ValueError, match="exog must have"):
        backtest(model, series, 3, 4, exog=exog[1:])


def test_labels_of_text_are_not_read_in_another_order():
    index = pd.Index([f"week {k:03}" for k in range(N)])
    series, table = pd.Series(VALUES, index), pd.DataFrame({"k": KNOWN[:N]}, index)
    np.testing.assert_array_equal(fitted(series, table).readout_, BY_POSITION.readout_)
    np.testing.assert_array_equal(fitted(series, table.reset_index(drop=True)).readout_, BY_POSITION.readout_)
    with pytest.raises(ValueError, match="exog must be in the order of X where labels are text"):
        fitted(series, table[::-1])
