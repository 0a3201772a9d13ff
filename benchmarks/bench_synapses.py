"""Clustering of synapses: accuracy for all and held-out synapses, time and memory.

Two tables, chosen with --tables, on simulated synapses (`make_synapses`), whose
clusters are known.

"quality": five draws of 661 synapses each, and thirty new ones. The methods are the
pipelines of make_synapse_pipeline, the first of them with one setting changed at a
time, and the method of the published project. Columns:

- ARI, and clusters found: fitted to all synapses, predicted for all. The adjusted Rand
  index is computed without simulated outliers; rejected synapses count as one cluster.
- accuracy: fitted to 70 % of each draw, predicted for the others, without simulated
  outliers and rejected synapses. Clusters are matched one to one with the true ones
  (Hungarian method) by predictions of the training part. "pieces count": each cluster
  is matched with the true cluster of most of its synapses instead, so that true
  clusters may have several pieces.
- rejected: fractions of simulated outliers that are far away, of those that are too
  large, and of all others, among held-out and new synapses of all draws.

"published way" is implemented here from its description, without any of its code: each
table, also of new synapses, is transformed to the principal components of each neuron;
synapses with sizes beyond 3 interquartile ranges are left out of the fit; sizes are
scaled without logarithms; then UMAP, HDBSCAN, and XGBoost after a one-class SVM in the
embedding. Its accuracy with "labels made before the split" is too optimistic: all
synapses are clustered, and then 30 % are held out from the classifier only.

"speed": the pipeline on 98,189 synapses of 1,500 neurons. Each method runs in its own
process on two threads, after a fit and a prediction of a small table that compile the
kernels. Predictions are for the shuffled training table, because further synapses of
the same neurons cannot be drawn. The peak of memory is that of the whole process. One
row: the minimum of five.

--quick uses one draw and 6,000 synapses, as a test, and writes other files.

Run: python benchmarks/bench_synapses.py
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import argparse
import json
import sys
import time
import warnings
from functools import partial

import numpy as np
from _common import peak_memory, run_alone, write_table
from joblib import Parallel, delayed

N_DRAWS = 5
TEST_SIZE = 0.3

EMBEDDINGS = ("umap", "numap")
CLASSIFIERS = ("xgboost", "random_forest", "knn")

# Settings changed one at a time in the pipeline with umap and xgboost.
PUBLISHED = "published way"
FLATTERED = "published way, labels made before the split"
ABLATIONS = {
    "principal axes alone (register=False)": {"register": False},
    "far synapses count for axes (iqr_factor=None)": {"align__iqr_factor": None},
    "no logarithms": {"log": "passthrough"},
    "morphology_weight=1": {"morphology_weight": 1.0},
    "no sizes (morphology=())": {"morphology": ()},
    "pieces stay (cluster_selection_epsilon=0)": {"cluster_selection_epsilon": 0.0},
    "no embedding, HDBSCAN on scaled features": {
        "embedding": None,
        "cluster_selection_epsilon": 0.0,
    },
}

# Arguments of make_synapses.
LARGE = {"n_neurons": 1500}
LARGE_QUICK = {"n_neurons": 92}

COORDINATES = ["x", "y", "z"]
MORPHOLOGY = ["SynArea", "BoutonArea", "BoutonVolume"]


def report(message):
    """Print a message with the time to the error stream."""
    print(time.strftime("%H:%M:%S"), message, file=sys.stderr, flush=True)


def make(embedding="umap", classifier="xgboost", **settings):
    """Make a pipeline from parameters of make_synapse_pipeline and of its steps."""
    from celltyping import make_synapse_pipeline

    own = {name: settings.pop(name) for name in list(settings) if is_of_step(name)}
    pipeline = make_synapse_pipeline(
        embedding,
        classifier=classifier,
        handle_unknown="fit",
        random_state=0,
        **settings,
    )
    return pipeline.set_params(**own)


def is_of_step(name):
    """Return whether a setting is a parameter of a step, or a step."""
    return "__" in name or name == "log"


class PublishedWay:
    """The published project's method for clusters and new synapses."""

    def fit(self, frame):
        """Align, scale, embed and cluster; train a classifier."""
        from hdbscan import HDBSCAN
        from sklearn.preprocessing import RobustScaler
        from umap import UMAP

        sizes = frame[MORPHOLOGY].to_numpy()
        first, third = np.percentile(sizes, [25, 75], axis=0)
        reach = 3 * (third - first)
        usual = (sizes >= first - reach) & (sizes <= third + reach)
        features = aligned_by_itself(frame)[usual.all(axis=1)]
        self.scaler = RobustScaler().fit(features)
        self.umap = UMAP(n_neighbors=20, min_dist=0.1, random_state=0, n_jobs=1)
        self.embedding = self.umap.fit_transform(self.scaler.transform(features))
        clusterer = HDBSCAN(min_cluster_size=15, min_samples=3)
        self.labels = clusterer.fit_predict(self.embedding)
        return self.train(self.embedding, self.labels)

    def train(self, embedding, labels):
        """Train the classifier on inliers that are in a cluster."""
        from sklearn.svm import OneClassSVM
        from xgboost import XGBClassifier

        self.detector = OneClassSVM(nu=0.03).fit(embedding)
        learnt = (self.detector.predict(embedding) == 1) & (labels >= 0)
        self.clusters, codes = np.unique(labels[learnt], return_inverse=True)
        self.classifier = XGBClassifier(random_state=0).fit(embedding[learnt], codes)
        return self

    def predict(self, frame):
        """Align new synapses by themselves; return clusters, -1 for outliers."""
        features = self.scaler.transform(aligned_by_itself(frame))
        return self.predict_embedded(self.umap.transform(features))

    def predict_embedded(self, embedding):
        """Return the clusters of embedded synapses, -1 for outliers."""
        found = self.clusters[self.classifier.predict(embedding)]
        return np.where(self.detector.predict(embedding) == 1, found, -1)

    def accuracy_on_its_labels(self):
        """Return the accuracy for synapses held out from the classifier only."""
        from sklearn.model_selection import train_test_split

        parts = train_test_split(
            self.embedding, self.labels, test_size=TEST_SIZE, random_state=0
        )
        embedding_train, embedding_test, labels_train, labels_test = parts
        again = self.train(embedding_train, labels_train).predict_embedded(
            embedding_test
        )
        counted = (labels_test >= 0) & (again >= 0)
        return float(np.mean((again == labels_test)[counted]))


def aligned_by_itself(frame):
    """Return principal components of each neuron's coordinates, and sizes."""
    from sklearn.decomposition import PCA

    places = np.zeros((len(frame), len(COORDINATES)))
    for rows in frame.groupby("NeuronId").indices.values():
        here = frame[COORDINATES].to_numpy()[rows]
        n_axes = min(here.shape)
        if len(rows) > 1:
            places[rows, :n_axes] = PCA(n_axes).fit_transform(here)
    return np.column_stack([places, frame[MORPHOLOGY]])


def methods():
    """Return a function that makes each estimator of the table "quality"."""
    makers = {
        f"{embedding}, {classifier}": partial(make, embedding, classifier)
        for embedding in EMBEDDINGS
        for classifier in CLASSIFIERS
    }
    for name, settings in ABLATIONS.items():
        makers[name] = partial(make, **settings)
    return {**makers, PUBLISHED: PublishedWay, FLATTERED: PublishedWay}


def kinds_of_outliers(frame, target):
    """Return masks of outliers that are far away, and that are too large."""
    offsets = frame[COORDINATES].to_numpy() - frame[[f"soma_{x}" for x in "xyz"]]
    far = (target < 0) & (np.linalg.norm(offsets, axis=1) > 200)
    return far, (target < 0) & ~far


def accuracies(true, found, true_train, found_train):
    """Compute the accuracy of held-out inliers in two ways.

    Parameters
    ----------
    true, found : ndarray of shape (n_held_out,)
        True and predicted clusters; -1 is left out.
    true_train, found_train : ndarray of shape (n_training,)
        The same of the training part, by which clusters are matched.

    Returns
    -------
    one_to_one, with_pieces : float
        Accuracies.
    """
    from celltyping.metrics import match_clusters

    counted = (true >= 0) & (found >= 0)
    true, found = true[counted], found[counted]
    pairs = dict(zip(*match_clusters(true_train, found_train), strict=True))
    inlier = true_train >= 0
    majority = {
        cluster: np.bincount(true_train[inlier & (found_train == cluster)]).argmax()
        for cluster in np.unique(found_train[inlier])
        if cluster >= 0
    }
    return tuple(
        float(np.mean([names.get(cluster, -1) for cluster in found] == true))
        for names in (pairs, majority)
    )


def measure(name, draw):
    """Fit one method to one draw, and return its scores."""
    import pandas as pd
    from sklearn.metrics import adjusted_rand_score
    from sklearn.model_selection import train_test_split

    from celltyping.datasets import make_synapses

    synapses = make_synapses(random_state=draw)
    frame, target = synapses.frame, synapses.target
    train, test = train_test_split(
        np.arange(len(frame)), test_size=TEST_SIZE, random_state=0
    )
    with warnings.catch_warnings():
        # Neurons with fewer than three synapses are centred without rotation.
        warnings.filterwarnings("ignore", "X has neurons with few synapses")
        # UMAP warns that with a seed it uses one thread.
        warnings.filterwarnings("ignore", "n_jobs value")
        model = methods()[name]().fit(frame)
        found = model.predict(frame)
        if name == FLATTERED:
            return {"accuracy": model.accuracy_on_its_labels()}
        part = methods()[name]().fit(frame.iloc[train])
        found_train = part.predict(frame.iloc[train])
        held_out = part.predict(frame.iloc[test])
        new = part.predict(synapses.new_frame)
    inlier = target >= 0
    scores = {
        "ARI": adjusted_rand_score(target[inlier], found[inlier]),
        "clusters found": len(np.unique(found[found >= 0])),
    }
    scores["accuracy"], scores["accuracy, pieces count"] = accuracies(
        target[test], held_out, target[train], found_train
    )
    unseen = pd.concat([frame.iloc[test], synapses.new_frame])
    unseen_target = np.append(target[test], synapses.new_target)
    rejected = np.append(held_out, new) < 0
    far, huge = kinds_of_outliers(unseen, unseen_target)
    for key, rows in [
        ("far rejected", far),
        ("too large rejected", huge),
        ("others rejected", unseen_target >= 0),
    ]:
        scores[key] = int(rejected[rows].sum()), int(rows.sum())
    return scores


def mean_and_range(values, form=".3f"):
    """Format a mean, with minimum and maximum if they differ."""
    low, high = format(min(values), form), format(max(values), form)
    mean = format(np.mean(values), form)
    return mean if low == high else f"{mean} ({low} to {high})"


def share(pairs):
    """Format the fraction that was rejected, and the number of rows."""
    rejected, n_rows = np.sum(pairs, axis=0)
    return f"{rejected / n_rows:.3f} of {n_rows:,}" if n_rows else "-"


# Columns of the table "quality", and their formats.
COLUMNS = {
    "ARI": mean_and_range,
    "clusters found": partial(mean_and_range, form=".1f"),
    "accuracy": mean_and_range,
    "accuracy, pieces count": mean_and_range,
    "far rejected": share,
    "too large rejected": share,
    "others rejected": share,
}


def quality(options):
    """Write the table of clusters, held-out synapses and outliers."""
    draws = range(1 if options.quick else N_DRAWS)
    rows = []
    for name in methods():
        report(f"quality, {name}")
        scores = Parallel(n_jobs=options.n_jobs)(
            delayed(measure)(name, draw) for draw in draws
        )
        row = [name]
        for key, write in COLUMNS.items():
            there = key in scores[0]
            row.append(write([score[key] for score in scores]) if there else "-")
        rows.append(row)
    finish("quality", ["method", *COLUMNS], rows, options)


def run_contestant(options):
    """Fit and predict many synapses; print times and memory as JSON."""
    from celltyping.datasets import make_synapses

    small = make_synapses(random_state=0)
    make(options.contestant).fit(small.frame).predict(small.new_frame)
    size = LARGE_QUICK if options.quick else LARGE
    synapses = make_synapses(**size, random_state=0)
    frame = synapses.frame
    answer = {"synapses": len(frame), "before": peak_memory()}
    start = time.perf_counter()
    pipeline = make(options.contestant).fit(frame)
    answer["fit"] = time.perf_counter() - start
    shuffled = frame.sample(frac=1, random_state=0)
    start = time.perf_counter()
    found = pipeline.predict(shuffled)
    answer["predict"] = time.perf_counter() - start
    answer["clusters"] = len(np.unique(found[found >= 0]))
    row, seconds = frame.iloc[[0]], []
    for _ in range(5):
        start = time.perf_counter()
        pipeline.predict(row)
        seconds.append(time.perf_counter() - start)
    answer["row"] = min(seconds)
    answer["memory"] = peak_memory()
    print(json.dumps(answer))


def speed(options):
    """Write the table of time and memory."""
    rows = []
    for embedding in ("numap", "umap"):
        report(f"speed, {embedding}")
        arguments = ["--contestant", embedding]
        arguments += ["--quick"] if options.quick else []
        answer = run_alone(__file__, arguments)
        rows.append(
            [
                f"{embedding}, xgboost",
                f"{answer['synapses']:,}",
                answer["clusters"],
                f"{answer['fit']:.1f}",
                f"{answer['predict']:.2f}",
                f"{1000 * answer['row']:.0f}",
                f"{answer['before']:.0f}",
                f"{answer['memory']:.0f}",
            ]
        )
    header = ["method", "synapses", "clusters found", "fit (s)", "predict all (s)"]
    header += ["predict one (ms)", "peak before the fit (MB)", "peak (MB)"]
    finish("speed", header, rows, options)


def finish(name, header, rows, options):
    """Write a table."""
    write_table(f"synapses_{name}{'_quick' if options.quick else ''}", header, rows)


TABLES = {"quality": quality, "speed": speed}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--quick", action="store_true", help="one draw, fewer synapses")
    parser.add_argument("--n-jobs", type=int, default=2, help="draws at once")
    parser.add_argument("--contestant", choices=EMBEDDINGS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        sys.exit(run_contestant(options))
    for table in options.tables:
        TABLES[table](options)
