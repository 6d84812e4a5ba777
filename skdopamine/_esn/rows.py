"""Rows of a series, or of several side by side, with what is to be learnt and what is missing."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_consistent_length

from skdopamine._esn.frames import Frame
from skdopamine._esn.model import Form
from skdopamine._esn.panel import Panel
from skdopamine._typing import Array


class Taken(NamedTuple):
    """Series as they were given."""

    values: Array  # (n, series x channels), nan where they are missing or a series has not begun
    frame: Frame | Panel
    lengths: tuple[int, ...]  # rows of each series, with those that its index had left out
    had: tuple[Array | None, ...]  # which of them it had, None for all
    indexes: tuple[Any, ...]  # of pandas

    def given_rows(self, parts: Sequence[Array]) -> list[Array]:
        """Of values (rows, ...) of each series those of the rows that it had."""
        return [part if had is None else part[had] for part, had in zip(parts, self.had, strict=True)]


class Rows(NamedTuple):
    """Rows as the user counts."""

    inputs: Array  # (n, columns), or windows (n, n_lags, channels); nan only before a series begins
    target: Array | None  # (n, targets), nan where it is not known; None: the next row
    given: Array  # the inputs, with nan for all that is missing
    form: Form
    exog: Array | None = None  # (n, series x k) covariates
    frame: Frame | Panel = Frame()  # what they came in
    taken: Taken | None = None  # what they were given as
    has_gaps: bool = False  # whether something is missing after a series has begun
    names: tuple[str, ...] = ()  # of the covariates
    told: str | None = None  # what there is to say of the values

    @property
    def indexes(self) -> tuple[Any, ...]:
        """Those of pandas, of each series."""
        return (None,) if self.taken is None else self.taken.indexes

    @property
    def targets(self) -> Array:
        """Targets (n, targets), or the next rows (n - 1, columns); nan where they are not known."""
        return self.given[1:] if self.target is None else self.target

    def part(self, first: int) -> Self:
        """The rows from `first` on."""
        return self._replace(
            inputs=self.inputs[first:],
            given=self.given[first:],
            target=None if self.target is None else self.target[first:],
            exog=None if self.exog is None else self.exog[first:],
        )

    def last(self, n: int) -> Self:
        """The last n rows."""
        return self.part(max(0, len(self.inputs) - n))

    def measured(self) -> Self:
        """The rows up to the last one in which anything was measured; those of targets of one's own are all kept."""
        if not self.has_gaps or self.target is not None:
            return self
        n = n_measured(self.given)
        exog = None if self.exog is None else self.exog[:n]
        return self._replace(inputs=self.inputs[:n], given=self.given[:n], exog=exog)

    def some_series(self, n: int) -> Self:
        """Some of the series, from among the longer ones."""
        form = self.form
        if n >= form.n_series:
            return self
        order = np.argsort(begins(self.inputs, form.n_series), kind="stable")
        longer = np.sort(order[: max(n, form.n_series // 2)])
        chosen = longer[np.linspace(0, len(longer) - 1, n).astype(np.intp)]
        inputs, given, exog = (_of_series(part, chosen, form.n_series) for part in (self.inputs, self.given, self.exog))
        some = self._replace(inputs=inputs, given=given, exog=exog, form=form._replace(n_series=n))
        return some.part(int(begins(some.inputs, n).min()))


class Following(NamedTuple):
    """Rows that follow those of `fit`."""

    rows: Array  # (n, columns), or windows, with forecasts in place of what is missing
    given: Array  # with nan for what is missing
    taken: Taken
    exog: Array | None  # covariates (n or n + 1, series x k)

    def weights(self, given: Any) -> Array:
        """Weights of the rows that were given, as of all rows."""
        had = self.taken.had[0]
        check_consistent_length(given, self.rows if had is None else np.flatnonzero(had))
        if had is None:
            return np.asarray(given, dtype=np.float64)
        weights = np.ones(len(self.rows))
        weights[had] = given
        return weights


def begins(rows: Array, n_series: int) -> npt.NDArray[np.intp]:
    """First row (series,) of each of the series that stand side by side in rows (n, series x channels)."""
    known = ~np.isnan(rows).reshape(len(rows), n_series, -1).all(axis=2)
    return np.asarray(known.argmax(axis=0))


def n_measured(goal: Array) -> int:
    """How many of the targets (n, columns) there are up to the last one that is known."""
    known = np.flatnonzero(~np.isnan(goal).all(axis=1))
    return int(known[-1]) + 1 if len(known) else len(goal)


def _of_series(values: Any, chosen: npt.NDArray[np.intp], n_series: int) -> Any:
    """Values (n, series x k) of some of the series."""
    if values is None:
        return None
    return values.reshape(len(values), n_series, -1)[:, chosen].reshape(len(values), -1)
