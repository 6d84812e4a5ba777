"""Whether a model, and where it stands in its series, are such as a fit makes.

Both may come from a file. All public attributes of a forecaster are read from them, so that nothing has two copies.
"""

from typing import Any

import numpy as np

from skdopamine._esn.bounds import MOST
from skdopamine._esn.covariates import Covariates
from skdopamine._esn.model import Model
from skdopamine._esn.products import n_products
from skdopamine._esn.reader import SeriesReader, WindowReader
from skdopamine._esn.record import Record
from skdopamine._esn.reservoir import Normal, Weights
from skdopamine._esn.robust import KINDS
from skdopamine._esn.root import Root
from skdopamine._esn.standard import Standard
from skdopamine._esn.stream import Stream
from skdopamine._estimator.sound import check_array, check_that, check_typed, described, refuse
from skdopamine._typing import Array

MOST_DEGREE, MOST_ROWS = 10, 10**9
# what may be nan or infinite: targets that are not known, limits that nobody has set, losses that tell nothing of
# predictions, rows before a series begins
LOOSE = {
    *("History.losses", "History.rates", "History.errors", "History.scores", "History.best_loss"),
    *("Model.limits", "Record.target", "Record.errors", "SeriesReader.inputs", "SeriesReader.covariates"),
    *("WindowReader.covariates", "Stream.history", "Stream.exog", "Calendar.labels", "Labels.last"),
}


def check_model(model: Any) -> None:
    """Refuse a model that predicts nothing, or something else than what was fitted."""
    if type(model) is not Model:
        refuse("_model", "a Model", described(model))
    check_typed("_model", model, Model, LOOSE)
    form, n_units, n_targets = model.form, model.weights.bias.size, model.readout.shape[-1]
    if not (form.n_channels >= 1 and form.n_series >= 1 and n_units >= 1):
        refuse("_model.form", "of one channel, series and unit at least", f"{form} of {n_units} units")
    for number, weights in enumerate((model.weights, *model.others)):
        name = f"_model.others[{number - 1}]" if number else "_model.weights"
        _check_weights(name, weights, n_units, form.n_channels)
    for name, gain in model.gains._asdict().items():
        check_array(f"_model.gains.{name}", gain, (1,))
        check_that(f"_model.gains.{name}", gain, "zero or more", lambda value: value >= 0)
    check_that("_model.gains.leak_rate", model.gains.leak_rate, "in (0, 1]", lambda value: (value > 0) & (value <= 1))
    check_array("_model.lags", model.lags, (None,), kinds="i")
    if not len(model.lags) or model.lags[0] < 0 or (np.diff(model.lags) <= 0).any():
        refuse("_model.lags", "rising and not negative", model.lags.tolist())
    if not 1 <= model.degree <= MOST_DEGREE:
        refuse("_model.degree", f"from 1 to {MOST_DEGREE}", model.degree)
    n_known = _check_covariates(model)
    n_features = n_units + len(model.lags) * form.n_channels + n_known + n_products(form.n_channels, model.degree) + 1
    check_array("_model.readout", model.readout, (model.n_reservoirs * n_features, n_targets))
    _check_standard("_model.inputs", model.inputs, form.n_columns)
    _check_standard("_model.targets", model.targets, form.n_series * n_targets)
    if len(model.limits) != 2:
        refuse("_model.limits", "a pair", len(model.limits))
    low, high = model.limits
    for name, limit in (("0", low), ("1", high)):
        check_array(f"_model.limits[{name}]", limit, (form.n_columns,), finite=False)
    if not (low < high).all():
        refuse("_model.limits", "lower and upper ends", (low.tolist(), high.tolist()))
    if model.robust is not None:
        check_array("_model.robust.deviation", model.robust.deviation, (n_targets,))
        check_that("_model.robust.deviation", model.robust.deviation, "zero or more", lambda value: value >= 0)
        check_that("_model.robust.unit", model.robust.unit, "above zero", lambda value: value > 0)
        if model.robust.kind not in KINDS:
            refuse("_model.robust.kind", f"one of {sorted(KINDS)}", described(model.robust.kind))


def _check_weights(name: str, weights: Weights, n_units: int, n_channels: int) -> None:
    data, indices, indptr = weights.recurrent
    check_array(f"{name}.bias", weights.bias, (n_units,))
    check_array(f"{name}.inputs", weights.inputs, (n_units, n_channels))
    check_array(f"{name}.recurrent.indptr", indptr, (n_units + 1,), kinds="i")
    check_array(f"{name}.recurrent.data", data, (int(indptr[-1]),))
    check_array(f"{name}.recurrent.indices", indices, (int(indptr[-1]),), kinds="i")
    if indptr[0] != 0 or (np.diff(indptr) < 0).any():
        refuse(f"{name}.recurrent.indptr", "rising from zero", described(indptr))
    check_that(f"{name}.recurrent.indices", indices, f"below {n_units}", lambda value: (value >= 0) & (value < n_units))


def _check_covariates(model: Model) -> int:
    """Refuse covariates that do not fit; return how many the readout sees of each series."""
    known, form = model.covariates, model.form
    if (known is None) != (form.n_covariates == 0):
        refuse("_model.covariates", f"of {form.n_covariates} columns, as _model.form says", described(known))
    if known is None:
        return 0
    assert isinstance(known, Covariates)
    # whether what is left is expected to stay is chosen after the covariates were made, and of the rows alone
    if (known.n_series, known.base.lag) != (form.n_series, model.base.lag) or not known.before:
        wanted = f"of {form.n_series} series and of differences over {model.base.lag} rows"
        refuse("_model.covariates", wanted, (known.n_series, known.base.lag))
    _check_standard("_model.covariates.standard", known.standard, form.n_series * form.n_covariates)
    return known.n_seen


def _check_standard(name: str, standard: Standard, n_columns: int) -> None:
    check_array(f"{name}.centre", standard.centre, (n_columns,))
    check_array(f"{name}.unit", standard.unit, (n_columns,))
    check_that(f"{name}.unit", standard.unit, "above zero", lambda value: value > 0)


def check_stream(stream: Any, model: Model) -> None:
    """Refuse a place in a series that is not one of this model's."""
    if type(stream) is not Stream:
        refuse("_stream", "a Stream", described(stream))
    check_typed("_stream", stream._replace(normal=None, record=None), Stream, LOOSE)
    form, n_targets = model.form, model.readout.shape[1]
    if stream.record is not None:
        _check_record(stream.record, model, form.n_series * n_targets)
    check_array("_stream.state", stream.state, model.zero_state.shape)
    if form.is_series:
        check_array("_stream.history", stream.history, (None, form.n_columns), finite=False)
        _check_length("_stream.history", stream.history, model.n_history, stream)
    for name in ("least", "most", "share"):
        check_array(f"_stream.span.{name}", getattr(stream.span, name), (form.n_columns,))
    if not (stream.span.least <= stream.span.most).all():
        refuse("_stream.span", "from the least to the most", "others")
    check_that("_stream.span.share", stream.span.share, f"from 0 to {MOST}", lambda v: (v >= 0) & (v <= MOST))
    if len(stream.calendars) != form.n_series:
        refuse("_stream.calendars", f"those of {form.n_series} series", len(stream.calendars))
    check_array("_stream.levels", stream.levels)
    if stream.levels.size or model.base.lag:
        check_array("_stream.levels", stream.levels, (model.base.lag, form.n_columns))
    check_array("_stream.ages", stream.ages, (max(1, model.base.lag), form.n_columns), kinds="i")
    check_that("_stream.ages", stream.ages, "counts of rows", lambda value: (value >= 0) & (value < MOST_ROWS))
    if model.covariates is not None and form.is_series:
        n_covariates, several = form.n_series * form.n_covariates, form.n_series > 1
        check_array("_stream.exog", stream.exog, (None, n_covariates), finite=not several)
        assert stream.exog is not None
        _check_length("_stream.exog", stream.exog, model.covariates.n_history, stream)
    if stream.absent is not None:
        check_array("_stream.absent", stream.absent, stream.history.shape, kinds="b")
    _check_normal(stream.normal, model, n_targets)


def _check_length(name: str, rows: Array, n_rows: int, stream: Stream) -> None:
    """Refuse another number of last rows; a series may have had fewer than are wanted, and has no more to show then."""
    n_known = 0 if stream.record is None else len(stream.record.target)
    if not min(n_rows, n_known) <= len(rows) <= n_rows:
        refuse(name, f"{n_rows} rows", len(rows))


def _check_normal(normal: Any, model: Model, n_targets: int) -> None:
    if normal is None:
        return
    wanted = Root if model.exact else Normal
    if type(normal) is not wanted:
        refuse("_stream.normal", f"a {wanted.__name__}", described(normal))
    check_typed("_stream.normal", normal, wanted)
    if isinstance(normal, Root):
        check_array("_stream.normal.triangle", normal.triangle, (None, model.n_features + n_targets))
        check_that(
            "_stream.normal.n_features", normal.n_features, f"{model.n_features}", lambda n: n == model.n_features
        )
        return
    n = model.n_features
    check_array("_stream.normal.gram", normal.gram, (model.n_reservoirs, n, n))
    check_array("_stream.normal.cross", normal.cross, (model.n_reservoirs, n, n_targets))
    check_that("_stream.normal.power", normal.power, "zero or more", lambda value: value >= 0)
    diagonal = np.diagonal(normal.gram, axis1=1, axis2=2)
    check_that("_stream.normal.gram", diagonal, "zero or more on the diagonal", lambda value: value >= 0)
    if not np.allclose(normal.gram, normal.gram.swapaxes(1, 2), rtol=1e-6, atol=1e-9 * max(1.0, diagonal.max())):
        refuse("_stream.normal.gram", "symmetric", "another matrix")


def _check_record(record: Any, model: Model, n_columns: int) -> None:
    if type(record) is not Record:
        refuse("_stream.record", "a Record", described(record))
    check_typed("_stream.record", record, Record, LOOSE)
    reader, target, form = record.reader, record.target, model.form
    kind = SeriesReader if form.is_series else WindowReader
    if type(reader) is not kind:
        refuse("_stream.record.reader", f"a {kind.__name__}", described(reader))
    shape = (None, form.n_columns) if form.is_series else (None, *model.inputs.centre.shape[:0], None, form.n_channels)
    check_array("_stream.record.reader.inputs", reader.inputs, shape, finite=False)
    if not np.array_equal(reader.lags, model.lags) or (reader.degree, reader.n_series) != (
        model.degree if form.is_series else 1,
        form.n_series,
    ):
        refuse("_stream.record.reader", "of the lags, products and series of _model", described(reader.lags))
    n_known = 0 if model.covariates is None else model.covariates.n_seen * form.n_series
    if n_known:
        check_array("_stream.record.reader.covariates", reader.covariates, (len(reader.inputs), n_known), finite=False)
    if reader.absent is not None:
        check_array("_stream.record.reader.absent", reader.absent, reader.inputs.shape, kinds="b")
    check_array("_stream.record.target", target, (None, n_columns), finite=False)
    if len(reader.inputs) != len(target):
        refuse("_stream.record.target", f"as long as its {len(reader.inputs)} rows", len(target))
    check_that("_stream.record.target", target, "finite or nan", lambda value: ~np.isinf(value))
    check_array("_stream.record.state", record.state, model.zero_state.shape)
    _check_judges(record, model, n_columns)


def _check_judges(record: Record, model: Model, n_columns: int) -> None:
    firsts = [judge.first for judge in record.judges]
    if not firsts or sorted(firsts) != firsts or not firsts[0] <= record.counts_from <= len(record.target):
        refuse("_stream.record.judges", "in the order of the rows that count", (firsts, record.counts_from))
    for number, judge in enumerate(record.judges):
        check_array(f"_stream.record.judges[{number}].readout", judge.readout, model.readout.shape)
    if record.errors is not None:
        judged = record.target[firsts[0] :]
        check_array("_stream.record.errors", record.errors, judged.shape, finite=False)
        if np.isinf(record.errors).any() or (np.isnan(record.errors) & ~np.isnan(judged)).any():
            refuse("_stream.record.errors", "finite where the target is known", "others")
