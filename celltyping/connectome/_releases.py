"""Column names of the public releases of connectomes and cell types."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from typing import NamedTuple

from celltyping.connectome._edges import check_columns

AUTO = "auto"


class EdgeTable(NamedTuple):
    """Columns of a release's table of edges; without a weight, a row is a synapse."""

    release: str
    pre: str
    post: str
    weight: str | None


class TypeTable(NamedTuple):
    """Columns of a release's table of types."""

    release: str
    ids: str
    types: str


# The first entry that fits is taken. Names are compared without regard to case.
EDGE_TABLES = [
    EdgeTable("celltyping, fafbseg, connecto", "pre", "post", "weight"),
    EdgeTable("FlyWire Codex", "pre_root_id", "post_root_id", "syn_count"),
    EdgeTable("FlyWire Zenodo", "pre_pt_root_id", "post_pt_root_id", "syn_count"),
    EdgeTable("MICrONS", "pre_pt_root_id", "post_pt_root_id", "n_syn"),
    EdgeTable("hemibrain, neuPrint", "bodyId_pre", "bodyId_post", "weight"),
    EdgeTable("male CNS", "body_pre", "body_post", "weight"),
    EdgeTable("BANC", "pre", "post", "count"),
    EdgeTable("FANC", "pre_root_id", "post_root_id", "num_synapses"),
    EdgeTable("Witvliet, White", "pre", "post", "synapses"),
    EdgeTable("Cook", "Source", "Target", "Weight"),
    EdgeTable("ntac, VNC challenge", "from", "to", "weight"),
    EdgeTable("CAVE synapses", "pre_pt_root_id", "post_pt_root_id", None),
    EdgeTable("BANC synapses", "pre_root_id", "post_root_id", None),
]

TYPE_TABLES = [
    TypeTable("FlyWire Codex", "root_id", "primary_type"),
    TypeTable("FlyWire annotations", "root_id", "cell_type"),
    TypeTable("hemibrain, male CNS, neuPrint", "bodyId", "type"),
    TypeTable("BANC", "banc_888_id", "cell_type"),
    TypeTable("BANC Codex", "Root ID", "Primary Cell Type"),
    TypeTable("CAVE", "pt_root_id", "cell_type"),
    TypeTable("ntac, VNC challenge", "vertex", "cluster"),
    TypeTable("C. elegans", "Cell name", "Type"),
]

# Columns of chemical and electrical synapses, and of places, over which the rows of a
# pair are summed. A row without an ROI holds the total of its pair.
_OTHERS = {"kind": "type", "roi": "roi", "neuropil": "neuropil"}

# Columns that only a table with one row per synapse has. The size is no count.
_OF_SYNAPSES = {"id", "size"}


class Columns(NamedTuple):
    """Names of the columns to read; of edges, the ids are pre and post."""

    ids: list
    weight: str | int | None = None
    kind: str | None = None
    roi: str | None = None
    neuropil: str | None = None
    types: str | int | None = None

    @property
    def wanted(self):
        """List of the names of the columns whose values matter."""
        others = [self.weight, self.kind, self.roi, self.types]
        return self.ids + [name for name in others if name is not None]


def find_edge_columns(names, *, pre, post, weight, table):
    """Find the columns of a table of edges.

    Parameters
    ----------
    names : list of str or int
        Columns of the table; 0, 1, ... without a header.
    pre, post, weight : str, int or None
        Names given by the user; "auto" for a column to find.
    table : str
        Name of the table in messages.

    Returns
    -------
    columns : Columns
        The names given or found.

    Raises
    ------
    ValueError
        If the table lacks a given column, or a known one for "auto".
    """
    given = {"pre": pre, "post": post, "weight": weight}
    found = given
    if AUTO in given.values():
        found = _find_positions(names, given) or _find_names(names, given)
    lacking = [parameter for parameter in given if parameter not in found]
    if lacking:
        what = f"a known column for {' and '.join(lacking)}"
        advice = "pre=, post= and weight= (weight=None counts rows)"
        raise _unknown(names, what, table, advice)
    check_columns(names, **found, table=table)
    lower = _by_lower_name(names)
    others = {field: lower.get(name) for field, name in _OTHERS.items()}
    for field, name in others.items():
        others[field] = None if name in found.values() else name
    return Columns([found["pre"], found["post"]], found["weight"], **others)


def find_type_columns(names, *, ids, types, table):
    """Find the columns of a table of types, as `find_edge_columns` those of edges."""
    given = {"ids": ids, "types": types}
    absent = [name for name in given.values() if name != AUTO and name not in names]
    if absent:
        raise _unknown(names, f"the column {absent[0]!r}", table, "ids= and types=")
    for entry in TYPE_TABLES:
        found = _fill(given, entry, _by_lower_name(names))
        if len(found) == len(given):
            return Columns([found["ids"]], types=found["types"])
    raise _unknown(names, "known columns of ids and types", table, "ids= and types=")


def _find_positions(names, given):
    """Return the columns of a file without a header that has no other columns."""
    parameters = [name for name, value in given.items() if value is not None]
    if names != list(range(len(parameters))) or set(given.values()) - {AUTO, None}:
        return {}
    return dict.fromkeys(given) | {name: k for k, name in enumerate(parameters)}


def _find_names(names, given):
    """Return the columns of the first entry that fits; of none, those that do."""
    lower = _by_lower_name(names)
    weights = {entry.weight.casefold() for entry in EDGE_TABLES if entry.weight}
    of_synapses = len(lower) == 2 or not lower.keys().isdisjoint(_OF_SYNAPSES)
    best = {}
    for entry in EDGE_TABLES:
        found = _fill(given, entry, lower)
        if entry.weight is None and of_synapses and lower.keys().isdisjoint(weights):
            found.setdefault("weight", None)
        if len(found) == len(given):
            return found
        best = max(best, found, key=len)
    return best


def _fill(given, entry, lower):
    """Return the given names, and those of an entry that the table has."""
    found = {}
    for parameter, name in given.items():
        known = getattr(entry, parameter)
        if name != AUTO:
            found[parameter] = name
        elif known is not None and known.casefold() in lower:
            found[parameter] = lower[known.casefold()]
    return found


def _by_lower_name(names):
    """Return the names by their lower case; the first of those that agree."""
    return {str(name).casefold(): name for name in reversed(names)}


def _unknown(names, lacking, table, advice):
    """Return the error for a table without known columns."""
    # The first line of another kind of file may be one long name.
    found = ", ".join(repr(name)[:80] for name in names[:50])
    return ValueError(
        f"{table} lacks {lacking}; it has {found or 'none'}: name the columns with "
        f"{advice}"
    )


def describe_edges(columns):
    """Return the names of the columns as the parameters of read_edges."""
    pre, post = columns.ids
    text = f"pre={pre!r}, post={post!r}, weight={columns.weight!r}"
    if columns.weight is None:
        text += " (one synapse per row)"
    places = [name for name in (columns.roi, columns.neuropil) if name is not None]
    return text + "".join(f", summed over {name!r}" for name in places)
