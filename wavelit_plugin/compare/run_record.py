"""The record of one finished run, and its plain form in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from wavelit_plugin.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Energy by shell of wave numbers, of one-step predictions of normalised fields.

    Attributes:
        wavenumber: waves across the domain.
        truth: energy of the true fields, mean over samples and fields.
        prediction: of the predicted ones; None where it is not finite.
        error: of their difference.
    """

    wavenumber: tuple[float, ...]
    truth: tuple[float | None, ...]
    prediction: tuple[float | None, ...]
    error: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One finished run.

    Attributes:
        operator: name of the operator.
        label: the same, with ``:CRITERION`` where it is not the mean squared error.
        criterion: of training; "mse" or a name of ``plugins.criteria``.
        learning_rate: largest one; None where nothing is trained step by step.
        seed: of the weights and of the order of the batches.
        width: that it was built with; None is its native size.
        parameters: trained numbers, a complex one counts as two.
        steps: optimizer steps that were done.
        training_seconds: of training alone, without evaluation.
        step_seconds: median of a step; None without steps.
        inference_seconds: of one sample, at the training batch size.
        peak_bytes: temporary memory of one training step (forward and backward).
        flops: of one sample forward as torch counts them, FFTs left out.
        validation: one-step VRMSE on validation data, which the learning rate is chosen by.
        curve: (step, training seconds, training loss), at most 100 points.
        one_step: VRMSE on test data, mean over samples and fields.
        relative_l2: the same as ||error|| / ||truth||, mean over samples.
        fields: one-step VRMSE of each field.
        rollout: VRMSE of each step of the roll-outs; None for static data.
        spectrum: of the one-step predictions.
        diverged: the loss or the validation error became infinite or NaN.
        run_seconds: of the whole run, measurements included.
        settings: key of what all runs of a comparison have in common.
    """

    operator: str
    label: str
    criterion: str
    learning_rate: float | None
    seed: int
    width: int | None
    parameters: int
    steps: int
    training_seconds: float
    step_seconds: float | None
    inference_seconds: float
    peak_bytes: int | None
    flops: float | None
    validation: float | None
    curve: tuple[tuple[int, float, float], ...]
    one_step: float | None
    relative_l2: float | None
    fields: Mapping[str, float | None]
    rollout: tuple[float | None, ...] | None
    spectrum: Spectrum | None
    diverged: bool
    run_seconds: float
    settings: str

    def as_plain(self) -> dict[str, Any]:
        """Return plain types for JSON; ``from_plain`` inverts."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> RunRecord:
        """Read what ``as_plain`` returned; keys of later versions are left out.

        Raises:
            DataError: a key is missing.
        """
        names = [entry.name for entry in fields(cls)]
        missing = [name for name in names if name not in plain]
        if missing:
            raise DataError(f"a run lacks {', '.join(missing)}; delete its line and start again")
        values = {name: plain[name] for name in names}
        values["curve"] = tuple((int(n), float(s), float(e)) for n, s, e in plain["curve"])
        if plain["rollout"] is not None:
            values["rollout"] = tuple(plain["rollout"])
        if plain["spectrum"] is not None:
            values["spectrum"] = Spectrum(**{k: tuple(v) for k, v in plain["spectrum"].items()})
        return cls(**values)
