"""Carry the types of one experiment over to another: the target moves the centroids.

Every network describes a cell by a latent, in which each type of the source is a normal
distribution; all types have the same covariance. In the target experiment they may have
moved: all together, by what differs between the experiments, and each by itself. Both
are estimated from the target alone, by expectation maximisation. The networks share one
table of probabilities: each moves its own centroids by it, and their mean is the next.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import log_softmax, softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

# Share of a sphere in the covariance of a type.
ROUNDNESS = 0.3

# Cells that every type is thought to have, beside those that were found.
PRIOR_CELLS = 10.0

# Share of the moved centroids in the probabilities; the rest is the source network's.
# With 1 the accuracy is the same, and the probabilities are too sure of themselves.
ADAPTED_SHARE = 0.7

# A type with fewer cells in the target is left out of the reverse validation.
FEWEST_CELLS = 5

# The adaptation is undone if the reverse validation falls by more than this.
MARGIN = 0.02

# And if of a type with so many cells less than this share was there before: on blood,
# one kind of monocytes can swallow another. Where it went well, the least share was
# 0.84 and more; where it did not, 0.76 and less.
STEADY_CELLS, STEADY_SHARE = 10, 0.8

# What the shrinkage is multiplied with in the first trial, and in those after it.
CAUTION = (1.0, 3.0, 10.0)


class SourceTypes(NamedTuple):
    """Types in the latent of one network, scaled so that their covariance is 1."""

    means: np.ndarray
    whiten: np.ndarray


class MovedTypes(NamedTuple):
    """Where types are in the target, in the same latent."""

    means: np.ndarray
    spread: float
    log_prior: np.ndarray


class Adaptation(NamedTuple):
    """What an adaptation found; one entry of `moved` per network.

    `moved` and `shrinkage` are None where the types stay where they are.
    """

    moved: list | None
    probabilities: np.ndarray
    labels: list
    centroids: list
    converged: bool
    shrinkage: float | None


def describe_types(latent, codes, n_types):
    """Describe the types of the source in the latent of one network.

    Parameters
    ----------
    latent : ndarray of shape (n_samples, n_latent)
        Latents of labelled cells.
    codes : ndarray of shape (n_samples,)
        Index of the type of each.
    n_types : int
        Number of types; each has a cell.

    Returns
    -------
    types : SourceTypes
        Means of shape (n_types, n_latent), and the matrix that whitens latents. Types
        with one cell say nothing of the covariance; the others say equally much.
    """
    counts = np.bincount(codes, minlength=n_types)
    means = np.zeros((n_types, latent.shape[1]))
    np.add.at(means, codes, latent)
    means /= counts[:, None]
    away = latent - means[codes]
    covariance = (away / counts[codes, None]).T @ away / max((counts > 1).sum(), 1)
    variance = np.trace(covariance) / len(covariance)
    if variance < 1e-12:  # every type is a point
        covariance, variance = np.eye(len(covariance)), 1.0
    covariance *= 1 - ROUNDNESS
    covariance[np.diag_indices_from(covariance)] += ROUNDNESS * variance
    root = np.linalg.cholesky(covariance)
    whiten = solve_triangular(root, np.eye(len(root)), lower=True).T
    return SourceTypes(means @ whiten, whiten)


def unsmooth(scores, label_smoothing):
    """Turn scores that were learnt from smoothed labels into probabilities.

    Parameters
    ----------
    scores : ndarray of shape (..., n_types)
        Scores of the types.
    label_smoothing : float
        Share of the probability that was spread over all types.

    Returns
    -------
    probabilities : ndarray of shape (..., n_types)
        What a network that is sure says is near 1, and not near 1 - label_smoothing.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.estimators._itclust.adaptation import unsmooth
    >>> unsmooth(np.log([[0.9, 0.1]]), 0.2).round(2).tolist()
    [[1.0, 0.0]]
    """
    p = softmax(scores, axis=-1)
    p = (p - label_smoothing / p.shape[-1]) / (1 - label_smoothing)
    p = np.maximum(p, 1e-6)
    return p / p.sum(axis=-1, keepdims=True)


def move_types(types, latent, probabilities, shrinkage):
    """Move the types of one network to where their cells are in the target.

    Parameters
    ----------
    types : SourceTypes
        The types in the source.
    latent : ndarray of shape (n_samples, n_latent)
        Whitened latents of the cells of the target.
    probabilities : ndarray of shape (n_samples, n_types)
        Probability that a cell is of a type.
    shrinkage : float
        With as many cells as this, a type goes half the way.

    Returns
    -------
    moved : MovedTypes
        The types in the target. A type without cells moves as the others do on
        average.
    """
    n_samples, n_latent = latent.shape
    cells = probabilities.sum(axis=0)
    # A type that is far from every cell has none at all, to the last digit.
    some = cells > 0
    at = probabilities.T @ latent / np.where(some, cells, 1.0)[:, None]
    trust = np.divide(cells, cells + shrinkage, out=np.zeros_like(cells), where=some)
    shift = trust @ (at - types.means) / (trust.sum() + 0.1)
    means = types.means + shift + trust[:, None] * (at - types.means - shift)
    away = squared_distances(latent, means)
    spread = max(1.0, float((probabilities * away).sum() / (n_samples * n_latent)))
    share = (cells + PRIOR_CELLS) / (cells + PRIOR_CELLS).sum()
    return MovedTypes(means, spread, np.log(share))


def squared_distances(latent, means):
    """Return squared distances, of shape (n_samples, n_types).

    Row by row, so that no row's last bits depend on the others.
    """
    return np.stack([np.square(latent - mean).sum(axis=1) for mean in means], axis=1)


def log_posterior(moved, latent):
    """Return the logarithm of the probability of each type in the target.

    Parameters
    ----------
    moved : MovedTypes
        The types in the target.
    latent : ndarray of shape (n_samples, n_latent)
        Whitened latents.

    Returns
    -------
    log_probabilities : ndarray of shape (n_samples, n_types)
        Logarithms of probabilities.
    """
    away = squared_distances(latent, moved.means)
    return log_softmax(moved.log_prior - away / (2 * moved.spread), axis=1)


def mix(probabilities, moved, latents):
    """Mix what the source networks say with what the moved types say.

    Parameters
    ----------
    probabilities : ndarray of shape (n_samples, n_types)
        The mean of what the source networks say.
    moved : list of MovedTypes
        The types in the target, per network.
    latents : list of ndarray of shape (n_samples, n_latent)
        Whitened latents, per network.

    Returns
    -------
    mixed : ndarray of shape (n_samples, n_types)
        Probabilities.
    """
    adapted = np.mean(
        [np.exp(log_posterior(m, z)) for m, z in zip(moved, latents, strict=True)],
        axis=0,
    )
    return ADAPTED_SHARE * adapted + (1 - ADAPTED_SHARE) * probabilities


def not_adapted(types, probabilities):
    """Leave the types where they are in the source.

    Parameters
    ----------
    types : list of SourceTypes
        The types in the source, per network.
    probabilities : ndarray of shape (n_samples, n_types)
        The mean of what the source networks say of the target's cells; may be empty.

    Returns
    -------
    adaptation : Adaptation
        What every adaptation begins with.
    """
    labels = [probabilities.argmax(axis=1)]
    centroids = [np.hstack([t.means for t in types])]
    return Adaptation(None, probabilities, labels, centroids, True, None)


def adapt(types, latents, probabilities, *, shrinkage, max_iter, tol, on_step=None):
    """Move the types to where their cells are in the target.

    Parameters
    ----------
    types : list of SourceTypes
        The types in the source, per network.
    latents : list of ndarray of shape (n_samples, n_latent)
        Whitened latents of the target's cells, per network.
    probabilities : ndarray of shape (n_samples, n_types)
        The mean of what the source networks say of them.
    shrinkage : float
        With as many cells as this, a type goes half the way.
    max_iter : int
        Largest number of steps, at least 1.
    tol : float
        The steps end when at most this share of the cells changes type.
    on_step : callable, default=None
        Called after each step with the share of cells that changed.

    Returns
    -------
    adaptation : Adaptation
        The moved types, the probabilities of the target's cells, and the labels and
        centroids (networks side by side) at the start and after each step.
    """
    before = not_adapted(types, probabilities)
    labels, centroids = before.labels, before.centroids
    current, converged = probabilities, False
    for _ in range(max_iter):
        moved = [
            move_types(t, z, current, shrinkage)
            for t, z in zip(types, latents, strict=True)
        ]
        current = np.mean(
            [np.exp(log_posterior(m, z)) for m, z in zip(moved, latents, strict=True)],
            axis=0,
        )
        mixed = ADAPTED_SHARE * current + (1 - ADAPTED_SHARE) * probabilities
        labels.append(mixed.argmax(axis=1))
        centroids.append(np.hstack([m.means for m in moved]))
        changed = float(np.mean(labels[-1] != labels[-2]))
        if on_step is not None:
            on_step(changed)
        if changed <= tol:
            converged = True
            break
    return Adaptation(moved, mixed, labels, centroids, converged, shrinkage)


def adapt_cautiously(before, adapt_with, judge, shrinkage):
    """Adapt with as little caution as does no harm.

    Parameters
    ----------
    before : Adaptation
        What `not_adapted` returned.
    adapt_with : callable
        Called with a shrinkage; returns what `adapt` returns.
    judge : callable
        Called with labels of the target's cells; returns how good they are.
    shrinkage : float
        The first that is tried; `CAUTION` says what comes next.

    Returns
    -------
    adaptation : Adaptation
        The first that does no harm; `before` where all do.
    scores : ndarray of shape (2,)
        How good labels are: before, and after the last adaptation that was tried.
    """
    start, n_types = before.labels[0], before.probabilities.shape[1]
    scores = np.array([judge(start), np.nan])
    # Without repetition, where the shrinkage is 0.
    for trial in dict.fromkeys(c * shrinkage for c in CAUTION):
        found = adapt_with(trial)
        end = found.labels[-1]
        scores[1] = judge(end)
        is_worse = scores[1] < scores[0] - MARGIN
        if not is_worse and is_steady(start, end, n_types):
            return found, scores
    return before, scores


def reverse_score(source, codes, target, labels):
    """Judge labels of the target by how well they say those of the source.

    A linear classifier learns the labels of the target's cells and is asked for those
    of the source, which are known.

    Parameters
    ----------
    source : ndarray of shape (n_source, n_components)
        Labelled cells.
    codes : ndarray of shape (n_source,)
        Index of the type of each.
    target : ndarray of shape (n_target, n_components)
        Cells of the target.
    labels : ndarray of shape (n_target,)
        Index of the type that each was given.

    Returns
    -------
    score : float
        Mean share, over the types with enough cells in the target, of the source's
        cells that are told right. NaN where fewer than two types have.
    """
    present, counts = np.unique(labels, return_counts=True)
    present = present[counts >= FEWEST_CELLS]
    if len(present) < 2:
        return np.nan
    told = np.isin(labels, present)
    lda = LinearDiscriminantAnalysis(
        solver="lsqr", shrinkage=0.3, priors=np.full(len(present), 1 / len(present))
    )
    answers = lda.fit(target[told], labels[told]).predict(source)
    return float(np.mean([np.mean(answers[codes == c] == c) for c in present]))


def cluster_confidence(start, end, n_types):
    """Return the share of each type's cells that were of the type before.

    Parameters
    ----------
    start, end : ndarray of shape (n_samples,)
        Index of the type of each cell, before and after.
    n_types : int
        Number of types.

    Returns
    -------
    confidence : ndarray of shape (n_types,)
        NaN for a type without cells.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.estimators._itclust.adaptation import cluster_confidence
    >>> cluster_confidence(np.array([0, 0, 1]), np.array([0, 1, 1]), 3).tolist()
    [1.0, 0.5, nan]
    """
    cells = np.bincount(end, minlength=n_types)
    stayed = np.bincount(end[end == start], minlength=n_types)
    confidence = np.full(n_types, np.nan)
    return np.divide(stayed, cells, out=confidence, where=cells > 0)


def is_steady(start, end, n_types):
    """Tell whether no type has taken many of its cells from others.

    Parameters
    ----------
    start, end : ndarray of shape (n_samples,)
        Index of the type of each cell, before and after.
    n_types : int
        Number of types.

    Returns
    -------
    steady : bool
        See `STEADY_SHARE`.
    """
    large = np.bincount(end, minlength=n_types) >= STEADY_CELLS
    return bool((cluster_confidence(start, end, n_types)[large] >= STEADY_SHARE).all())
