"""The e-variable: one window's bet against "the candidate is within the tolerance".

Derivation and proof: docs/explanation/judge.md. Called by `bets`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
TINY = 1e-9
HALVINGS = 34
HEDGE = 0.02


@dataclass(frozen=True, slots=True)
class Pair:
    """Two Bernoulli samples: `k_c` bad of `n_c` candidate requests, `k_b` of `n_b` stable ones.

    All arrays of one shape (or broadcastable to it).
    """

    k_c: Floats
    n_c: Floats
    k_b: Floats
    n_b: Floats


@dataclass(frozen=True, slots=True)
class Edge:
    """The null's edge p_c = a p_b + d. Where `fixed`, p_b is known and not estimated."""

    a: Floats
    d: Floats
    fixed: NDArray[np.bool_]


def project(pair: Pair, alt_c: Floats, alt_b: Floats, edge: Edge) -> tuple[Floats, Floats]:
    """The edge's point nearest to the alternative: argmin_q n_c KL(c*|a q+d) + n_b KL(b*|q).

    Bisection on the derivative, which rises in q. Where the edge is fixed, q is b* itself.
    """
    low = np.maximum(TINY, (TINY - edge.d) / edge.a)
    high = np.maximum(np.minimum(1 - TINY, (1 - TINY - edge.d) / edge.a), low)
    low, high = np.where(edge.fixed, alt_b, low), np.where(edge.fixed, alt_b, high)
    weight_c = pair.n_c * edge.a
    for _ in range(HALVINGS):
        q = 0.5 * (low + high)
        c = np.minimum(edge.a * q + edge.d, 1 - TINY)
        falls = weight_c * (c - alt_c) / (c * (1 - c)) + pair.n_b * (q - alt_b) / (q * (1 - q)) < 0
        low, high = np.where(falls, q, low), np.where(falls, high, q)
    q = 0.5 * (low + high)
    return np.minimum(edge.a * q + edge.d, 1 - TINY), q


def log_e(pair: Pair, alt_c: Floats, alt_b: Floats, edge: Edge) -> Floats:
    """log S, the likelihood of the alternative over that of its projection on the edge.

    E[S] <= 1 for every (p_c, p_b) on the other side of the edge than the alternative, for
    independent requests. The caller must not bet with an alternative inside the null. Generalises
    Turner, Ly, Grünwald, "Generic E-variables for exact sequential k-sample tests" (2106.02693).
    """
    null_c, null_b = project(pair, alt_c, alt_b, edge)
    return np.asarray(
        pair.k_c * np.log(alt_c / null_c)
        + (pair.n_c - pair.k_c) * np.log((1 - alt_c) / (1 - null_c))
        + pair.k_b * np.log(alt_b / null_b)
        + (pair.n_b - pair.k_b) * np.log((1 - alt_b) / (1 - null_b))
    )


def hedged(log_s: Floats, dispersion: Floats, most: Floats | float = np.inf) -> Floats:
    """log of 0.98 S^(1/phi) + 0.02: over-dispersed counts speak more softly, and a part of the
    capital is never at stake. For phi >= 1 the expectation stays <= 1 (Jensen). `most`: log of the
    most that S^(1/phi) may be, so that one window convicts nobody; less than S is an e-value too.
    """
    softer = np.minimum(log_s / dispersion, most)
    return np.asarray(np.logaddexp(np.log(1 - HEDGE) + softer, np.log(HEDGE)))
