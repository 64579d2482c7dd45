"""Real data without a network: small solvers and writers into the hosts' own file formats."""

from wavelit_plugin.data.make import make_dataset
from wavelit_plugin.data.problems import PROBLEMS, find_problem
from wavelit_plugin.data.request import DataReport, DataRequest
from wavelit_plugin.data.simulation import Progress, simulate_dataset
from wavelit_plugin.plugins import find_writer
from wavelit_plugin.plugins.datasets import Problem, Setup, Trajectories, Writer

__all__ = [
    "PROBLEMS",
    "DataReport",
    "DataRequest",
    "Problem",
    "Progress",
    "Setup",
    "Trajectories",
    "Writer",
    "find_problem",
    "find_writer",
    "make_dataset",
    "simulate_dataset",
]
