"""Alignment of genes by name."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from itertools import product

import anndata
import numpy as np
import pandas as pd
import pytest

from celltyping.pipelines import _genes

MANY = [f"GENE{i}" for i in range(600)]
IDS = [f"ENSG{i:011d}" for i in range(600)]


def as_var(names):
    """Return the `var` of an AnnData with these gene names."""
    return pd.DataFrame(index=pd.Index(names, dtype=object))


def align_genes(source, target):
    """Align genes that are given by name or as `var`."""
    sides = [s if isinstance(s, pd.DataFrame) else as_var(s) for s in (source, target)]
    return _genes.align_genes(*sides)


def test_order_is_that_of_the_source():
    target = [*reversed(MANY), "ONLY_TARGET"]
    shared = align_genes(["ONLY_SOURCE", *MANY], target)
    assert shared.names.tolist() == MANY
    assert shared.in_source.tolist() == list(range(1, 601))
    assert shared.in_target.tolist() == list(reversed(range(600)))


def test_case_and_blanks_do_not_count():
    shared = align_genes([name.lower() for name in MANY], [f" {n} " for n in MANY])
    assert shared.names.tolist() == [name.lower() for name in MANY]
    assert shared.in_target.tolist() == list(range(600))


def test_names_that_come_twice_are_numbered_as_in_anndata():
    source = [*MANY, "ACTB", "ACTB", "CD4"]
    target = ["actb", *MANY, "CD4", "ACTB", "Actb"]
    shared = align_genes(source, target)
    pairs = dict(zip(shared.in_source.tolist(), shared.in_target.tolist(), strict=True))
    assert pairs[600] == 0  # the first ACTB is the first
    assert pairs[601] == 602  # the second the second; the third has no partner
    assert pairs[602] == 601
    assert len(pairs) == 603
    # An experiment in which anndata has numbered them is one in which it has not.
    numbered = anndata.AnnData(np.ones((1, 3)), var=pd.DataFrame(index=list("abc")))
    numbered.var_names = ["ACTB", "ACTB", "CD4"]
    numbered.var_names_make_unique()
    assert numbered.var_names.tolist() == ["ACTB", "ACTB-1", "CD4"]
    again = align_genes([*MANY, *numbered.var_names], target)
    assert np.array_equal(again.in_target, shared.in_target)


def test_a_name_that_ends_as_a_number_would():
    # The second A becomes A-2, since A-1 is there.
    shared = align_genes([*MANY, "A", "A", "A-1"], [*MANY, "A-1", "A-2", "A"])
    assert shared.in_target[600:].tolist() == [602, 601, 600]


def test_versions_of_ensembl_identifiers(subtests):
    for side in ["source", "target", "both"]:
        with subtests.test(side=side):
            versioned = [f"{name}.{i % 20}" for i, name in enumerate(IDS)]
            source = versioned if side in ("source", "both") else IDS
            target = versioned if side == "target" else IDS
            if side == "both":
                target = [f"{name}.{i % 7}" for i, name in enumerate(IDS)]
            shared = align_genes(source, target)
            assert shared.names.tolist() == source  # as the source writes them
            assert np.array_equal(shared.in_target, np.arange(600))


def test_versions_stay_where_they_tell_genes_apart():
    names = [f"{IDS[0]}.{i}" for i in range(600)]
    shared = align_genes(names, names[::-1])
    assert np.array_equal(shared.in_target, np.arange(600)[::-1])


def test_a_dot_in_a_symbol_is_no_version():
    clones = [f"RP11-{i}.1" for i in range(600)]
    with pytest.raises(ValueError, match=r"^source and target must share at least 50"):
        align_genes(clones, [name[:-2] + ".2" for name in clones])


def test_genes_without_a_name_do_not_meet():
    shared = align_genes([*MANY, "", "nan", None], [*MANY, "", "NaN", None])
    assert len(shared.names) == 600


def test_too_few_tells_counts_and_examples():
    source = [*MANY[:49], *(f"S{i}" for i in range(151))]
    target = [*MANY[:49], *(f"T{i}" for i in range(251))]
    message = (
        r"source and target must share at least 50 genes, but 49 genes have the same "
        r"name in source \('GENE0', 'GENE1', 'GENE2', \.\.\. \(200 in all\)\) and in "
        r"target \('GENE0', 'GENE1', 'GENE2', \.\.\. \(300 in all\)\)$"
    )
    with pytest.raises(ValueError, match=message):
        align_genes(source, target)


def test_a_share_is_needed_too():
    others = [[f"{side}{i}" for i in range(3000)] for side in "ST"]
    with pytest.raises(ValueError, match="at least 155 genes, but 100 genes"):
        align_genes([*MANY[:100], *others[0]], [*MANY[:100], *others[1]])


def test_a_panel_needs_half_of_its_genes():
    panel = MANY[:20]
    with pytest.warns(UserWarning, match="only 10 genes have the same name"):
        shared = align_genes(panel, [*MANY[10:], *IDS])
    assert len(shared.names) == 10
    with pytest.raises(ValueError, match="at least 10 genes, but 9 genes"):
        align_genes(panel, [*MANY[11:], *IDS])


def test_few_genes_warn():
    with pytest.warns(UserWarning, match="^only 499 genes .*hard to tell apart$"):
        align_genes(MANY[:499], MANY)
    assert len(align_genes(MANY[:500], MANY).names) == 500
    others = [[f"{side}{i}" for i in range(2401)] for side in "ST"]
    with pytest.warns(UserWarning, match="only 600 genes"):
        align_genes([*MANY, *others[0]], [*MANY, *others[1]])


@pytest.mark.parametrize("swapped", [False, True])
def test_symbols_against_identifiers(swapped):
    sides = [MANY, [f"{name}.3" for name in IDS]]
    names = ["target", "source"]
    if swapped:
        sides, names = sides[::-1], names[::-1]
    message = (
        rf"but 0 genes.*The names of {names[0]} are Ensembl identifiers, those of "
        rf"{names[1]} look like symbols.*var\['gene_ids'\]"
    )
    with pytest.raises(ValueError, match=message):
        align_genes(*sides)


def test_no_genes():
    with pytest.raises(ValueError, match=r"at least 1 genes.*source \(no genes\)"):
        align_genes([], MANY)


def test_row_numbers_are_no_names(subtests):
    for side, numbers in product(
        ["source", "target"],
        [
            range(600),
            range(1, 601),
            range(2000, 2600),
            [*range(0, 1200, 2)],
            [f"{i}.0" for i in range(600)],
            [f"V{i + 1}" for i in range(600)],
            [*range(5, 600), *range(5)],
        ],
    ):
        with subtests.test(side=side, numbers=numbers):
            numbered = as_var([str(number) for number in numbers])
            sides = [numbered, MANY] if side == "source" else [MANY, numbered]
            message = (
                rf"^{side} has no gene names but row numbers, '.*{side}.var has "
                "no column"
            )
            with pytest.raises(ValueError, match=message):
                align_genes(*sides)
            with pytest.raises(
                ValueError, match="source has no gene names but row numbers"
            ):
                align_genes(numbered, numbered)


def test_columns_that_may_hold_names_are_listed():
    numbered = as_var([str(i) for i in range(600)])
    numbered["chromosome"] = ["1", "X", "MT"] * 200  # few different values
    numbered["n_cells"] = range(600)
    numbered["entrez"] = [str(i) for i in range(5000, 5600)]
    numbered["symbol"] = pd.Categorical([*MANY[:590], *MANY[:10]])
    numbered["gene_ids"] = [*IDS[:599], None]
    message = (
        r"Names may be in source\.var\['symbol'\] \(columns of different strings: "
        r"'symbol', 'gene_ids'\): assign them to source\.var_names$"
    )
    with pytest.raises(ValueError, match=message):
        align_genes(numbered, numbered)
    # Also where names of different kinds do not meet.
    symbols = as_var(MANY).assign(gene_ids=IDS)
    with pytest.raises(ValueError, match=r"0 genes .*source\.var\['gene_ids'\]"):
        align_genes(symbols, IDS)
    with pytest.raises(ValueError, match=r"0 genes .*target\.var\['gene_ids'\]"):
        align_genes([f"S{i}" for i in range(600)], symbols)


def test_identifiers_of_entrez_are_names():
    transcriptome = [str(1 + 37 * i**2) for i in range(600)]
    assert len(align_genes(transcriptome, transcriptome[::-1]).names) == 600
    panel = ["916", "920", "925", "931", "4069", "4332"]
    message = r"names of source and target are numbers \('916', .*: identifiers of Ent"
    with (
        pytest.warns(UserWarning, match=message),
        pytest.warns(UserWarning, match="only 6 genes"),
    ):
        assert len(align_genes(panel, panel).names) == 6


def test_identifiers_of_two_species():
    mouse = [name.replace("ENSG", "ENSMUSG") for name in IDS]
    message = r"source begin with ENSG, in target with ENSMUSG: map .* orthologues"
    with pytest.raises(ValueError, match=message):
        align_genes(IDS, mouse)


def test_nothing_is_changed():
    source, target = as_var([*MANY, "A", "A"]), as_var(MANY)
    before = source.copy(), target.copy()
    align_genes(source, target)
    pd.testing.assert_frame_equal(source, before[0])
    pd.testing.assert_frame_equal(target, before[1])
