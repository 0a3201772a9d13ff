"""A pipeline from a table of synapses to their clusters."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import FunctionTransformer, RobustScaler
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._optional import import_optional
from celltyping.datasets._synapse_columns import COORDINATES, MORPHOLOGY, NEURON, SOMA
from celltyping.estimators import GroupedEstimator, InductiveClusterer
from celltyping.transformers import (
    NUMAP,
    ColumnSelector,
    ColumnWeighter,
    NeuronAligner,
    OutlierFilteredTransformer,
    OutlierRowRemover,
)

EMBEDDINGS = ("umap", "numap")
CLASSIFIERS = ("xgboost", "random_forest", "knn")


def make_synapse_pipeline(
    embedding="umap",
    *,
    n_components=2,
    n_neighbors=20,
    min_dist=0.1,
    clusterer=None,
    min_cluster_size=15,
    min_samples=3,
    cluster_selection_epsilon=0.5,
    classifier="xgboost",
    outlier_detector=None,
    group=None,
    handle_small="error",
    neuron=NEURON,
    coordinates=COORDINATES,
    soma=SOMA,
    morphology=MORPHOLOGY,
    coordinate_weight=1.0,
    morphology_weight=0.25,
    register=True,
    handle_unknown="error",
    random_state=None,
):
    """Make a pipeline that finds clusters of synapses, and places new synapses in them.

    Its steps: "select" the columns that are needed, whatever others there are; "align"
    the neurons; "log": logarithms of areas and volumes; "remove" synapses of extreme
    size from the training; "scale" each column by its quartiles; "weight" the columns;
    "embed" what is no outlier; "cluster" the embedding and learn the clusters.

    Parameters
    ----------
    embedding : {"umap", "numap"} or transformer, default="umap"
        "umap": umap-learn's UMAP. "numap": `celltyping.NUMAP`, which places new
        synapses faster and each by itself. A transformer of your own is taken as it is.
    n_components : int, default=2
        Dimensions of the embedding: 2, or 3 to look at it in space.
    n_neighbors : int, default=20
        Neighbours in the graph that is embedded.
    min_dist : float, default=0.1
        How near neighbours come to each other in the embedding.
    clusterer : clusterer, default=None
        None: hdbscan's HDBSCAN with the next three parameters.
    min_cluster_size : int, default=15
        Synapses of the smallest cluster.
    min_samples : int, default=3
        The larger, the more synapses are noise.
    cluster_selection_epsilon : float, default=0.5
        Clusters that are nearer to each other are one; in units of the embedding, so
        set it anew with an embedding of your own. 0: hdbscan's own choice, which cuts
        some clusters in pieces.
    classifier : {"xgboost", "random_forest", "knn"} or classifier, default="xgboost"
        Learns where in the embedding the clusters are. "knn": the 5 nearest synapses.
    outlier_detector : estimator, default=None
        Rejects synapses by their scaled features; see `OutlierFilteredTransformer`.
        None: a one-class SVM with nu = 0.03.
    group : str, default=None
        A column such as "SynType" or "NeuronType": one pipeline for each of its values.
        Neurons are aligned before, by all of their synapses. Pipelines do not see this
        column, so to group by neurons pass ``neuron=None``: each group is one neuron
        then.
    handle_small : {"error", "noise", "pool"}, default="error"
        What becomes of groups with too few synapses for the embedding or for a
        cluster; see `GroupedEstimator`.
    neuron : str, default="NeuronId"
        Column that says which neuron a synapse is on. None: all are on one.
    coordinates : sequence of str, default=("x", "y", "z")
        Columns with the place of a synapse.
    soma : sequence of str or None, default=("soma_x", "soma_y", "soma_z")
        Columns with the place of the neuron's soma. None: neurons are centred at the
        mean of their synapses.
    morphology : sequence of str, default=("SynArea", "BoutonArea", "BoutonVolume")
        Columns with sizes, all above 0. None or empty: places alone count.
    coordinate_weight : float, default=1.0
        How much places count, after scaling.
    morphology_weight : float, default=0.25
        How much sizes count, after scaling.
    register : bool, default=True
        Whether neurons, once aligned by their principal axes, are turned until they lie
        on each other. False for neurons that are not built alike.
    handle_unknown : {"error", "fit"}, default="error"
        What becomes of new synapses of neurons that `fit` has not seen. "fit": they are
        aligned by themselves, in each call.
    random_state : int, RandomState instance or None, default=None
        Goes to every part. Pass an int for the same clusters in every run.

    Returns
    -------
    pipeline : imblearn.pipeline.Pipeline or GroupedEstimator
        Not fitted. `fit` takes a DataFrame. ``predict(frame)`` gives the cluster of
        each row of any table with these columns, -1 for outliers, and
        ``pipeline[:-1].transform(frame)`` its place in the embedding, NaN for
        outliers. With `group` a `GroupedEstimator` of such pipelines, which are
        its `estimators_`.

    Raises
    ------
    ValueError
        If the name of an embedding or of a classifier is not known, a number is out of
        range, or `group` is a column that each pipeline needs.
    ImportError
        If what the extra "synapse" brings is missing.

    See Also
    --------
    synapse_table : What a fitted pipeline says of each synapse, as a table.
    celltyping.datasets.make_synapses : Synapses to try it on.

    Notes
    -----
    The detector judges scaled features and not the embedding, which pulls even far
    outliers into clusters. Synapses are removed in `fit` alone: `predict` answers for
    every row. `labels_` of the last step, which `fit_predict` gives, are clusters of
    the rows that were left.

    A column that the pipeline does not name plays no part, also the kind of synapse
    and the type of neuron: group by them if they shall.

    References
    ----------
    .. [1] L. McInnes, J. Healy, J. Melville (2018). UMAP: Uniform manifold
       approximation and projection for dimension reduction.
       :doi:`10.48550/arXiv.1802.03426`
    .. [2] L. McInnes, J. Healy, S. Astels (2017). hdbscan: Hierarchical density based
       clustering. Journal of Open Source Software 2, 205. :doi:`10.21105/joss.00205`

    Examples
    --------
    >>> from sklearn.metrics import adjusted_rand_score
    >>> from celltyping import make_synapse_pipeline
    >>> from celltyping.datasets import make_synapses
    >>> synapses = make_synapses(random_state=0)
    >>> pipeline = make_synapse_pipeline(random_state=0).fit(synapses.frame)
    >>> clusters = pipeline.predict(synapses.frame)
    >>> adjusted_rand_score(synapses.target, clusters) > 0.8
    True
    >>> pipeline[:-1].transform(synapses.new_frame).shape
    (30, 2)
    """
    caller = "make_synapse_pipeline"
    imblearn = import_optional("imblearn.pipeline", extra="synapse", needed_by=caller)
    _check_ranges(n_components, n_neighbors, min_cluster_size, min_samples)
    coordinates = _listed(coordinates, "coordinates")
    morphology, somas = _listed(morphology, "morphology"), _listed(soma, "soma")
    named = [*coordinates, *somas, *morphology]
    if group is not None and group in (neuron, *named):
        raise ValueError(
            f"group names the column {group!r}, which each pipeline needs; to "
            "group by neurons, pass neuron=None"
        )
    if isinstance(embedding, str):
        embedding = _make_embedding(
            embedding,
            n_components=n_components,
            n_neighbors=n_neighbors,
            min_dist=min_dist,
            random_state=random_state,
        )
    if isinstance(classifier, str):
        classifier = _make_classifier(classifier, random_state)
    if clusterer is None:
        hdbscan = import_optional("hdbscan", extra="synapse", needed_by=caller)
        clusterer = hdbscan.HDBSCAN(
            min_cluster_size=min_cluster_size,
            min_samples=min_samples,
            cluster_selection_epsilon=cluster_selection_epsilon,
        )
    steps = [
        (
            "select",
            ColumnSelector([*([neuron] if neuron else []), *named], numeric=named),
        ),
        (
            "align",
            NeuronAligner(
                neuron,
                coordinates=coordinates,
                soma=somas or None,
                handle_unknown=handle_unknown,
                handle_small="center",
                register=register,
            ),
        ),
    ]
    scalers = [("coordinates", RobustScaler(), coordinates)]
    weights = dict.fromkeys(coordinates, coordinate_weight)
    if morphology:
        logarithm = FunctionTransformer(log_sizes, feature_names_out="one-to-one")
        steps.append(("log", _by_column([("log", logarithm, morphology)], True)))
        steps.append(("remove", OutlierRowRemover(morphology)))
        scalers.append(("morphology", RobustScaler(), morphology))
        weights |= dict.fromkeys(morphology, morphology_weight)
    steps += [
        ("scale", _by_column(scalers, False)),
        ("weight", ColumnWeighter(weights)),
        (
            "embed",
            OutlierFilteredTransformer(
                embedding,
                outlier_detector=outlier_detector,
                random_state=random_state,
            ),
        ),
        (
            "cluster",
            InductiveClusterer(
                clusterer, classifier=classifier, random_state=random_state
            ),
        ),
    ]
    pipeline = imblearn.Pipeline(steps)
    if group is None:
        return pipeline
    return GroupedEstimator(
        pipeline,
        group,
        min_group_size=max(n_neighbors + 1, min_cluster_size),
        handle_small=handle_small,
        # "select" and "align": axes come from all synapses of a neuron.
        shared_steps=0 if neuron is None else 2,
    )


def synapse_table(pipeline, X):
    """Say to which cluster each synapse belongs, how surely, and which are outliers.

    Parameters
    ----------
    pipeline : Pipeline or GroupedEstimator
        Fitted; made by `make_synapse_pipeline`.
    X : DataFrame of shape (n_synapses, n_columns)
        Synapses, new ones or those of the training.

    Returns
    -------
    table : DataFrame of shape (n_synapses, 3)
        With the index of X. cluster: -1 for noise and outliers; probability: of this
        cluster, NaN where there is none or the classifier gives none; outlier: whether
        the synapse was rejected.

    Raises
    ------
    TypeError
        If `pipeline` does not end in an embedding and a clusterer.

    Examples
    --------
    >>> from celltyping import make_synapse_pipeline, synapse_table
    >>> from celltyping.datasets import make_synapses
    >>> synapses = make_synapses(random_state=0)
    >>> pipeline = make_synapse_pipeline("numap", random_state=0).fit(synapses.frame)
    >>> synapse_table(pipeline, synapses.new_frame).columns.tolist()
    ['cluster', 'probability', 'outlier']
    """
    pd = import_optional("pandas", extra="synapse", needed_by="synapse_table")
    check_is_fitted(pipeline)
    n = len(X)
    cluster = np.full(n, -1, dtype=np.int64)
    probability, outlier = np.full(n, np.nan), np.zeros(n, dtype=bool)
    if isinstance(pipeline, GroupedEstimator):
        parts = pipeline.parts_of(X)
    else:
        parts = [(pipeline, X, slice(None), 0)]
    for copy, part, rows, offset in parts:
        last = copy[-1] if hasattr(copy, "steps") else None
        if not isinstance(last, InductiveClusterer):
            raise TypeError(
                "synapse_table needs a pipeline as make_synapse_pipeline makes it, got "
                f"{type(copy).__name__}"
            )
        embedded = copy[:-1].transform(part)
        labels = last.predict(embedded)
        placed, sure = labels >= 0, np.full(len(labels), np.nan)
        if hasattr(last, "predict_proba"):
            columns = np.searchsorted(last.clusters_, labels[placed])
            sure[placed] = last.predict_proba(embedded)[placed, columns]
        cluster[rows] = np.where(placed, labels + offset, -1)
        probability[rows] = sure
        outlier[rows] = np.isnan(np.asarray(embedded)).any(axis=1)
    columns = {"cluster": cluster, "probability": probability, "outlier": outlier}
    return pd.DataFrame(columns, index=X.index)


def log_sizes(X):
    """Return the natural logarithm of sizes.

    Parameters
    ----------
    X : {array-like, DataFrame} of shape (n_synapses, n_sizes)
        Areas or volumes.

    Returns
    -------
    logarithms : {ndarray, DataFrame} of shape (n_synapses, n_sizes)
        Of the same kind.

    Raises
    ------
    ValueError
        If a size is not above 0; the message names the columns.

    Examples
    --------
    >>> from celltyping.pipelines._synapses import log_sizes
    >>> log_sizes([[1.0]])
    array([[0.]])
    """
    low = np.asarray(X) <= 0
    if low.any():
        names = getattr(X, "columns", range(low.shape[1]))
        counts = ", ".join(
            f"{name!r} ({n} rows)"
            for name, n in zip(names, low.sum(axis=0), strict=True)
            if n
        )
        raise ValueError(
            f"areas and volumes must be above 0, and are not in the columns {counts}: "
            "leave these synapses out, or the columns (morphology)"
        )
    return np.log(X)


def _listed(columns, parameter):
    """Return names of columns as a list."""
    if isinstance(columns, str):
        raise ValueError(
            f"{parameter} must be a sequence of columns, got {columns!r}: pass "
            f"[{columns!r}]"
        )
    return [] if columns is None else list(columns)


def _by_column(transformers, keep_others):
    """Make a ColumnTransformer that takes and gives DataFrames, names unchanged."""
    return ColumnTransformer(
        transformers,
        remainder="passthrough" if keep_others else "drop",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")


def _make_embedding(name, *, n_components, n_neighbors, min_dist, random_state):
    """Make a transformer that embeds."""
    options = {
        "n_components": n_components,
        "n_neighbors": n_neighbors,
        "min_dist": min_dist,
        "random_state": random_state,
    }
    if name == "numap":
        # A few columns are learnt in half of the usual epochs; and new synapses are
        # placed by those that are there.
        return NUMAP(**options, n_anchors=10_000, max_epochs=20, fine_tune_epochs=0)
    if name != "umap":
        raise ValueError(
            f"embedding must be one of {EMBEDDINGS} or a transformer, got {name!r}"
        )
    with warnings.catch_warnings():
        # It warns that its variant for Tensorflow is not there.
        warnings.simplefilter("ignore", ImportWarning)
        umap = import_optional(
            "umap", extra="synapse", needed_by="make_synapse_pipeline(embedding='umap')"
        )
    # With a seed, UMAP runs on one thread, and warns if it is not told to.
    return umap.UMAP(**options, n_jobs=-1 if random_state is None else 1)


def _make_classifier(name, random_state):
    """Make a classifier."""
    if name == "knn":
        return None
    if name == "random_forest":
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(random_state=random_state)
    if name != "xgboost":
        raise ValueError(
            f"classifier must be one of {CLASSIFIERS} or a classifier, got {name!r}"
        )
    xgboost = import_optional(
        "xgboost",
        extra="synapse",
        needed_by="make_synapse_pipeline(classifier='xgboost')",
    )
    # "exact" splits half-way between clusters, "hist" right at the edge of one, where
    # new synapses then fall on the wrong side. Threads share out columns, and there are
    # two or three.
    return xgboost.XGBClassifier(
        tree_method="exact", n_jobs=1, random_state=random_state
    )


def _check_ranges(n_components, n_neighbors, min_cluster_size, min_samples):
    """Refuse numbers that are too small, before anything is made."""
    least = {
        "n_components": (n_components, 1),
        "n_neighbors": (n_neighbors, 2),
        "min_cluster_size": (min_cluster_size, 2),
        "min_samples": (min_samples, 1),
    }
    for name, (value, minimum) in least.items():
        if value < minimum:
            raise ValueError(f"{name} must be at least {minimum}, got {value!r}")
