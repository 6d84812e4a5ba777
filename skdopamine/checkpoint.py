"""Callbacks for long fits: checkpoints from which a fit goes on with the same bits, and a stop if nothing improves.

Set them on an estimator by `set_callbacks`: scikit-learn's own method from version 1.9 on, ours before. A checkpoint is
a pickle behind a header, which shows whether the file is a checkpoint and whether it is complete.
"""

import hashlib
import json
import os
import pickle
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from skdopamine import __version__
from skdopamine._estimator.callbacks import Callback
from skdopamine._estimator.caller import users_level
from skdopamine._estimator.journal import Journal, Watcher

__all__ = ["Checkpoint", "EarlyStopping", "load_checkpoint"]

MAGIC = b"skdopamine checkpoint 1\n"  # with the version of the format
MOST_HEADER = 10_000  # bytes
NAME, TEMPORARY = "epoch_{:010d}.ckpt", ".epoch_{:010d}.ckpt.tmp"
PATTERN = re.compile(r"epoch_(\d{10})\.ckpt")
MONITORS = ("loss", "validation_loss", "validation_score")


class Checkpoint(Callback, Watcher):
    """Write checkpoints during a fit, so that the fit can go on with the same bits after it was killed.

    `load_checkpoint` reads the newest checkpoint. A checkpoint file is complete or absent: a temporary file is written
    first, and then renamed. If a checkpoint cannot be written, for example because the disk is full, the fit goes on
    with a warning, and older checkpoints stay.

    Parameters
    ----------
    path : str or path-like
        Directory for the checkpoints of one fit. It is made if it does not exist.
    every : int, default=1
        Number of epochs from one checkpoint to the next. All epochs of a fit count: those on the natural loss before a
        metric, and the updates of a forecaster's gains, too.
    keep : int, default=2
        Number of newest checkpoints to keep; older ones are deleted.

    See Also
    --------
    load_checkpoint : Read a checkpoint.
    EarlyStopping : Stop a fit that does not improve.

    Notes
    -----
    The directory belongs to one fit. While its checkpoints are there, another fit, such as the fit of a clone in a
    search, raises an error.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from skdopamine import DopamineMLPRegressor
    >>> from skdopamine.checkpoint import Checkpoint, load_checkpoint
    >>> X = np.linspace(-1, 1, 60)[:, None]
    >>> y = X[:, 0] ** 2
    >>> path = tempfile.mkdtemp()
    >>> model = DopamineMLPRegressor((8,), early_stopping=False, random_state=0)
    >>> whole = model.set_callbacks(Checkpoint(path, every=60)).fit(X, y)
    >>> later = load_checkpoint(path).fit(X, y)
    >>> bool((later.predict(X) == whole.predict(X)).all())
    True
    """

    def __init__(self, path: Any, *, every: int = 1, keep: int = 2) -> None:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"path must be a str or a path, got {path!r}.")
        self.path = path
        self.every = _count("every", every)
        self.keep = _count("keep", keep)

    def begin_fit(self, journal: Journal) -> None:
        """Make the directory, and refuse a directory that holds the checkpoints of another fit.

        Parameters
        ----------
        journal : object
            Record of the fit.
        """
        directory = Path(self.path)
        directory.mkdir(parents=True, exist_ok=True)
        for temporary in directory.glob(".epoch_*.ckpt.tmp"):
            temporary.unlink(missing_ok=True)
        fits = {file: _fit_of(file) for file in _files(directory)}
        if set(fits.values()) - {None, journal.name}:
            raise ValueError(
                f"path={os.fspath(self.path)!r} holds checkpoints of another fit: go on with it by "
                "load_checkpoint(path).fit(X, y), delete them, or choose another path."
            )
        self._keep([file for file, fit in fits.items() if fit is not None])
        try:
            pickle.dumps(journal.before)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ValueError(
                f"No checkpoint can be written of {type(journal.before).__name__}, which cannot be pickled: {error}"
            ) from error

    def end_any_epoch(self, journal: Journal) -> None:
        """Write a checkpoint after every `every` epochs.

        Parameters
        ----------
        journal : object
            Record of the fit.
        """
        number = journal.n_epochs
        if number % self.every:
            return
        directory = Path(self.path)
        model = journal.model()
        try:
            content = pickle.dumps(model, protocol=pickle.HIGHEST_PROTOCOL)
            header = {
                "fit": journal.name,
                "epoch": number,
                "estimator": type(model).__name__,
                "skdopamine": __version__,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
            _write(directory, number, MAGIC + json.dumps(header).encode() + b"\n", content)
            self._keep([file for file in _files(directory) if file.name <= NAME.format(number)])
        except OSError as error:
            told = f"No checkpoint of epoch {number} was written to {os.fspath(self.path)!r}, training goes on: {error}"
            warnings.warn(told, RuntimeWarning, stacklevel=users_level())

    def _keep(self, files: list[Path]) -> None:
        """Delete all but the newest of these files; a fit may have been killed before it had."""
        for file in files[: -self.keep]:
            file.unlink(missing_ok=True)


class EarlyStopping(Callback):
    """Stop a fit whose curve has not improved for some epochs.

    The best weights are kept, as in every fit. The estimators also stop by themselves, by `tol` and `n_iter_no_change`.
    This callback counts separately, on a curve of your choice, and with a tolerance in the units of that curve.

    Parameters
    ----------
    monitor : {"loss", "validation_loss", "validation_score"}, default="loss"
        Curve that has to improve:

        * "loss": `loss_curve_`.
        * "validation_loss": `validation_loss_curve_`.
        * "validation_score": `validation_scores_`.

        The latter two need rows that are held back, as by ``early_stopping=True``. For a forecaster they need weights
        that are trained.
    patience : int, default=10
        Number of epochs without an improvement after which the fit stops.
    min_delta : float, default=0.0
        Smallest change that counts: an improvement is larger than this.

    See Also
    --------
    Checkpoint : Write checkpoints during a fit.

    Notes
    -----
    A forecaster trains gains and weights one after the other. Each stage has a curve of its own, and a stop ends all
    training.

    Examples
    --------
    >>> import numpy as np
    >>> from skdopamine import DopamineMLPRegressor
    >>> from skdopamine.checkpoint import EarlyStopping
    >>> X = np.linspace(-1, 1, 60)[:, None]
    >>> y = X[:, 0] ** 2
    >>> model = DopamineMLPRegressor((8,), early_stopping=False, random_state=0)
    >>> model.set_callbacks(EarlyStopping("loss", patience=5, min_delta=0.01)).fit(X, y).n_iter_ < 100
    True
    """

    def __init__(self, monitor: str = "loss", patience: int = 10, min_delta: float = 0.0) -> None:
        if not isinstance(monitor, str) or monitor not in MONITORS:
            raise ValueError(f"monitor must be one of {MONITORS}, got {monitor!r}.")
        if isinstance(min_delta, bool) or not isinstance(min_delta, int | float) or not 0 <= min_delta < np.inf:
            raise ValueError(f"min_delta must be a finite number of zero or more, got {min_delta!r}.")
        self.monitor = monitor
        self.patience = _count("patience", patience)
        self.min_delta = float(min_delta)

    def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
        """Look at the curve after an epoch.

        Parameters
        ----------
        estimator : object
            The estimator that is fitted.
        context : object
            The task that has ended: the fit or an epoch.

        Returns
        -------
        stop : bool
            Whether to stop the fit.
        """
        if context.task_name != "epoch":
            return False
        curve = np.array(estimator._journal.observer.curve(self.monitor))
        if not len(curve):
            raise ValueError(f"monitor={self.monitor!r} needs rows that are held back, as by early_stopping=True.")
        # looked at as a whole, so that a fit that goes on needs to know nothing else
        return _since_best(curve if self.monitor == "validation_score" else -curve, self.min_delta) >= self.patience


def load_checkpoint(path: Any, default: Any = None) -> Any:
    """Read a checkpoint: an estimator whose next `fit` goes on where the checkpoint was written.

    Call `fit` with the same rows. The fit goes on to the end of the same schedule, and ends with the same bits as a fit
    that was never stopped. Before that, the estimator predicts by the best weights so far, unless the fit had not yet
    reached its objective. To write further checkpoints, set the callback again.

    Parameters
    ----------
    path : str or path-like
        A checkpoint, or the directory of a `Checkpoint`. Of a directory, the newest checkpoint that can be read is
        taken; a warning names those that cannot. Reading runs code that a file may hold: read only files that you
        trust.
    default : object, default=None
        Returned where there is no checkpoint yet. The same lines of a script can then begin a fit and go on with it.

    Returns
    -------
    estimator : object
        The estimator, with ``warm_start=True`` if it has this parameter. With False, `fit` would begin anew. Other
        parameters have to stay as they are, except `n_jobs` and `verbose`.

    Raises
    ------
    FileNotFoundError
        If there is no checkpoint and no default.
    ValueError
        If the file, or each file of the directory, is not a checkpoint, not complete, or of another version.

    See Also
    --------
    Checkpoint : Write checkpoints during a fit.

    Examples
    --------
    >>> from skdopamine import DopamineMLPClassifier
    >>> from skdopamine.checkpoint import load_checkpoint
    >>> load_checkpoint("not_begun", default=DopamineMLPClassifier())
    DopamineMLPClassifier()
    """
    path = Path(path)
    if path.is_file():
        return _loaded(path)
    files, faults = _files(path)[::-1], []
    for file in files:
        try:
            model = _loaded(file)
        except ValueError as error:
            faults.append(str(error))
            continue
        for fault in faults:
            warnings.warn(f"{fault} The older {str(file)!r} is used.", RuntimeWarning, stacklevel=users_level())
        return model
    if faults:
        raise ValueError(f"No checkpoint in {str(path)!r} can be read: {' '.join(faults)}")
    if default is None:
        raise FileNotFoundError(f"There is no checkpoint in {str(path)!r}.")
    return default


class _File(NamedTuple):
    """A checkpoint that is whole."""

    fit: str
    version: str  # of skdopamine
    content: bytes


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be a positive integer, got {value!r}.")
    return int(value)


def _since_best(curve: Any, least: float) -> int:
    """Values of a curve since it was last better than before by more than `least`."""
    best, since = -np.inf, 0
    for value in curve:
        since += 1
        if value > best + least:
            best, since = value, 0
    return since


def _files(directory: Path) -> list[Path]:
    """Checkpoints of a directory, the oldest first."""
    return sorted(file for file in directory.glob("epoch_*.ckpt") if PATTERN.fullmatch(file.name))


def _read(file: Path) -> _File:
    """The parts of a file, or a ValueError that says what is wrong with it; nothing of the content is run."""
    with file.open("rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            raise ValueError(f"{str(file)!r} is not a checkpoint of this version of skdopamine.")
        line = stream.readline(MOST_HEADER)
        try:
            header = json.loads(line)
            fit, version, n_bytes, total = (header[name] for name in ("fit", "skdopamine", "bytes", "sha256"))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{str(file)!r} is not whole: its header is broken.") from error
        content = stream.read()
    if len(content) != n_bytes:
        raise ValueError(f"{str(file)!r} is not whole: it has {len(content)} of {n_bytes} bytes.")
    if hashlib.sha256(content).hexdigest() != total:
        raise ValueError(f"{str(file)!r} is damaged: its checksum is wrong.")
    return _File(fit, version, content)


def _fit_of(file: Path) -> str | None:
    """The fit that a checkpoint belongs to; None of a file that is none, or not whole."""
    try:
        return _read(file).fit
    except ValueError:
        return None


def _loaded(file: Path) -> Any:
    """The estimator in a file."""
    _, version, content = _read(file)
    if version != __version__:
        raise ValueError(
            f"{str(file)!r} was written by skdopamine {version}, this is {__version__}: a fit goes on "
            "with the version that it began with."
        )
    try:
        model = pickle.loads(content)
    except (AttributeError, EOFError, ImportError, IndexError, TypeError, pickle.UnpicklingError) as error:
        raise ValueError(f"{str(file)!r} cannot be read here: {error}.") from error
    before = model._pending.before
    vars(model).update(before.get_params(deep=False))  # an `init` may have become two
    if hasattr(model, "warm_start"):
        model.warm_start = True
    return model


def _write(directory: Path, number: int, *parts: bytes) -> None:
    """Write a file that is whole or not there."""
    temporary = directory / TEMPORARY.format(number)
    with _removed_on_error(temporary):
        with temporary.open("wb") as stream:
            for part in parts:
                stream.write(part)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, directory / NAME.format(number))
    if os.name == "posix":  # elsewhere a directory cannot be opened
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _removed_on_error(temporary: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
