"""Section VI: batches, training, metrics, evaluation."""
