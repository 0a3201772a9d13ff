"""Pipeline for the clustering of synapses."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import FunctionTransformer, RobustScaler
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._compat import (
    HasMethods,
    Interval,
    StrOptions,
    validate_params,
)
from celltyping._utils._containers import is_frame
from celltyping._utils._optional import import_optional
from celltyping._utils._validation import is_integer
from celltyping.datasets._synapse_columns import COORDINATES, MORPHOLOGY, NEURON, SOMA
from celltyping.estimators import GroupedEstimator, InductiveClusterer
from celltyping.transformers import (
    NUMAP,
    ColumnSelector,
    ColumnWeighter,
    MLPEncoder,
    NeuronAligner,
    OutlierFilteredTransformer,
    OutlierRowRemover,
)

_COLUMNS = [str, "array-like", None]
_POSITIVE = [Interval(Integral, 1, None, closed="left")]
_SEVERAL = [Interval(Integral, 2, None, closed="left")]
_NONNEGATIVE = [Interval(Real, 0, None, closed="left")]


@validate_params(
    {
        "embedding": [StrOptions({"umap", "numap"}), HasMethods(["fit", "transform"])],
        "n_components": _POSITIVE,
        "n_neighbors": _SEVERAL,
        "min_dist": _NONNEGATIVE,
        "clusterer": [HasMethods(["fit"]), None],
        "min_cluster_size": _SEVERAL,
        "min_samples": _POSITIVE,
        "cluster_selection_epsilon": _NONNEGATIVE,
        "classifier": [
            StrOptions({"xgboost", "random_forest", "knn"}),
            HasMethods(["fit", "predict"]),
        ],
        "outlier_detector": [HasMethods(["fit"]), None],
        "group": [str, Integral, None],
        "handle_small": [StrOptions({"error", "noise", "pool"})],
        "min_group_size": [*_POSITIVE, None],
        "neuron": [str, Integral, None],
        "coordinates": _COLUMNS,
        "soma": _COLUMNS,
        "morphology": _COLUMNS,
        "coordinate_weight": _NONNEGATIVE,
        "morphology_weight": _NONNEGATIVE,
        "register": ["boolean"],
        "handle_unknown": [StrOptions({"error", "fit"})],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
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
    min_group_size=None,
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
    """Make a pipeline that clusters synapses and predicts the clusters of new synapses.

    Steps: "select" the required columns; "align" the neurons; "log": logarithms of
    areas and volumes; "remove" repeated training synapses, and those of extreme size;
    "scale" each column by its quartiles; "weight" the columns; "embed" the inliers;
    "cluster" the embedding and train a classifier on the clusters.

    Parameters
    ----------
    embedding : {"umap", "numap"} or transformer, default="umap"
        Embedding. "umap": UMAP of umap-learn. "numap": `celltyping.NUMAP`, which embeds
        new synapses faster and independently of each other.
    n_components : int, default=2
        Number of dimensions of the embedding; not used with a transformer as
        `embedding`, like the next two parameters.
    n_neighbors : int, default=20
        Number of neighbours in the graph of the embedding.
    min_dist : float, default=0.1
        Minimum distance of neighbours in the embedding.
    clusterer : clusterer, default=None
        Clusterer of the embedding. None: HDBSCAN of the package hdbscan, with the next
        three parameters.
    min_cluster_size : int, default=15
        Minimum number of synapses in a cluster.
    min_samples : int, default=3
        Neighbour whose distance measures density; a larger number gives more noise.
    cluster_selection_epsilon : float, default=0.5
        Distance in the embedding below which clusters are merged. Its units are those
        of the embedding. 0: hdbscan's default, which splits some clusters.
    classifier : {"xgboost", "random_forest", "knn"} or classifier, default="xgboost"
        Classifier that is trained on the clusters in the embedding. "knn": the 5
        nearest synapses.
    outlier_detector : estimator, default=None
        Outlier detector of the scaled features. None: the default of
        `OutlierFilteredTransformer`.
    group : str, default=None
        Column such as "SynType" or "NeuronType", to fit a pipeline to each of its
        values. The pipelines do not get this column, and neurons are aligned by the
        synapses of all groups. To group by neurons, pass ``neuron=None``.
    handle_small : {"error", "noise", "pool"}, default="error"
        Treatment of groups with fewer synapses than `min_group_size`; see
        `GroupedEstimator`. "pool" requires `neuron`.
    min_group_size : int, default=None
        Minimum number of synapses of a group. None: what the embedding and a cluster
        require, the maximum of `n_neighbors` + 1 and `min_cluster_size`.
    neuron : str, default="NeuronId"
        Column that contains each synapse's neuron. None: all synapses, or those of each
        group, are of one neuron.
    coordinates : sequence of str, default=("x", "y", "z")
        Columns of the synapses' coordinates.
    soma : sequence of str or None, default=("soma_x", "soma_y", "soma_z")
        Columns of the soma's coordinates. None: neurons are centred at the mean of
        their synapses.
    morphology : sequence of str, default=("SynArea", "BoutonArea", "BoutonVolume")
        Columns of sizes, which must be positive. None or empty: coordinates alone are
        used.
    coordinate_weight : float, default=1.0
        Weight of the scaled coordinates.
    morphology_weight : float, default=0.25
        Weight of the scaled logarithms of sizes.
    register : bool, default=True
        Whether neurons are rotated onto each other after the alignment by principal
        axes. Use False for neurons of different shapes.
    handle_unknown : {"error", "fit"}, default="error"
        Treatment of new synapses of neurons that were not in `fit`; see
        `NeuronAligner`. "fit": they are aligned by themselves, in each call. Groups
        that were not in `fit` are an error; to label them as noise, set
        ``handle_unknown="noise"`` of the `GroupedEstimator`.
    random_state : int, RandomState instance or None, default=None
        Seed for all steps. Pass an int for reproducible clusters.

    Returns
    -------
    pipeline : imblearn.pipeline.Pipeline or GroupedEstimator
        Unfitted pipeline for DataFrames. ``predict(frame)`` returns the cluster of each
        row, -1 for outliers and noise; ``pipeline[:-1].transform(frame)`` returns the
        embedding, NaN for outliers. With `group`, a `GroupedEstimator` whose
        `estimators_` are such pipelines.

    Raises
    ------
    ValueError
        If a parameter has a value that is not allowed, `group` is a column that the
        pipeline requires, or the treatment of groups is given without groups.
    ImportError
        If a package of the extra "synapse" is not installed.

    See Also
    --------
    synapse_table : Table of the predictions of a fitted pipeline.
    celltyping.datasets.make_synapses : Simulated synapses.

    Notes
    -----
    Outliers are detected in the scaled features and not in the embedding, which puts
    even far outliers into clusters. Synapses are removed only in `fit`; `predict`
    returns a cluster for every row. `labels_` of the last step, which `fit_predict`
    returns, are the clusters of the remaining rows.

    Other columns, such as the types of synapses and neurons, are not used; `group` fits
    a pipeline to each of these types.

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
    imblearn = import_optional(
        "imblearn.pipeline", extra="synapse", needed_by="make_synapse_pipeline"
    )
    coordinates = _as_list(coordinates, "coordinates")
    morphology, soma = _as_list(morphology, "morphology"), _as_list(soma, "soma")
    numeric = [*coordinates, *soma, *morphology]
    _check_group(group, handle_small, min_group_size, neuron, numeric)
    columns = [*([neuron] if neuron else []), *numeric]
    aligner = NeuronAligner(
        neuron,
        coordinates=coordinates,
        soma=soma or None,
        handle_unknown=handle_unknown,
        handle_small="center",
        register=register,
    )
    weights = dict.fromkeys(coordinates, coordinate_weight)
    weights |= dict.fromkeys(morphology, morphology_weight)
    embedder = _make_embedder(
        embedding,
        outlier_detector,
        random_state,
        n_components=n_components,
        n_neighbors=n_neighbors,
        min_dist=min_dist,
    )
    inductive_clusterer = _make_clusterer(
        clusterer,
        classifier,
        random_state,
        min_cluster_size=min_cluster_size,
        min_samples=min_samples,
        cluster_selection_epsilon=cluster_selection_epsilon,
    )
    pipeline = imblearn.Pipeline(
        [
            ("select", ColumnSelector(columns, numeric=numeric)),
            ("align", aligner),
            *_make_row_steps(coordinates, morphology),
            ("scale", _make_scaler(coordinates, morphology)),
            ("weight", ColumnWeighter(weights)),
            ("embed", embedder),
            ("cluster", inductive_clusterer),
        ]
    )
    if group is None:
        return pipeline
    if min_group_size is None:
        min_group_size = max(n_neighbors + 1, min_cluster_size)
    return GroupedEstimator(
        pipeline,
        group,
        min_group_size=min_group_size,
        handle_small=handle_small,
        # "select" and "align": axes are those of all synapses of a neuron.
        shared_steps=0 if neuron is None else 2,
    )


def synapse_table(pipeline, X):
    """Return cluster, probability and outlier flag of each synapse as a table.

    Parameters
    ----------
    pipeline : Pipeline or GroupedEstimator
        Fitted pipeline of `make_synapse_pipeline`.
    X : DataFrame of shape (n_synapses, n_columns)
        Synapses: new ones or those of the training.

    Returns
    -------
    table : DataFrame of shape (n_synapses, 3)
        Table with the index of X. cluster: -1 for noise and outliers. probability: of
        this cluster, NaN without a cluster or if the classifier has no `predict_proba`.
        outlier: whether the outlier detector rejects the synapse.

    Raises
    ------
    TypeError
        If the last step of `pipeline` is not an `InductiveClusterer`, or X is not a
        DataFrame.

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
    if not isinstance(pipeline, GroupedEstimator) and not hasattr(pipeline, "steps"):
        raise TypeError(
            "synapse_table needs a pipeline of make_synapse_pipeline, got "
            f"{type(pipeline).__name__}"
        )
    if not is_frame(X):
        raise TypeError(f"X must be a DataFrame of synapses, got {type(X).__name__}")
    check_is_fitted(pipeline)
    n_synapses = len(X)
    cluster = np.full(n_synapses, -1, dtype=np.int64)
    probability = np.full(n_synapses, np.nan)
    outlier = np.zeros(n_synapses, dtype=bool)
    if isinstance(pipeline, GroupedEstimator):
        groups = pipeline.split_by_group(X)
    else:
        groups = [(pipeline, X, slice(None), 0)]
    for fitted, X_group, rows, offset in groups:
        last = fitted[-1] if hasattr(fitted, "steps") else None
        if not isinstance(last, InductiveClusterer):
            raise TypeError(
                "synapse_table needs a pipeline of make_synapse_pipeline, got "
                f"{type(fitted).__name__}"
            )
        embedded = fitted[:-1].transform(X_group)
        labels = last.predict(embedded)
        is_clustered, proba = labels >= 0, np.full(len(labels), np.nan)
        if hasattr(last, "predict_proba"):
            columns = np.searchsorted(last.clusters_, labels[is_clustered])
            proba[is_clustered] = last.predict_proba(embedded)[is_clustered, columns]
        cluster[rows] = np.where(is_clustered, labels + offset, -1)
        probability[rows] = proba
        outlier[rows] = np.isnan(np.asarray(embedded)).any(axis=1)
    columns = {"cluster": cluster, "probability": probability, "outlier": outlier}
    return pd.DataFrame(columns, index=X.index)


def log_sizes(X):
    """Return the natural logarithm of sizes, or raise if a size is not positive."""
    low = np.asarray(X) <= 0
    if low.any():
        names = getattr(X, "columns", range(low.shape[1]))
        counts = ", ".join(
            f"{name!r} ({n} rows)"
            for name, n in zip(names, low.sum(axis=0), strict=True)
            if n
        )
        raise ValueError(
            f"areas and volumes must be positive, and are not in the columns {counts}: "
            "leave out these synapses, or the columns (morphology)"
        )
    return np.log(X)


def _check_group(group, handle_small, min_group_size, neuron, numeric):
    """Raise if the parameters of groups do not agree with each other or the columns."""
    if group is None and (handle_small != "error" or min_group_size is not None):
        raise ValueError(
            f"handle_small={handle_small!r} and min_group_size={min_group_size!r} are "
            "about groups, and group is None: name the column of groups"
        )
    if group is not None and group in (neuron, *numeric):
        raise ValueError(
            f"group is the column {group!r}, which each pipeline requires; to group by "
            "neurons, pass neuron=None"
        )
    if handle_small == "pool" and neuron is None:
        raise ValueError(
            "handle_small='pool' would align the neurons of several groups as one, as "
            "neuron is None: use handle_small='noise', a smaller min_group_size, or "
            "name the column of neurons"
        )


def _as_list(columns, parameter):
    """Return names of columns as a list."""
    if isinstance(columns, str):
        raise ValueError(
            f"{parameter} must be a sequence of columns, got {columns!r}: pass "
            f"[{columns!r}]"
        )
    columns = [] if columns is None else np.asarray(columns, dtype=object).tolist()
    if not isinstance(columns, list) or not all(map(_is_column, columns)):
        raise ValueError(f"{parameter} must be a list of columns, got {columns!r}")
    return columns


def _is_column(name):
    """Return whether a value is the name or the position of a column."""
    return isinstance(name, (str, tuple)) or is_integer(name)


def _make_row_steps(coordinates, morphology):
    """Return the steps that take logarithms of sizes and remove rows."""
    if not morphology:
        remover = OutlierRowRemover(coordinates, iqr_factor=None, drop_repeats=True)
        return [("remove", remover)]
    logarithm = FunctionTransformer(log_sizes, feature_names_out=_keep_names)
    return [
        ("log", _make_columns([("log", logarithm, morphology)], "passthrough")),
        ("remove", OutlierRowRemover(morphology, drop_repeats=True)),
    ]


def _keep_names(transformer, input_features):
    """Return the input names, or raise if the transformer is not fitted.

    The names "one-to-one" of scikit-learn are None then, which breaks the diagram of a
    fitted meta-estimator.
    """
    check_is_fitted(transformer, "n_features_in_")
    return input_features


def _make_scaler(coordinates, morphology):
    """Return a scaler by median and interquartile range that drops other columns."""
    scalers = [("coordinates", RobustScaler(), coordinates)]
    if morphology:
        scalers.append(("morphology", RobustScaler(), morphology))
    return _make_columns(scalers, "drop")


def _make_columns(transformers, remainder):
    """Return a ColumnTransformer that returns DataFrames with unchanged names."""
    return ColumnTransformer(
        transformers, remainder=remainder, verbose_feature_names_out=False
    ).set_output(transform="pandas")


def _make_embedder(embedding, outlier_detector, random_state, **options):
    """Return the step "embed"; `options` are parameters of UMAP or NUMAP."""
    if isinstance(embedding, str):
        embedding = _make_embedding(embedding, **options, random_state=random_state)
    return OutlierFilteredTransformer(
        embedding, outlier_detector=outlier_detector, random_state=random_state
    )


def _make_embedding(embedding, **options):
    """Return the transformer of that name."""
    if embedding == "numap":
        # For a few columns, half of the default epochs are enough, without fine-tuning,
        # as anchors refine the positions of new synapses.
        encoder = MLPEncoder(max_epochs=20, fine_tune_epochs=0)
        return NUMAP(**options, n_anchors=10_000, encoder=encoder)
    with warnings.catch_warnings():
        # umap warns that Tensorflow, for one of its variants, is not installed.
        warnings.simplefilter("ignore", ImportWarning)
        umap = import_optional(
            "umap", extra="synapse", needed_by="make_synapse_pipeline(embedding='umap')"
        )
    # With a seed, UMAP uses one thread, and warns unless n_jobs is 1.
    return umap.UMAP(**options, n_jobs=-1 if options["random_state"] is None else 1)


def _make_clusterer(clusterer, classifier, random_state, **options):
    """Return the step "cluster"; `options` are parameters of HDBSCAN."""
    if clusterer is None:
        hdbscan = import_optional(
            "hdbscan", extra="synapse", needed_by="make_synapse_pipeline"
        )
        clusterer = hdbscan.HDBSCAN(**options)
    if classifier == "knn":
        # The default of InductiveClusterer: the 5 nearest samples.
        classifier = None
    elif isinstance(classifier, str):
        classifier = _make_classifier(classifier, random_state)
    return InductiveClusterer(
        clusterer, classifier=classifier, random_state=random_state
    )


def _make_classifier(classifier, random_state):
    """Return the classifier of that name."""
    if classifier == "random_forest":
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(random_state=random_state)
    xgboost = import_optional(
        "xgboost",
        extra="synapse",
        needed_by="make_synapse_pipeline(classifier='xgboost')",
    )
    # "exact" splits midway between clusters, "hist" at the edge of one, so that new
    # synapses get the wrong cluster. Threads work on different columns, and there are
    # only two or three.
    return xgboost.XGBClassifier(
        tree_method="exact", n_jobs=1, random_state=random_state
    )
