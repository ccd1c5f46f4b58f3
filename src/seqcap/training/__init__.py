"""One run: settings, batches, augmentation, the training loop, its model and card."""
