"""The critic: what a layer has learnt to expect of the credit of its units from that of the layer above.

Noise on the units of a layer moves the layer above. The critic learns to foretell that movement, from noise that is
drawn anyway; what it has learnt then carries credit the other way, from the layer above down to the units. So learnt
feedback (Akrout, Wilson, Humphreys, Lillicrap and Tweed, 2019, arXiv:1904.05391; with node perturbation: Lansdell,
Prakash and Kording, 2020, arXiv:1906.00889) takes the place of transported weights: B starts at zero, sees no weight,
and comes to be the transpose of the weights above.
"""

from typing import NamedTuple, Self

import numpy as np

from skdopamine._typing import Array

CHUNK_UNITS = 128  # whose products with all others are in memory at once
RATE = 1.5  # of 2, beyond which learning might not be stable


class Critic(NamedTuple):
    """The critic of one layer, or of that layer in several networks: then all arrays are (networks, ...)."""

    feedback: Array  # B (units above, units)

    def expected(self, above: Array, response: Array) -> Array:
        """Credit (n, units) to expect: ``a (E B)``, for credit E (n, units above) and response a (n, units)."""
        one = above.shape[-1] == 1  # an outer product, for which BLAS is slow
        expected = above * self.feedback if one else above @ self.feedback
        expected *= response
        return np.asarray(expected)

    def learned(self, noise: Array, change: Array, share: Array) -> Self:
        """The critic after it has seen what noise (n, units) has changed (n, units above). Overwrites the noise.

        ``B <- B + (RATE / c) sum_n w_n (change_n - B noise_n) noise_n^T``, where the share w_n of a row of weight two
        is that of two rows. Let A be ``sum_n w_n noise_n noise_n^T``. Where ``change = noise W``, the error ``W^T - B``
        is multiplied by ``I - (RATE / c) A``. As c is the largest row sum of ``|A|``, it bounds the eigenvalues of A
        (Gershgorin), and those of the factor lie between ``1 - RATE`` and 1: no batch makes the error larger, as RATE
        is below 2.
        """
        root = np.sqrt(share)
        noise *= root
        starts, heard = range(0, noise.shape[-1], CHUNK_UNITS), noise.swapaxes(-1, -2)
        rows = [np.abs(heard[..., i : i + CHUNK_UNITS, :] @ noise).sum(axis=-1) for i in starts]
        bound = np.concatenate(rows, axis=-1).max(axis=-1, keepdims=True)[..., None].astype(np.float64)
        learns = (bound > 0) & (bound < np.inf)
        n_learning = np.count_nonzero(learns)  # of the networks
        if n_learning == 0:
            return self
        missed = change * root
        missed -= noise @ self.feedback.swapaxes(-1, -2)
        step = missed.swapaxes(-1, -2) @ noise
        if n_learning < learns.size:
            step, bound = np.where(learns, step, 0.0), np.where(learns, bound, np.inf)
        step *= (RATE / bound).astype(step.dtype)
        step += self.feedback
        return self._replace(feedback=step)
