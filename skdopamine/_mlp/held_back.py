"""Which rows early stopping holds back."""

from math import ceil

import numpy as np
from sklearn.model_selection import train_test_split

from skdopamine._typing import Array


def hold_back(labels: Array | None, n_rows: int, fraction: float, seed: int) -> tuple[Array, Array]:
    """Numbers of the rows to train on, and of those to hold back.

    With labels (n,), each class has its share of the rows held back. The one row of a class is trained on, and where
    there are more classes than rows to hold back, so is one row of each.
    """
    try:
        return _divide(labels, n_rows, fraction, seed)
    except ValueError as error:
        raise ValueError(f"validation_fraction={fraction} of {n_rows} rows cannot be held back: {error}") from error


def _divide(labels: Array | None, n_rows: int, fraction: float, seed: int) -> tuple[Array, Array]:
    rows, n_held = np.arange(n_rows), ceil(fraction * n_rows)
    if n_held < 2:
        raise ValueError(f"The validation set is too small, of {n_held} row, and at least 2 are needed.")
    if labels is None:
        return _split(rows, n_held, seed)
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if n_rows - n_held < len(counts):
        raise ValueError(
            f"{n_rows - n_held} rows are left to train on, which are fewer than the {len(counts)} classes."
        )
    if (counts > 1).sum() <= n_held:
        single = counts[classes] == 1
        training, held = _split(rows[~single], n_held, seed, stratify=classes[~single])
        return np.append(training, rows[single]), held
    order = np.random.Generator(np.random.PCG64(seed)).permutation(rows)
    _, first = np.unique(classes[order], return_index=True)  # one row of each class is there to train on
    held = np.delete(order, first)[:n_held]
    return np.setdiff1d(rows, held), held


def _split(rows: Array, n_held: int, seed: int, stratify: Array | None = None) -> tuple[Array, Array]:
    training, held = train_test_split(rows, test_size=n_held, random_state=seed, stratify=stratify)
    return training, held
