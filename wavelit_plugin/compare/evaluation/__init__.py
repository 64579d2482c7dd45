"""The evaluation of one trained model on test trajectories, behind ``wavelit evaluate``."""
