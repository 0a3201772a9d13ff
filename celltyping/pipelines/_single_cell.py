"""Pipeline from expression counts to cell types."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from sklearn.pipeline import Pipeline

from celltyping.estimators import ItClustClassifier
from celltyping.transformers import (
    ExpressionNormalizer,
    GeneFilter,
    HighlyVariableGenes,
)


def make_single_cell_pipeline(
    classifier=None,
    *,
    n_genes=4000,
    kind="auto",
    exclude=("^ERCC-", "^MT-"),
    gene_names=None,
    min_cells=3,
    random_state=None,
):
    """Make a pipeline that predicts cell types from raw expression.

    Its steps are "filter" (a `GeneFilter`), "normalize" (an `ExpressionNormalizer`),
    "select" (`HighlyVariableGenes`) and "classify". A sparse matrix stays sparse up to
    the last step.

    Parameters
    ----------
    classifier : estimator, default=None
        Last step of the pipeline. None: an `ItClustClassifier`.
    n_genes : int, default=4000
        Number of highly variable genes that the classifier gets. It is twice the
        default of `HighlyVariableGenes`, because `ItClustClassifier` drops half of a
        cell's genes in each training step.
    kind : {"auto", "counts", "log", "tpm"}, default="auto"
        Kind of expression; see `ExpressionNormalizer`.
    exclude : list or tuple of str, default=("^ERCC-", "^MT-")
        Regular expressions of the names of genes to exclude: by default spike-ins and
        mitochondrial genes. Not used if `gene_names` is None.
    gene_names : array-like of shape (n_features,), default=None
        Names of the columns of X.
    min_cells : int, default=3
        Minimum number of cells that express a gene.
    random_state : int, RandomState instance or None, default=None
        Seed of the default classifier; not used if `classifier` is given.

    Returns
    -------
    pipeline : :class:`~sklearn.pipeline.Pipeline`
        Unfitted pipeline, for X of shape (n_cells, n_genes) and y with the types of the
        source's cells and "?" for those of the target.

    See Also
    --------
    transfer_labels : Transfer types between two AnnData whose genes differ.

    Notes
    -----
    If `y` has both known and unknown types, genes are ranked separately in source and
    target, and the selected genes vary in both.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import Normalizer
    >>> from celltyping.datasets import load_blood_transfer
    >>> from celltyping.pipelines import make_single_cell_pipeline
    >>> X, y = load_blood_transfer(return_X_y=True)
    >>> is_source = y != "?"
    >>> classifier = make_pipeline(Normalizer(), LogisticRegression())
    >>> pipeline = make_single_cell_pipeline(classifier, n_genes=1000)
    >>> pipeline.fit(X[is_source], y[is_source]).predict(X[~is_source])[:2].tolist()
    ['Mono_CD14', 'T_CD4']
    """
    if classifier is None:
        classifier = ItClustClassifier(random_state=random_state)
    genes = GeneFilter(
        min_cells, exclude=() if gene_names is None else exclude, gene_names=gene_names
    )
    return Pipeline(
        [
            ("filter", genes),
            ("normalize", ExpressionNormalizer(kind=kind)),
            ("select", HighlyVariableGenes(n_genes)),
            ("classify", classifier),
        ]
    )
