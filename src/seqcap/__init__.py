"""Speech emotion recognition with sequential capsule networks (Wu et al., TASLP 2021)."""

__version__ = "0.1.0"
