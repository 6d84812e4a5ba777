"""A loss that knows who has computed it."""

import threading

import numpy as np


class Watched:
    """A loss that knows the threads which have called it."""

    def __init__(self):
        self.threads = set()

    def __call__(self, y_true, y_pred):
        self.threads.add(threading.get_ident())
        return -np.log(y_pred[np.arange(len(y_true)), y_true])
