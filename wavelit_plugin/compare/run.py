"""Train every operator under one budget with the host's own trainer, and measure it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from wavelit_plugin.compare.evaluate import evaluate, persistence
from wavelit_plugin.compare.records import Budget, Operator, Result, Trajectories, Watch

if TYPE_CHECKING:
    from wavelit_plugin.hosts.neuraloperator.training import Pairs

PERSISTENCE = "persistence"


def compare(
    operators: Sequence[Operator],
    budget: Budget,
    pairs: Pairs,
    test: Trajectories,
    *,
    device: str = "cpu",
    watch: Watch,
) -> tuple[Result, ...]:
    """Return one result an operator, and the error of predicting no change at all last.

    Every operator gets the same steps, batches, optimizer and schedule; seeds are reset for each.
    """
    results = [
        train_and_measure(operator, budget, pairs, test, device=device, watch=watch)
        for operator in operators
    ]
    errors, prediction = evaluate(persistence(len(test.fields)), test)
    return (*results, Result(operator=PERSISTENCE, errors=errors, prediction=prediction))


def train_and_measure(
    operator: Operator,
    budget: Budget,
    pairs: Pairs,
    test: Trajectories,
    *,
    device: str,
    watch: Watch,
) -> Result:
    """Return the row of one operator: build by name, train, roll out."""
    from wavelit_plugin.hosts.neuraloperator import training as host

    torch.manual_seed(budget.seed)
    model = host.build_model(operator.arch, pairs, operator.options)
    how = host.Training(
        learning_rate=operator.learning_rate,
        epochs=budget.epochs,
        epoch_steps=budget.epoch_steps,
        batch_size=budget.batch_size,
        seed=budget.seed,
        device=device,
    )

    def report(step: int, loss: float) -> None:
        epoch = (step - 1) // budget.epoch_steps + 1
        note = f"epoch {epoch}/{budget.epochs}, loss {loss:.3f}"
        watch(step, budget.steps, f"training {operator.name}", note)

    trained = host.train(model, pairs, how, report)
    there = replace(test, truth=test.truth.to(device), constants=test.constants.to(device))
    errors, prediction = evaluate(host.predictor(model, pairs), there)
    return Result(
        operator=operator.name,
        errors=errors,
        prediction=prediction.cpu(),
        parameters=host.parameters(model),
        learning_rate=operator.learning_rate,
        seconds=trained.seconds,
        losses=trained.losses,
    )
