"""Many runs: grids, engines, estimates, probes, Sec. VI."""
