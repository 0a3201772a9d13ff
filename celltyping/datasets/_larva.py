"""Connectome of the brain of a fruit fly larva."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from importlib import resources

from sklearn.utils import Bunch

from celltyping._utils._compat import validate_params
from celltyping._utils._labels import UNKNOWN
from celltyping._utils._optional import import_optional
from celltyping.connectome import Connectome


@validate_params(
    {"return_X_y": ["boolean"], "as_frame": ["boolean"]},
    prefer_skip_nested_validation=True,
)
def load_larva_connectome(*, return_X_y=False, as_frame=False):
    """Load the connectome of the brain of a fruit fly larva.

    It has 3,554 neurons with 376,091 synapses on 119,010 directed edges; 1,939 of the
    neurons have one of 59 published types. The data are part of the package; loading
    them needs pandas (extra "io").

    Parameters
    ----------
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Whether `target` is a pandas Series by neuron id.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch` or tuple of (data, target)
        A dictionary-like object with the attributes:

        data : Connectome
            Connectome with the ids of the reconstruction.
        target : ndarray of shape (3554,), dtype=object, or Series
            Type of each neuron, "?" if unknown.
        target_names : ndarray of shape (59,), dtype=object
            Types, sorted.
        frame : DataFrame of 3554 rows
            Published annotations by neuron id. Most of them reveal the types, see
            `DESCR`.
        DESCR : str
            Source, licence and citations of the data.

    Raises
    ------
    ImportError
        If pandas is not installed.

    See Also
    --------
    make_connectome : Simulate a connectome.

    References
    ----------
    .. [1] M. Winding et al. (2023). The connectome of an insect brain. Science 379,
       eadd9330. :doi:`10.1126/science.add9330`
    .. [2] B. D. Pedigo et al. (2023). Generative network modeling reveals quantitative
       definitions of bilateral symmetry exhibited by a whole insect brain connectome.
       eLife 12, e83739. :doi:`10.7554/eLife.83739`

    Examples
    --------
    >>> from celltyping.datasets import load_larva_connectome
    >>> larva = load_larva_connectome()
    >>> larva.data
    <Connectome of 3554 nodes: 119010 edges, 376091 synapses>
    >>> larva.target[:6].tolist()
    ['KC-4claw', 'sens-photoRh6', 'sens-ORN', 'sens-AN', '?', '?']
    """
    pd = import_optional("pandas", extra="io", needed_by="load_larva_connectome")
    # Explicit dtypes, so that no version of pandas reads ids as floats.
    frame = _read_csv(pd, "larva_nodes.csv.gz", {"id": "int64", "pair_id": "int64"})
    frame = frame.set_index("id")
    frame["type"] = frame["type"].fillna(UNKNOWN)
    edges = _read_csv(
        pd, "larva_edges.csv.gz", {"pre": "int64", "post": "int64", "weight": "int64"}
    )
    connectome = Connectome.from_edges(edges, nodes=frame.index)
    types = frame["type"].astype(object)
    target = types.copy() if as_frame else types.to_numpy(copy=True)
    if return_X_y:
        return connectome, target
    names = types[types != UNKNOWN].drop_duplicates().sort_values()
    descr = resources.files("celltyping.datasets") / "descr" / "larva_connectome.rst"
    return Bunch(
        data=connectome,
        target=target,
        target_names=names.to_numpy(copy=True),
        frame=frame,
        DESCR=descr.read_text(encoding="utf-8"),
    )


def _read_csv(pd, name, dtype):
    """Read a gzipped csv file of the package, which may be in a zip archive."""
    with (resources.files("celltyping.datasets") / "data" / name).open("rb") as file:
        return pd.read_csv(file, compression="gzip", dtype=dtype)
