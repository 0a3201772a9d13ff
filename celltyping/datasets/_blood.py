"""Two single-cell experiments on human blood."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from importlib import resources

import numpy as np
from scipy import sparse
from sklearn.utils import Bunch

from celltyping._utils._compat import validate_params
from celltyping._utils._labels import UNKNOWN
from celltyping._utils._optional import import_optional

# Name of the target experiment in the file; the source is "pbmc3k".
TARGET = "kang"


@validate_params(
    {"return_X_y": ["boolean"], "as_anndata": ["boolean"]},
    prefer_skip_nested_validation=True,
)
def load_blood_transfer(*, return_X_y=False, as_anndata=False):
    """Load two experiments on human blood cells, an example for transferring types.

    The source has 2,638 cells of 8 types, the target 832 cells of 5 of these types,
    about half of them stimulated with interferon. The counts are of the 2,500 most
    variable genes. The data are part of the package.

    Parameters
    ----------
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    as_anndata : bool, default=False
        Whether to return two AnnData, which needs anndata (extra "single-cell").

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch` or tuple of (data, target)
        A dictionary-like object with the attributes:

        data : csr_array of shape (3470, 2500), dtype=float32
            Counts of the 2,638 source cells, followed by the target cells.
        target : ndarray of shape (3470,), dtype=object
            Type of each source cell, "?" for target cells.
        target_names : ndarray of shape (8,), dtype=object
            Types, sorted.
        types : ndarray of shape (3470,), dtype=object
            True type of each cell, including the target cells.
        batch : ndarray of shape (3470,), dtype=object
            Experiment of each cell, "pbmc3k" (source) or "kang" (target).
        stim : ndarray of shape (3470,), dtype=object
            "STIM" or "CTRL" for target cells with and without interferon, "" for source
            cells.
        n_counts : ndarray of shape (3470,)
            Total count of each cell over all measured genes.
        cell_names : ndarray of shape (3470,), dtype=object
            Barcode of each cell.
        gene_names : ndarray of shape (2500,), dtype=object
            Symbol of each gene.
        DESCR : str
            Source, licence and citations of the data.

        With ``as_anndata=True``, the attributes are:

        source : AnnData of 2638 cells
            Source, with the columns celltype (as published), celltype_common (common
            names of both experiments) and n_counts in `obs`.
        target : AnnData of 832 cells
            Target, with the same columns and stim in `obs`.
        DESCR : str
            As above.

    Raises
    ------
    ValueError
        If both `return_X_y` and `as_anndata` are True.
    ImportError
        If `as_anndata` is True and anndata is not installed.

    See Also
    --------
    celltyping.transfer_labels : Transfer the types from the source to the target.

    References
    ----------
    .. [1] G. X. Y. Zheng et al. (2017). Massively parallel digital transcriptional
       profiling of single cells. Nature Communications 8, 14049.
       :doi:`10.1038/ncomms14049`
    .. [2] H. M. Kang et al. (2018). Multiplexed droplet single-cell RNA-sequencing
       using natural genetic variation. Nature Biotechnology 36, 89-94.
       :doi:`10.1038/nbt.4042`

    Examples
    --------
    >>> from celltyping.datasets import load_blood_transfer
    >>> blood = load_blood_transfer()
    >>> blood.data.shape
    (3470, 2500)
    >>> blood.target[[0, 1, -1]].tolist(), blood.types[-1]
    (['T_CD4', 'B', '?'], 'Mono_CD14')
    >>> blood = load_blood_transfer(as_anndata=True)
    >>> blood.target.obs["celltype_common"].value_counts().to_dict()
    {'T_CD4': 306, 'Mono_CD14': 304, 'Mono_CD16': 88, 'B': 81, 'T_CD8': 53}
    """
    if return_X_y and as_anndata:
        raise ValueError("return_X_y and as_anndata must not both be True")
    counts, arrays = _read()
    descr = resources.files("celltyping.datasets") / "descr" / "blood_transfer.rst"
    is_target = arrays["batch"] == TARGET
    if as_anndata:
        return Bunch(
            source=_make_anndata(counts, arrays, ~is_target, []),
            target=_make_anndata(counts, arrays, is_target, ["stim"]),
            DESCR=descr.read_text(encoding="utf-8"),
        )
    types = arrays["celltype_common"]
    target = np.where(is_target, UNKNOWN, types)
    if return_X_y:
        return counts, target
    return Bunch(
        data=counts,
        target=target,
        target_names=np.unique(types),
        types=types,
        batch=arrays["batch"],
        stim=arrays["stim"],
        n_counts=arrays["n_counts"],
        cell_names=arrays["cell_names"],
        gene_names=arrays["gene_names"],
        DESCR=descr.read_text(encoding="utf-8"),
    )


def _read():
    """Return the counts, and a dict of the other arrays, text as object arrays."""
    data = resources.files("celltyping.datasets") / "data" / "blood_transfer.npz"
    with data.open("rb") as file:
        arrays = dict(np.load(file))
    arrays = {
        name: array.astype(str).astype(object) if array.dtype.kind == "S" else array
        for name, array in arrays.items()
    }
    # The file has the smallest integer dtypes; scikit-learn needs these dtypes.
    parts = (
        arrays.pop("counts").astype(np.float32),
        arrays.pop("indices").astype(np.int32),
        arrays.pop("indptr"),
    )
    shape = (len(arrays["cell_names"]), len(arrays["gene_names"]))
    return sparse.csr_array(parts, shape=shape), arrays


def _make_anndata(counts, arrays, rows, columns):
    """Return an AnnData of the cells in `rows`; `columns`: further columns of obs."""
    caller = "load_blood_transfer(as_anndata=True)"
    anndata = import_optional("anndata", extra="single-cell", needed_by=caller)
    pd = import_optional("pandas", extra="io", needed_by=caller)
    obs = pd.DataFrame(
        {
            name: pd.Categorical(arrays[name][rows])
            for name in ["celltype", "celltype_common", *columns]
        },
        index=arrays["cell_names"][rows],
    )
    obs["n_counts"] = arrays["n_counts"][rows]
    return anndata.AnnData(
        sparse.csr_matrix(counts[rows]),
        obs=obs,
        var=pd.DataFrame(index=arrays["gene_names"]),
    )
