"""The API page as data: what is public, section by section.

`conf.py` writes the pages from this dict, and a test holds it to the `__all__` of every
public subpackage. A section is a subpackage; its names stand in the order of the page.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

API_REFERENCE = {
    "celltyping.connectome": {
        "title": "The connectome",
        "description": "Who connects to whom, and how to read it from a file.",
        "names": ["Connectome", "read_edges"],
    },
    "celltyping.estimators": {
        "title": "Estimators",
        "description": "What gives a cell its type.",
        "names": [
            "NtacClassifier",
            "NtacClusterer",
            "ItClustClassifier",
            "OutlierFilteredClassifier",
            "InductiveClusterer",
            "GroupedEstimator",
        ],
    },
    "celltyping.transformers": {
        "title": "Transformers",
        "description": "What turns cells into another table.",
        "names": [
            "GeneFilter",
            "ExpressionNormalizer",
            "HighlyVariableGenes",
            "GrEASE",
            "NUMAP",
            "TypeProfile",
            "NeuronAligner",
            "ColumnSelector",
            "ColumnWeighter",
            "OutlierRowRemover",
            "OutlierFilteredTransformer",
        ],
    },
    "celltyping.pipelines": {
        "title": "Pipelines",
        "description": "From a table as it was measured to types and clusters.",
        "names": [
            "transfer_labels",
            "make_single_cell_pipeline",
            "read_expression",
            "make_synapse_pipeline",
            "synapse_table",
        ],
    },
    "celltyping.model_selection": {
        "title": "Model selection",
        "description": "Choosing parameters where part of the types is unknown.",
        "names": ["SeedShuffleSplit"],
    },
    "celltyping.metrics": {
        "title": "Metrics",
        "description": "How good a typing is, and what an embedding keeps.",
        "names": [
            "make_typed_scorer",
            "type_report",
            "ranked_accuracy_score",
            "matched_accuracy_score",
            "match_clusters",
            "neighbor_accuracy_score",
            "neighborhood_overlap_score",
            "make_neighborhood_scorer",
            "density_correlation",
            "hierarchy_correlation",
            "grassmann_score",
            "spectrum_distance",
            "fiedler_distance",
        ],
    },
    "celltyping.datasets": {
        "title": "Data sets",
        "description": "Real and simulated data to try things on.",
        "names": [
            "load_larva_connectome",
            "load_blood_transfer",
            "make_connectome",
            "make_synapses",
        ],
    },
    "celltyping.plotting": {
        "title": "Plots",
        "description": "Displays: they hold what was computed and draw it on any axes.",
        "names": [
            "TypeAccuracyDisplay",
            "ConfusedTypesDisplay",
            "TypeConnectivityDisplay",
            "TypeEmbeddingDisplay",
            "TypeCompositionDisplay",
            "ClusterTypesDisplay",
            "ClusterCostDisplay",
            "ClusterPersistenceDisplay",
            "EmbeddingDisplay",
            "FeaturePairsDisplay",
            "TransferDisplay",
            "MarkerGenesDisplay",
        ],
    },
}
