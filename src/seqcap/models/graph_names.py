"""Names in exported graphs, for the program that writes them and the one that reads them."""

CHUNKING = "seqcap.chunking"  # metadata: what a program needs to go through a recording in chunks
# Of graphs with an encoder: what its features lose, and the mean over a recording's steps.
FEATURE_MEAN, MEAN_FEATURES = "feature_mean", "mean_features"
