"""Transfer of cell types between two AnnData."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import contextlib
import warnings
from numbers import Real

import numpy as np
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from celltyping._utils._compat import (
    HasMethods,
    Interval,
    StrOptions,
    validate_params,
)
from celltyping._utils._expression import (
    check_not_negative,
    conflicting_evidence,
    infer_kind,
)
from celltyping._utils._labels import (
    REJECTED_NUMBER,
    UNKNOWN,
    encode_types,
    is_missing,
    rejected_label,
)
from celltyping._utils._messages import list_names
from celltyping._utils._optional import import_optional
from celltyping._utils._sub_estimators import encode_class_params
from celltyping._utils._tables import find_groups
from celltyping._utils._validation import validate_array
from celltyping._utils._warnings import find_stack_level
from celltyping.estimators import ItClustClassifier
from celltyping.pipelines._genes import align_genes
from celltyping.pipelines._single_cell import make_single_cell_pipeline
from celltyping.transformers import ExpressionNormalizer, GeneFilter

# Names of kinds of expression in messages.
KINDS = {"counts": "counts", "log": "logarithms", "tpm": "normalised values"}


@validate_params(
    {
        "target": "no_validation",
        "source": "no_validation",
        "label_key": [str],
        "estimator": [HasMethods(["fit", "predict"]), None],
        "reject_threshold": [Interval(Real, 0, None, closed="neither"), None],
        "batch_key": [str, None],
        "layer": [str, dict, None],
        "kind": [StrOptions({"auto", "counts", "log", "tpm"})],
        "exclude": [list, tuple],
        "unlabeled_marker": "no_validation",
        "return_adata": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def transfer_labels(
    target,
    source,
    label_key="celltype",
    *,
    estimator=None,
    reject_threshold=None,
    batch_key=None,
    layer=None,
    kind="auto",
    exclude=("^ERCC-", "^MT-"),
    unlabeled_marker="auto",
    return_adata=False,
    random_state=None,
):
    """Transfer cell types from an annotated experiment to a new one.

    Genes are aligned by name, both experiments are normalised to log(1 + x) of 10,000
    counts per cell, and an estimator trained on the source predicts the types of the
    target. Neither experiment is changed.

    Parameters
    ----------
    target : AnnData of shape (n_target, n_target_genes)
        The new experiment. A column `label_key` of its obs is ignored.
    source : AnnData of shape (n_source, n_source_genes)
        The annotated experiment. Cells without a type (NaN, None or "?"; -1 among
        integers) are ignored.
    label_key : str, default="celltype"
        Column of ``source.obs`` with the types.
    estimator : estimator, default=None
        A classifier, or a pipeline that ends with one; a clone is fitted on normalised
        expression of the shared genes. An `ItClustClassifier` is fitted on source and
        target together, and the table has its `transduction_` and `label_confidence_`.
        Any other is fitted on the source and predicts the target; it gets the types as
        0, 1, ..., so classifiers that require integers work with strings, and a
        `class_weight` by type is translated. None: `make_single_cell_pipeline`.
    reject_threshold : float, default=None
        Novelty above which the default estimator gives no type to a cell; see
        `ItClustClassifier`. 1.2 is a good first value for a target with types that the
        source lacks. None: every cell gets a type. Set it in `estimator` if that is
        given.
    batch_key : str, default=None
        Column of obs with the batch of each cell, passed to the steps of `estimator`
        whose `fit` has a parameter `batch`: `HighlyVariableGenes` then ranks genes per
        batch. An experiment without this column is one batch.
    layer : str or dict, default=None
        Layer of both experiments with the expression, or a dict with that of each, such
        as ``{"source": "counts", "target": None}``. "raw" is the attribute `raw`, with
        its genes, unless a layer has this name. None: `X`.
    kind : {"auto", "counts", "log", "tpm"}, default="auto"
        Kind of expression; see `ExpressionNormalizer`. "auto": inferred for source and
        target separately, so that they may differ.
    exclude : list or tuple of str, default=("^ERCC-", "^MT-")
        Regular expressions of the names of genes to exclude: by default spike-ins and
        mitochondrial genes.
    unlabeled_marker : "auto", scalar or list of scalars, default="auto"
        Value or values of the source's types that mean unknown, beside missing ones,
        "?" and blank strings; such cells are left out. "auto": -1 among integers. Name
        others, such as ``["Unknown", "unassigned"]``.
    return_adata : bool, default=False
        Whether to return also a copy of `target` with the columns of the table in its
        obs, in place of those with the same name.
    random_state : int, RandomState instance or None, default=None
        Seed of the default estimator; not used if `estimator` is given.

    Returns
    -------
    table : DataFrame of n_target rows
        One row per cell, by name and in the order of `target`:

        - type: predicted type, or "unknown" (-1 if types are numbers);
        - probability: that of the most probable type; NaN without `predict_proba`;
        - cluster_confidence: that of the type, see `ItClustClassifier`; NaN without a
          type, or if the estimator has none;
        - unknown: True for cells without a type: those that the estimator rejects, and
          those that express none of the shared genes.
    adata : AnnData
        The copy of `target`. Returned only if `return_adata` is True.

    Raises
    ------
    TypeError
        If `target` or `source` is no AnnData, or `estimator` no classifier.
    ValueError
        If too few genes are shared, see Notes; if gene names are row numbers; if source
        and target are the same object; if `label_key`, `batch_key` or `layer` does not
        exist; if fewer than two types are known, or one of them is "unknown"; if
        expression is negative or not
        finite; if cells of `target` share a name.
    ImportError
        If anndata is not installed; the extra "single-cell" installs it.

    Warns
    -----
    UserWarning
        If few genes are shared, the values contradict `kind`, cells express none of the
        shared genes, cells of the target are in the source, too, or a type has a name
        such as "Unassigned".

    See Also
    --------
    read_expression : Reads an experiment from a file.
    make_single_cell_pipeline : The default estimator.

    Notes
    -----
    Gene names are compared without regard to case. Duplicate names get a suffix, as in
    anndata: the second gene NAME is NAME-1. The versions of Ensembl identifiers
    (ENSG00000141510.11) are dropped if that gives more matches.

    The minimum number of shared genes is 50, or half of the genes of the experiment
    with fewer genes if that is less; and 5 % of the genes of that experiment. Fewer
    than 500 genes or 20 % cause a warning. To continue with fewer genes than the
    minimum, pass both experiments with the shared genes alone.

    Counts and TPM are normalised after the selection of the shared genes, so that
    totals are over the same genes in both. Logarithms are used as they are.

    Examples
    --------
    With a faster and less accurate estimator than the default:

    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import Normalizer
    >>> from celltyping.datasets import load_blood_transfer
    >>> from celltyping.pipelines import transfer_labels
    >>> blood = load_blood_transfer(as_anndata=True)
    >>> table = transfer_labels(
    ...     blood.target,
    ...     blood.source,
    ...     "celltype_common",
    ...     estimator=make_pipeline(Normalizer(), LogisticRegression()),
    ... )
    >>> table[["type", "unknown"]].head(2)
                           type  unknown
    AAACATACCAGAAA.1  Mono_CD14    False
    AAACGCACCAACCA.1      T_CD4    False
    >>> float((table["type"] == blood.target.obs["celltype_common"]).mean().round(2))
    0.9
    """
    _check_given(target, source)
    estimator = _choose_estimator(estimator, reject_threshold, random_state)
    classes, codes = _read_types(source, target, label_key, unlabeled_marker)
    batches = _read_batches(source, target, batch_key)
    X_source, var_source = _expression_of(source, layer, "source")
    X_target, var_target = _expression_of(target, layer, "target")

    names, in_source, in_target = align_genes(var_source, var_target)
    genes = GeneFilter(0, exclude=exclude, gene_names=names).fit(X_source[:, in_source])
    in_source, in_target = in_source[genes.support_], in_target[genes.support_]
    X_source = _normalize(X_source, in_source, kind, "source")
    X_target = _normalize(X_target, in_target, kind, "target")

    learn = np.flatnonzero((codes >= 0) & _has_expression(X_source, "source"))
    typed = np.flatnonzero(_has_expression(X_target, "target"))
    cells, X_learn = source.obs_names[learn], X_source[learn]
    _warn_of_common_cells(cells, target.obs_names, X_learn, X_target)
    found = _find_types(
        estimator,
        X_learn,
        classes,
        codes[learn],
        X_target[typed],
        None if batches is None else [batches[0][learn], batches[1][typed]],
    )
    table = _make_table(target.obs_names, typed, classes, *found)
    if not return_adata:
        return table
    adata = target.to_memory() if target.isbacked else target.copy()
    adata.obs[table.columns] = table
    return table, adata


def _check_given(target, source):
    """Raise unless target and source are two AnnData with unique target cells."""
    anndata = import_optional(
        "anndata", extra="single-cell", needed_by="transfer_labels"
    )
    for name, given in (("target", target), ("source", source)):
        if not isinstance(given, anndata.AnnData):
            raise TypeError(
                f"{name} must be an AnnData, got {type(given).__name__}: "
                "read_expression makes one from a file, anndata.AnnData(table) from a "
                "DataFrame with cells in rows"
            )
    if target is source:
        raise ValueError(
            "target and source are the same object: pass the cells without a type as "
            "target and the others as source, such as "
            "transfer_labels(adata[~annotated], adata[annotated])"
        )
    cells = target.obs_names
    if not cells.is_unique:
        duplicates = cells[cells.duplicated()].unique()
        raise ValueError(
            f"the cells of target must have different names, but {len(duplicates)} "
            f"names occur more than once, such as {str(duplicates[0])!r}: call "
            "target.obs_names_make_unique()"
        )


def _choose_estimator(estimator, reject_threshold, random_state):
    """Return a clone of the classifier, or the default one."""
    if estimator is None:
        classifier = ItClustClassifier(
            reject_threshold=reject_threshold, random_state=random_state
        )
        return make_single_cell_pipeline(classifier, kind="log")
    if reject_threshold is not None:
        raise ValueError(
            f"reject_threshold={reject_threshold} is for the default estimator: set "
            "it in estimator, such as ItClustClassifier(reject_threshold=1.2)"
        )
    if isinstance(estimator, type):
        raise TypeError(
            f"estimator must be an instance, got the class {estimator.__name__}: pass "
            f"{estimator.__name__}()"
        )
    if not is_classifier(estimator):
        raise TypeError(
            f"estimator must be a classifier, got {estimator!r}, which does not "
            "predict the types that it was fitted to"
        )
    return clone(estimator)


def _column(adata, key, parameter, name, hint=""):
    """Return a column of obs as an array of objects."""
    if key not in adata.obs:
        columns = list_names(adata.obs.columns, 20) or "none"
        raise ValueError(
            f"{name}.obs has no column {key!r} ({parameter}); its columns: {columns}"
            f"{hint}"
        )
    return adata.obs[key].astype(object).to_numpy()


def _read_types(source, target, label_key, unlabeled_marker):
    """Return the known types of the source, and their codes, -1 where unknown."""
    hint = ""
    if label_key in target.obs:
        hint = (
            ". target.obs has it: the annotated experiment comes second, "
            "transfer_labels(target, source)"
        )
    y = _column(source, label_key, "label_key", "source", hint).copy()
    # True and False as strings, beside which there is a label of rejected cells.
    is_bool = [isinstance(value, (bool, np.bool_)) for value in y]
    y[is_bool] = y[is_bool].astype(str)
    classes, codes = encode_types(
        y,
        unlabeled_marker,
        caller="transfer_labels",
        found=f"y is source.obs[{label_key!r}]",
        rejects="transfer_labels",
    )
    if classes.dtype.kind == "f" and np.abs(classes).max() < 2**53:
        classes = classes.astype(np.int64)  # pandas: floats beside a NaN
    return classes if classes.dtype.kind in "iuf" else classes.astype(str), codes


def _read_batches(source, target, batch_key):
    """Return the batches of the cells of both experiments, or None."""
    if batch_key is None:
        return None
    if batch_key not in source.obs and batch_key not in target.obs:
        _column(target, batch_key, "batch_key", "target")
    batches = []
    for name, adata in (("source", source), ("target", target)):
        if batch_key not in adata.obs:
            batches.append(np.full(adata.n_obs, name))
            continue
        of_cells = _column(adata, batch_key, "batch_key", name)
        if is_missing(of_cells).any():
            raise ValueError(
                f"{name}.obs[{batch_key!r}] must name the batch of every cell, but it "
                f"is missing for {is_missing(of_cells).sum()} of {of_cells.size}"
            )
        # Equal names in source and target are different batches.
        batches.append(np.array([f"{name} {batch}" for batch in of_cells]))
    return batches


def _expression_of(adata, layer, name):
    """Return the validated expression of an experiment, and its genes as `var`."""
    layers = (
        {"source": layer, "target": layer} if not isinstance(layer, dict) else layer
    )
    if not layers.keys() <= {"source", "target"}:
        raise ValueError(
            "layer must be a str, None or a dict with the keys 'source' and 'target', "
            f"got the keys {list_names(list(layers))}"
        )
    layer = layers.get(name)
    if adata.isbacked:
        adata = adata.to_memory()
    known = _layers_of(adata)
    if layer not in known:
        found = ", ".join(map(repr, known[1:])) or "none"
        raise ValueError(f"{name} has no layer {layer!r}; its layers: {found}")
    X, var = _take_layer(adata, layer)
    try:
        return _check_expression(X, name), var
    except ValueError as exc:
        others = [
            f"{other or 'X'} ({KINDS[kind]})"
            for other, kind in _usable_layers(adata, name)
        ]
        if not others:
            raise
        raise ValueError(
            f"{exc}. {name} has usable expression in {', '.join(others)}: pass "
            f"layer={{{name!r}: ...}} with its name, and None for X"
        ) from exc


def _layers_of(adata):
    """Return the possible values of `layer`: None for X, the layers, and "raw"."""
    known = [None, *adata.layers]
    return known if adata.raw is None or "raw" in known else [*known, "raw"]


def _take_layer(adata, layer):
    """Return expression and `var` of X (None), of a layer or of `raw`."""
    if layer is None:
        return adata.X, adata.var
    if layer in adata.layers:
        return adata.layers[layer], adata.var
    return adata.raw.X, adata.raw.var


def _usable_layers(adata, name):
    """Yield the layers with valid expression, and its kind."""
    for layer in _layers_of(adata):
        with contextlib.suppress(ValueError):
            X = _check_expression(_take_layer(adata, layer)[0], name)
            yield layer, infer_kind(X)[0]


def _check_expression(X, name):
    """Validate the expression of an experiment."""
    if X is None:
        raise ValueError(f"{name} has no expression: its X is None, see layer")
    options = {"accept_sparse": "csr", "dtype": [np.float64, np.float32]}
    X = validate_array(X, "transfer_labels", f"expression of {name}", **options)
    check_not_negative(X, f"transfer_labels ({name})")
    return X


def _normalize(X, genes, kind, name):
    """Return log(1 + x) of 10,000 counts per cell, over some genes, as CSR."""
    if kind == "auto":
        kind, _ = infer_kind(X)
    else:
        evidence = conflicting_evidence(X, kind)
        if evidence:
            warnings.warn(
                f"kind={kind!r}, but in {name} {evidence}",
                UserWarning,
                stacklevel=find_stack_level(),
            )
    with warnings.catch_warnings():
        # The kind was inferred from all genes; the shared ones may contradict it.
        warnings.simplefilter("ignore", UserWarning)
        X = ExpressionNormalizer(kind=kind).fit_transform(X[:, genes])
    return sparse.csr_array(X)


def _has_expression(X, name):
    """Return a mask of the cells that express a gene, and warn of the others."""
    expressed = np.asarray(X.sum(axis=1)).ravel() > 0
    n_silent = expressed.size - expressed.sum()
    if n_silent == expressed.size:
        raise ValueError(f"no cell of {name} expresses any of the {X.shape[1]} genes")
    if n_silent:
        then = "they are left out" if name == "source" else "their type is unknown"
        warnings.warn(
            f"{n_silent} of {expressed.size} cells of {name} express none of the "
            f"{X.shape[1]} shared genes: {then}",
            UserWarning,
            stacklevel=find_stack_level(),
        )
    return expressed


def _warn_of_common_cells(source_cells, target_cells, X_source, X_target):
    """Warn if cells of known type are in the target, by name and sum of expression."""
    in_target = target_cells.get_indexer(source_cells)
    common = np.flatnonzero(in_target >= 0)
    totals = [np.asarray(X.sum(axis=1)).ravel() for X in (X_source, X_target)]
    same = np.isclose(totals[0][common], totals[1][in_target[common]], rtol=1e-6)
    n_common = len(set(in_target[common][same].tolist()))
    if n_common:
        warnings.warn(
            f"{n_common} of {len(target_cells)} cells of target are also in source, "
            "with a type, the same name and the same expression: the result for them "
            "says nothing about other cells. Pass as target the others alone, such as "
            "target[~target.obs_names.isin(source.obs_names)]",
            UserWarning,
            stacklevel=find_stack_level(),
        )


def _find_types(estimator, X_source, classes, codes, X_target, batches):
    """Fit the estimator, and return its predictions for the target.

    X_source, of shape (n_source, n_genes), has the types with these codes in `classes`;
    `batches` has the batches of source and target, or is None. Returns the types of the
    target's cells (anything else for rejected cells), their probabilities (or NaN), and
    a dict of the cluster confidence by type (empty if the estimator has none).
    """
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    is_transductive = getattr(last, "_is_transductive", False)
    X, y, batch = X_source, codes, None if batches is None else batches[0]
    if is_transductive:
        X = sparse.vstack([X_source, X_target], format="csr")
        marker = UNKNOWN if classes.dtype.kind == "U" else REJECTED_NUMBER
        last.set_params(unlabeled_marker=marker)
        y = np.concatenate([classes[codes], np.full(X_target.shape[0], marker)])
        batch = None if batches is None else np.concatenate(batches)
    else:
        estimator = encode_class_params(estimator, classes)
    parameters = {}
    if batch is not None:
        parameters = dict.fromkeys(_batch_parameters(estimator), batch)
    # Routing needs every step's support and request; step__batch needs neither, but
    # only works without routing.
    with config_context(enable_metadata_routing=False):
        estimator.fit(X, y, **parameters)

    if is_transductive:
        of_target = slice(X_source.shape[0], None)
        confidence = dict(zip(last.classes_, last.cluster_confidence_, strict=True))
        probability = last.label_confidence_[of_target]
        return last.transduction_[of_target], probability, confidence
    probability = np.full(X_target.shape[0], np.nan)
    if hasattr(estimator, "predict_proba"):
        probability = estimator.predict_proba(X_target).max(axis=1)
    return _decode(estimator.predict(X_target), classes), probability, {}


def _decode(codes, classes):
    """Return types by predicted codes, None for codes of no type."""
    codes = np.ravel(codes)
    if codes.dtype.kind not in "iufO":
        raise ValueError(
            "estimator must predict the types as it got them, as integers from 0 to "
            f"{len(classes) - 1}, or -1 for cells that it rejects, got {codes[0]!r}"
        )
    types = np.full(len(codes), None)
    has_type = find_groups(codes, np.arange(len(classes))) >= 0
    types[has_type] = classes[codes[has_type].astype(np.intp)]
    return types


def _batch_parameters(estimator):
    """Return the parameters of `fit` that pass `batch` to the steps with it."""
    steps = estimator.steps if isinstance(estimator, Pipeline) else [("", estimator)]
    parameters = [
        f"{name}__batch" if name else "batch"
        for name, step in steps
        if has_fit_parameter(step, "batch")
    ]
    if not parameters:
        raise ValueError(
            "batch_key was given, but no step of estimator takes batch in fit, as "
            "HighlyVariableGenes does"
        )
    return parameters


def _make_table(cells, typed, classes, types, probability, confidence):
    """Return the table of `transfer_labels`.

    `cells` has the names of all cells, `typed` the positions of those passed to the
    estimator, and `types` and `probability` its predictions for these.
    """
    pd = import_optional("pandas", extra="io", needed_by="transfer_labels")
    has_type = pd.Series(types).isin(classes).to_numpy()
    of_cells = np.full(len(cells), rejected_label(classes), dtype=object)
    of_cells[typed[has_type]] = types[has_type]
    unknown = np.ones(len(cells), dtype=bool)
    unknown[typed[has_type]] = False
    of_best = np.full(len(cells), np.nan)
    of_best[typed] = probability
    return pd.DataFrame(
        {
            "type": of_cells.tolist(),
            "probability": of_best,
            "cluster_confidence": [confidence.get(name, np.nan) for name in of_cells],
            "unknown": unknown,
        },
        index=cells,
    )
