"""Results read back: tables, figures, tests of significance, comparisons."""
