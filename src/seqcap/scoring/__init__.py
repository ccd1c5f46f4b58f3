"""How good a model is: metrics, calibration, intervals, significance, Sec. VI-B."""
