"""Sound to numbers: waveform, spectrogram, segments; NumPy only."""
