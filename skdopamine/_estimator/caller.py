"""Whose line a warning points to."""

import sys

THROUGH = ("skdopamine", "sklearn", "joblib")  # packages whose lines say nothing to a user


def users_level() -> int:
    """The `stacklevel` with which a warning of the caller of this function points to the user's line.

    That is the first one outside of these packages, whether a method was called or scikit-learn has called it.
    """
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in THROUGH:
        frame, level = frame.f_back, level + 1
    return level
