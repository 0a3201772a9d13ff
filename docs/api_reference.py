"""Sections of the API reference and their public names.

`conf.py` writes the pages from this dict, and a test compares it with the `__all__` of
every public subpackage. A section is a subpackage; its names are in the page's order.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

API_REFERENCE = {
    "celltyping.connectome": {
        "title": "Connectome",
        "description": "Graph container for scikit-learn, and readers of files.",
        "names": ["Connectome", "read_edges", "read_types"],
    },
    "celltyping.estimators": {
        "title": "Estimators",
        "description": "Classifiers, clusterers and meta-estimators.",
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
        "description": "Preprocessing, embeddings and outlier removal.",
        "names": [
            "GeneFilter",
            "ExpressionNormalizer",
            "HighlyVariableGenes",
            "GrEASE",
            "NUMAP",
            "MLPEncoder",
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
        "description": "Functions from raw tables to types and clusters.",
        "names": [
            "transfer_types",
            "match_connectomes",
            "transfer_labels",
            "make_single_cell_pipeline",
            "read_expression",
            "make_synapse_pipeline",
            "synapse_table",
        ],
    },
    "celltyping.model_selection": {
        "title": "Model selection",
        "description": "Cross-validation of partly typed data, and wrong types.",
        "names": ["SeedShuffleSplit", "find_label_issues", "compare_partners"],
    },
    "celltyping.metrics": {
        "title": "Metrics",
        "description": "Scores of types, clusters and embeddings.",
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
        "description": "Shipped and simulated data sets.",
        "names": [
            "load_larva_connectome",
            "load_blood_transfer",
            "make_connectome",
            "make_synapses",
        ],
    },
    "celltyping.plotting": {
        "title": "Plots",
        "description": "Displays, which store computed data and draw them.",
        "names": [
            "TypeAccuracyDisplay",
            "ConfusedTypesDisplay",
            "TypeConnectivityDisplay",
            "TypeProfileDisplay",
            "TypeCompositionDisplay",
            "ClusterTypesDisplay",
            "ElbowDisplay",
            "ClusterPersistenceDisplay",
            "EmbeddingDisplay",
            "PairPlotDisplay",
            "LabelFlowDisplay",
        ],
    },
}
