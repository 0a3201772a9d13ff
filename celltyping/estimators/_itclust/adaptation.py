"""Adaptation of types to a target experiment by expectation maximisation.

In the latent space of a network each source type is a normal distribution; all types
share one covariance. In the target their means may be shifted: by a shift shared by all
types, which is the difference between the experiments, and by one of each type. Both
are estimated from the target alone. The networks share one table of probabilities: each
moves its own means by it, and the average of their posteriors is the next table.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.linalg import solve_triangular
from scipy.special import log_softmax, softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from celltyping._utils._progress import progress_bar
from celltyping.estimators._itclust.novelty import MAX_CELLS, choose_cells

# Weight of a sphere in the covariance of a type.
ROUNDNESS = 0.3

# Number of cells added to the count of every type in its prior probability.
PRIOR_CELLS = 10.0

# Weight of the moved types in the probabilities; the rest is the source networks'. With
# 1 the accuracy is the same, but the probabilities are overconfident.
ADAPTED_SHARE = 0.7

# Minimum number of target cells of a type in the reverse validation.
FEWEST_CELLS = 5

# The adaptation is undone if the reverse validation falls by more than this.
MARGIN = 0.02

# It is also undone if, of a type with this many cells, less than this share had the
# type before: on blood, one type of monocytes can absorb another. Where adaptation was
# right, the smallest share was 0.84 and more; where it was wrong, 0.76 and less.
STEADY_CELLS, STEADY_SHARE = 10, 0.8

# Factors of the shrinkage in the first trial, and in those after it.
BACKOFF = (1.0, 3.0, 10.0)


class SourceTypes(NamedTuple):
    """Types in the latent of one network, scaled so that their covariance is 1."""

    means: np.ndarray
    whiten: np.ndarray


class Source(NamedTuple):
    """What adaptations need of the labelled cells: see `describe_source`."""

    types: list
    label_smoothing: float
    cells: np.ndarray | sparse.csr_array
    codes: np.ndarray
    seed: int


class MovedTypes(NamedTuple):
    """Types in the target, in the same latent."""

    means: np.ndarray
    spread: float
    log_prior: np.ndarray


class Adaptation(NamedTuple):
    """Result of an adaptation.

    `moved` (one entry per network) and `shrinkage` are None where the types are not
    moved; `labels` and `centroids` have one entry for the start and one per step.
    """

    moved: list | None
    probabilities: np.ndarray
    labels: list
    centroids: list
    converged: bool
    shrinkage: float | None
    reverse_score: np.ndarray


def describe_source(X, codes, latents, *, label_smoothing, seed):
    """Summarise the scaled labelled cells X for later adaptations.

    `codes` has their type indices, where every type has a cell; `latents` has their
    latents, one array of shape (n_samples, n_latent) per network. `seed` seeds the
    adaptations, and the choice of the cells that are kept.
    """
    types = [describe_types(latent, codes, codes.max() + 1) for latent in latents]
    rows = choose_cells(codes, MAX_CELLS, np.random.RandomState(seed))
    return Source(types, label_smoothing, X[rows], codes[rows], seed)


def describe_types(latent, codes, n_types):
    """Fit normal distributions with a common covariance to the source's types.

    `latent` of shape (n_samples, n_latent) has the latents of labelled cells in one
    network, `codes` their type indices. Types with more than one cell have equal weight
    in the covariance. The means are whitened, of shape (n_types, n_latent).
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


def apply_source(source, latents, scores):
    """Compute probabilities without adaptation, and whitened latents.

    `latents` has shape (n_samples, n_networks * n_latent), `scores` (n_samples,
    n_networks, n_types). Returns the mean probabilities over the networks, of shape
    (n_samples, n_types), and the whitened latents as a list with one array per network.
    """
    probabilities = undo_label_smoothing(scores, source.label_smoothing).mean(axis=1)
    latents = np.split(latents, len(source.types), axis=1)
    pairs = zip(latents, source.types, strict=True)
    return probabilities, [latent @ types.whiten for latent, types in pairs]


def undo_label_smoothing(scores, label_smoothing):
    """Turn scores that were trained on smoothed labels into probabilities.

    A network that is certain then gives nearly 1, instead of 1 - label_smoothing.
    `scores` has shape (..., n_types), as have the probabilities.
    """
    p = softmax(scores, axis=-1)
    p = (p - label_smoothing / p.shape[-1]) / (1 - label_smoothing)
    p = np.maximum(p, 1e-6)
    return p / p.sum(axis=-1, keepdims=True)


def not_adapted(types, probabilities):
    """Return the Adaptation in which the types of the source are not moved."""
    return Adaptation(
        moved=None,
        probabilities=probabilities,
        labels=[probabilities.argmax(axis=1)],
        centroids=[np.hstack([t.means for t in types])],
        converged=True,
        shrinkage=None,
        reverse_score=np.full(2, np.nan),
    )


def adapt(types, probabilities, latents, shrinkage, *, max_iter, tol, verbose=False):
    """Move the types to their cells in the target.

    Parameters
    ----------
    types : list of SourceTypes
        The types in the source, per network.
    probabilities : ndarray of shape (n_samples, n_types)
        Probabilities of the target's cells without adaptation.
    latents : list of ndarray of shape (n_samples, n_latent)
        Whitened latents of these cells, per network.
    shrinkage : float
        Prior strength; see `move_types`.
    max_iter, tol : int, float
        Maximum number of steps, at least 1, and the fraction of the cells whose change
        of type ends them.
    verbose : bool or int, default=False
        Whether to show a progress bar.

    Returns
    -------
    result : Adaptation
        The moved types, the probabilities of the cells, and the course of the steps.
    """
    start = not_adapted(types, probabilities)
    labels, centroids = start.labels, start.centroids
    current, converged = probabilities, False
    with progress_bar(max_iter, description="adaptation", verbose=verbose) as bar:
        for _ in range(max_iter):
            moved = [
                move_types(t, z, current, shrinkage)
                for t, z in zip(types, latents, strict=True)
            ]
            current = mean_posterior(moved, latents)
            mixed = mix(probabilities, current)
            labels.append(mixed.argmax(axis=1))
            centroids.append(np.hstack([m.means for m in moved]))
            changed = float(np.mean(labels[-1] != labels[-2]))
            bar.update()
            bar.set_postfix(changed=f"{changed:.2%}")
            if changed <= tol:
                converged = True
                break
    return start._replace(
        moved=moved, probabilities=mixed, converged=converged, shrinkage=shrinkage
    )


def move_types(types, latent, probabilities, shrinkage):
    """Estimate the types of one network in the target.

    `latent` of shape (n_samples, n_latent) has whitened latents, `probabilities` of
    shape (n_samples, n_types) the probabilities of the cells. `shrinkage` is the prior
    strength, in cells: with this many cells a type's own shift gets weight 1/2, the
    shift shared by all types the rest. A type without cells gets the shared shift.
    """
    n_samples, n_latent = latent.shape
    cells = probabilities.sum(axis=0)
    # A type far from every cell has a probability of exactly 0 for all.
    some = cells > 0
    own = probabilities.T @ latent / np.where(some, cells, 1.0)[:, None]
    trust = np.divide(cells, cells + shrinkage, out=np.zeros_like(cells), where=some)
    shift = trust @ (own - types.means) / (trust.sum() + 0.1)
    means = types.means + shift + trust[:, None] * (own - types.means - shift)
    away = squared_distances(latent, means)
    spread = max(1.0, float((probabilities * away).sum() / (n_samples * n_latent)))
    prior = (cells + PRIOR_CELLS) / (cells + PRIOR_CELLS).sum()
    return MovedTypes(means, spread, np.log(prior))


def squared_distances(latent, means):
    """Return squared distances, of shape (n_samples, n_types).

    Computed row by row, so that no row's last bits depend on the others.
    """
    return np.stack([np.square(latent - mean).sum(axis=1) for mean in means], axis=1)


def mean_posterior(moved, latents):
    """Return the posterior of the moved types, of shape (n_samples, n_types).

    It is averaged over the networks: `moved` and `latents` have one entry for each.
    """
    posteriors = []
    for types, latent in zip(moved, latents, strict=True):
        away = squared_distances(latent, types.means)
        log_p = log_softmax(types.log_prior - away / (2 * types.spread), axis=1)
        posteriors.append(np.exp(log_p))
    return np.mean(posteriors, axis=0)


def mix(probabilities, adapted):
    """Return the weighted mean of probabilities without and with adaptation."""
    return ADAPTED_SHARE * adapted + (1 - ADAPTED_SHARE) * probabilities


def adapt_with_backoff(
    types, probabilities, latents, shrinkage, source, target, codes, **options
):
    """Adapt, with more shrinkage as long as the adaptation does harm.

    Parameters
    ----------
    types, probabilities, latents
        As in `adapt`.
    shrinkage : float
        The first that is tried; `BACKOFF` has the factors of the others.
    source, target : ndarray of shape (n_cells, n_components)
        Labelled cells and the target's cells, in common components.
    codes : ndarray of shape (n_source,)
        Type index of each labelled cell.
    **options
        Keyword arguments of `adapt`.

    Returns
    -------
    result : Adaptation
        The first that does no harm, or the one without adaptation. Its `reverse_score`
        is the score before, and after the last trial.
    """
    start = not_adapted(types, probabilities)
    labels, n_types = start.labels[0], probabilities.shape[1]
    before = reverse_score(source, codes, target, labels)
    # A dict, because all trials are the same if the shrinkage is 0.
    for trial in dict.fromkeys(factor * shrinkage for factor in BACKOFF):
        result = adapt(types, probabilities, latents, trial, **options)
        after = reverse_score(source, codes, target, result.labels[-1])
        scores = np.array([before, after])
        is_worse = after < before - MARGIN
        if not is_worse and is_steady(labels, result.labels[-1], n_types):
            return result._replace(reverse_score=scores)
    return start._replace(reverse_score=scores)


def reverse_score(source, codes, target, labels):
    """Score labels of the target by reverse validation (Zhong et al. 2010).

    A linear classifier is trained on the labels of the target's cells, and predicts the
    known types `codes` of the source's, both of shape (n_cells, n_components). Returns
    the mean recall over the types with at least `FEWEST_CELLS` cells in the target, or
    NaN if these are fewer than two.
    """
    present, counts = np.unique(labels, return_counts=True)
    present = present[counts >= FEWEST_CELLS]
    if len(present) < 2:
        return np.nan
    rows = np.isin(labels, present)
    lda = LinearDiscriminantAnalysis(
        solver="lsqr", shrinkage=0.3, priors=np.full(len(present), 1 / len(present))
    )
    predicted = lda.fit(target[rows], labels[rows]).predict(source)
    return float(np.mean([np.mean(predicted[codes == c] == c) for c in present]))


def cluster_confidence(start, end, n_types):
    """Return the share of each type's cells that had this type before.

    `start` and `end` have the type indices of the cells before and after. NaN for a
    type without cells.
    """
    cells = np.bincount(end, minlength=n_types)
    stayed = np.bincount(end[end == start], minlength=n_types)
    confidence = np.full(n_types, np.nan)
    return np.divide(stayed, cells, out=confidence, where=cells > 0)


def is_steady(start, end, n_types):
    """Return whether no large type took many cells from others (`STEADY_SHARE`)."""
    large = np.bincount(end, minlength=n_types) >= STEADY_CELLS
    return bool((cluster_confidence(start, end, n_types)[large] >= STEADY_SHARE).all())
