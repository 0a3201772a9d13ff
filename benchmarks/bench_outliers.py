"""Rates of the default outlier detector and of a one-class SVM on few rows.

The detector is the default of OutlierFilteredClassifier and OutlierFilteredTransformer;
the other one is the default of earlier versions, OneClassSVM(nu=0.03). Tables of 2, 5
and 15 columns are drawn from nine distributions: three on which the settings of the
default were chosen, and six others. Columns:

- training: training rows that are rejected;
- same distribution: 500 other rows that are rejected, as the mean, and minimum and
  maximum over the tables of a distribution and a number of columns;
- far: rejected rows at twenty times the median distance from the median;
- far, after outliers: the same, if 3 % of the training rows (at least one) are such
  rows in other directions.

Run: python benchmarks/bench_outliers.py
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import sys

import numpy as np
from _common import write_table
from sklearn.svm import OneClassSVM

from celltyping import OutlierFilteredTransformer

N_DRAWS = 10
RATE = 0.03
N_ROWS = (20, 30, 50, 100, 300, 1000)
N_COLUMNS = (2, 5, 15)
DETECTORS = {"default": None, "one-class SVM": OneClassSVM(nu=RATE)}


def clusters(rng, shape):
    """Draw four normal clusters of different size and width."""
    centers, widths = 6 * rng.normal(size=(4, shape[1])), rng.lognormal(0, 0.5, size=4)
    code = rng.choice(4, shape[0], p=rng.dirichlet(np.full(4, 2.0)))
    return centers[code] + widths[code, np.newaxis] * rng.normal(size=shape)


def circle(rng, shape):
    """Draw points near a circle in the first two columns."""
    X, angle = 0.1 * rng.normal(size=shape), rng.uniform(0, 2 * np.pi, shape[0])
    X[:, 0] += np.cos(angle)
    X[:, 1] += np.sin(angle)
    return X


def correlated(rng, shape):
    """Draw points near a line."""
    return rng.normal(size=(shape[0], 1)) + 0.1 * rng.normal(size=shape)


# Distributions on which the settings were chosen, and others.
CHOSEN = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "log-normal": lambda rng, shape: rng.lognormal(size=shape),
    "clusters": clusters,
}
OTHERS = {
    "Student's t, 2 degrees": lambda rng, shape: rng.standard_t(2, size=shape),
    "Poisson counts": lambda rng, shape: rng.poisson(1.0, size=shape).astype(float),
    "binary": lambda rng, shape: (rng.uniform(size=shape) < 0.3).astype(float),
    "uniform": lambda rng, shape: rng.uniform(size=shape),
    "circle": circle,
    "correlated": correlated,
}


def draw_far(X, n, rng):
    """Draw rows far from all others."""
    center = np.median(X, axis=0)
    distance = 20 * np.median(np.linalg.norm(X - center, axis=1))
    directions = rng.normal(size=(n, X.shape[1]))
    return center + distance * directions / np.linalg.norm(
        directions, axis=1, keepdims=True
    )


def measure(draw, n_rows, n_columns, detector):
    """Return the mean of the four rates over all draws."""
    rates = []
    for seed in range(N_DRAWS):
        rng = np.random.default_rng([seed, n_rows, n_columns])
        both = draw(rng, (n_rows + 500, n_columns))
        X, same = both[:n_rows], both[n_rows:]
        far = draw_far(X, 200, rng)
        model = OutlierFilteredTransformer(outlier_detector=detector).fit(X)
        rates.append([model.predict_outlier(table).mean() for table in (X, same, far)])
        n_far = max(1, int(RATE * n_rows))
        dirty = np.vstack([draw_far(X, n_far, rng), X[n_far:]])
        rates[-1].append(model.fit(dirty).predict_outlier(far).mean())
    return np.mean(rates, axis=0)


def in_percent(rates):
    """Return the mean, minimum and maximum of rates as text."""
    rates = 100 * np.asarray(rates)
    return f"{rates.mean():.1f} ({rates.min():.1f} to {rates.max():.1f})"


def main():
    """Write the table."""
    rows = []
    for n_rows in N_ROWS:
        for name, detector in DETECTORS.items():
            print(n_rows, name, file=sys.stderr, flush=True)
            chosen, others = (
                np.array(
                    [
                        measure(draw, n_rows, n_columns, detector)
                        for draw in shapes.values()
                        for n_columns in N_COLUMNS
                    ]
                )
                for shapes in (CHOSEN, OTHERS)
            )
            both = 100 * np.vstack([chosen, others]).mean(axis=0)
            rows.append(
                [
                    f"{n_rows:,}",
                    name,
                    f"{both[0]:.1f}",
                    in_percent(chosen[:, 1]),
                    in_percent(others[:, 1]),
                    f"{both[2]:.1f}",
                    f"{both[3]:.1f}",
                ]
            )
    header = ["training rows", "detector", "training (%)"]
    header += ["same distribution, chosen on (%)", "same distribution, others (%)"]
    header += ["far (%)", "far, after outliers (%)"]
    write_table("synapses_outliers", header, rows)


if __name__ == "__main__":
    main()
