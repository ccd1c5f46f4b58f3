"""Who said what, how and where: corpus tables, readers, label sets, folds."""
