"""What bench_embedding.py compares: transformers, and the data that they get."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import contextlib
import io
import logging
import tempfile
import warnings

import numpy as np

# Training and new samples of each data.
SIZES = {
    "digits": (1_257, 540),
    "MNIST 10,000": (10_000, 5_000),
    "MNIST 60,000": (60_000, 10_000),
    "made": (2_000, 1_000),
}
SMALL = {data: (min(n, 600), min(m, 200)) for data, (n, m) in SIZES.items()}

# Neighbours in the graph of GrEASE, and of its exact eigenvectors: the default.
GREASE_NEIGHBORS = 15


class Published:
    """Give numap or its GrEASE the methods and attributes of the others."""

    def __init__(self, model, seed, **training):
        self.model = model
        self.seed = seed
        self.training = training  # tells transform that it gets training samples

    def fit(self, X):
        """Fit, in a folder that takes the logs."""
        import torch

        torch.manual_seed(self.seed)
        np.random.seed(self.seed)  # noqa: NPY002, it knows no other
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            self._quietly(self.model.fit, X)
        self._X = X
        return self

    @property
    def embedding_(self):
        """Where the training samples are."""
        return self.transform(self._X, **self.training)

    def transform(self, X, **training):
        """Place samples."""
        return np.asarray(self._quietly(self.model.transform, X, **training))

    @staticmethod
    def _quietly(method, X, **arguments):
        """Call a method without its progress bars, with a copy: it writes into X."""
        import torch

        logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            return method(torch.tensor(X, dtype=torch.float32), **arguments)


def make(library, settings, seed):
    """Make a transformer; the lists are defaults of numap, which it appends to."""
    if library == "NUMAP":
        from celltyping import NUMAP, MLPEncoder

        # Settings of the encoder stand among the others.
        names = MLPEncoder().get_params().keys() & settings.keys()
        encoder = MLPEncoder(**{name: settings[name] for name in names})
        others = {k: v for k, v in settings.items() if k not in names}
        return NUMAP(random_state=seed, n_jobs=2, encoder=encoder, **others)
    if library == "umap-learn":
        from umap import UMAP

        return UMAP(**{"random_state": seed, "n_jobs": 1, **settings})
    if library == "PCA":
        from sklearn.decomposition import PCA

        return PCA(2)
    if library == "GrEASE":
        from celltyping import GrEASE

        return GrEASE(5, n_neighbors=GREASE_NEIGHBORS, random_state=seed, **settings)
    if library == "grease":
        from grease import GrEASE

        sizes = [128, 256, 256]  # as numap has it
        model = GrEASE(5, spectral_n_nbg=GREASE_NEIGHBORS, spectral_hiddens=sizes)
        return Published(model, seed)
    from numap import NUMAP

    documented = {"n_neighbors": 10, "lr": 1e-3, "epochs": 10, "batch_size": 64}
    documented |= {"se_dim": 10, "use_residual_connections": True}
    documented |= {"grease_hiddens": [128, 256, 256], "random_state": seed}
    return Published(NUMAP(**{**documented, **settings}), seed, is_train=True)


def split(data, number, options):
    """Return training samples, their types, new samples and their types."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    n_train, n_new = options.sizes.get(data, options.sizes["made"])
    if data not in options.sizes:
        X, y = make_data(data, n_train + n_new, number)
        return X[:n_train], y[:n_train], X[n_train:], y[n_train:]
    if data == "digits":
        X, y = load_digits(return_X_y=True)
    else:
        with np.load(options.mnist) as file:
            X, y = file["X"], file["y"]
    rows = np.arange(len(y))
    parts = rows[:n_train], rows[-n_new:]  # the usual ones, if it is all of MNIST
    if data != "MNIST 60,000":
        sizes = {"train_size": n_train, "test_size": n_new}
        parts = train_test_split(rows, **sizes, stratify=y, random_state=number)
    train, new = parts
    highest = X.max()
    X_train, X_new = (X[part].astype(np.float32) / highest for part in parts)
    return X_train, y[train], X_new, y[new]


def make_data(data, n_samples, seed):
    """Draw two circles, or normal clusters in 20 dimensions, mostly of deviation 1."""
    from sklearn.datasets import make_circles

    rng = np.random.default_rng(seed)
    if data == "two circles":
        return make_circles(n_samples, noise=0.05, factor=0.5, random_state=seed)
    deviations = np.ones(9)
    if data == "9 clusters in 3 groups":
        centres = [group + corners(3, 5, rng) for group in corners(3, 8, rng)]
        centres = np.vstack(centres)
    elif data == "8 clusters on a line":
        direction = rng.normal(size=20)
        centres = np.outer(np.arange(8), 5 * direction / np.linalg.norm(direction))
    else:
        centres = corners(6, 7, rng)
        deviations = np.geomspace(0.7, 1.4, 6)
    y = rng.integers(len(centres), size=n_samples)
    return centres[y] + deviations[y, np.newaxis] * rng.normal(size=(n_samples, 20)), y


def corners(n_corners, distance, rng):
    """Draw points around 0 that are equally far from each other."""
    basis = np.linalg.qr(rng.normal(size=(20, n_corners)))[0].T
    return (basis - basis.mean(axis=0)) * distance / np.sqrt(2)


def spectrum(X, n_vectors, n_neighbors):
    """Return the leading eigenvalues and eigenvectors of the graph of neighbours."""
    from celltyping.transformers._embedding.laplacian import (
        affinity_graph,
        leading_eigenvectors,
    )
    from celltyping.transformers._embedding.neighbors import nearest_neighbors

    X = np.asarray(X, np.float64)
    graph = affinity_graph(*nearest_neighbors(X, n_neighbors, random_state=0))
    return leading_eigenvectors(graph, n_vectors, random_state=0)
