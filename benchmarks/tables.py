"""Write the tables of README.md from the results.

    python -m benchmarks.tables [--check]

A benchmark adds its columns to TABLES, and to README.md a pair of marker lines:
``<!-- results: NAME -->`` and ``<!-- end of results: NAME -->``.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import RESULTS

README = Path(__file__).parent / "README.md"


@dataclass(frozen=True)
class Column:
    """A column: its heading, the key in a record, and how a number is written."""

    heading: str
    key: str
    scale: float = 1.0
    form: str = "{:.3g}"

    def cell(self, record: Mapping[str, Any]) -> str:
        value = record[self.key]
        if value is None:
            return "-"
        return (
            self.form.format(value * self.scale) if isinstance(value, float | int) else str(value)
        )


PDEARENA = (
    Column("operator", "operator"),
    Column("parameters", "parameters_count", 1, "{:,.0f}"),
    Column("learning rate", "learning_rate"),
    Column("seeds", "seeds_count"),
    Column("one step, scaled L2", "one_step_scaledl2"),
    Column("one step, MSE", "one_step_mse"),
    Column("roll-out", "unrolled_loss_mean"),
    Column("VRMSE scalar", "vrmse_scalar"),
    Column("VRMSE x", "vrmse_vector_x"),
    Column("VRMSE y", "vrmse_vector_y"),
    Column("ms a step", "step_seconds", 1e3),
)

COMPARE = (
    Column("operator", "operator"),
    Column("parameters", "parameters_count", 1, "{:,.0f}"),
    Column("learning rate", "learning_rate"),
    Column("seeds", "seeds_count"),
    Column("steps done", "steps_count", 1, "{:.0f}"),
    Column("one step", "vrmse_one_step"),
    Column("95 % half width", "vrmse_one_step_half_width"),
    Column("one step / ours", "one_step_over_ours_ratio"),
    Column("steps 1-10", "vrmse_steps_1_10"),
    Column("steps 1-10 / ours", "steps_1_10_over_ours_ratio"),
    Column("step 10", "vrmse_step_10"),
    Column("step 10 / ours", "step_10_over_ours_ratio"),
)

EQUAL_ERROR = (
    Column("operator", "operator"),
    Column("parameters", "parameters_count", 1, "{:,.0f}"),
    Column("one step", "vrmse_one_step"),
    Column("trained, s", "training_seconds"),
    Column("ours to that error, s", "ours_training_seconds"),
    Column("training / ours", "training_over_ours_ratio"),
    Column("parameters of ours", "ours_parameters_count", 1, "{:,.0f}"),
    Column("step / ours", "step_over_ours_ratio"),
    Column("inference / ours", "inference_over_ours_ratio"),
    Column("at least", "at_least"),
)

COMPARE_DATA = (Column("data set", "data"), *(c for c in COMPARE if "step_10_" not in c.key))

STABILITY = (
    Column("operator", "operator"),
    Column("recipe", "recipe"),
    Column("roll-out", "rollout"),
    Column("parameters", "parameters_count", 1, "{:,.0f}"),
    Column("seeds", "seeds_count"),
    Column("finite", "finite_count"),
    Column("one step", "vrmse_one_step"),
    Column("steps 1-10", "vrmse_steps_1_10"),
    Column("11-30", "vrmse_steps_11_30"),
    Column("31-60", "vrmse_steps_31_60"),
    Column("61-100", "vrmse_steps_61_100"),
    Column("last", "vrmse_last_step"),
    Column("largest / truth", "largest_over_truth_ratio"),
)

TABLES: dict[str, tuple[Column, ...]] = {
    "pdearena-flow": PDEARENA,
    "pdearena-waves": PDEARENA,
    "pdearena-shallow": PDEARENA,
    "pdearena-cond": PDEARENA,
    "pyramid": (
        Column("variant", "variant"),
        Column("axes", "ndim"),
        Column("points an axis", "size"),
        Column("seconds", "median_seconds"),
        Column("time / 1 scale", "to_single_scale_ratio"),
        Column("peak MB", "peak_bytes", 1e-6),
        Column("peak / 1 scale", "peak_to_single_scale_ratio"),
    ),
    "stability-wall": STABILITY,
    "stability-periodic": STABILITY,
    "compare-waves": COMPARE,
    "compare-elliptic": COMPARE,
    "compare-flow": COMPARE,
    "compare-helmholtz": COMPARE,
    "compare-the-well": COMPARE_DATA,
    "compare-ten-million": COMPARE_DATA,
    "equal-error-waves": EQUAL_ERROR,
    "equal-error-flow": EQUAL_ERROR,
    "darcy-limit": (
        Column("contrast of the coefficient", "contrast_ratio"),
        Column("VRMSE", "vrmse"),
        Column("relative L2", "relative_l2"),
    ),
    "transfer-small": (
        Column("data set", "data_set"),
        Column("persistence", "vrmse_one_step_persistence"),
        Column("bespoke", "vrmse_one_step_bespoke"),
        Column("bespoke, tuned", "vrmse_one_step_bespoke_tuned"),
        Column("joint", "vrmse_one_step_joint"),
        Column("joint, tuned", "vrmse_one_step_joint_tuned"),
        Column("left out", "vrmse_one_step_left_out"),
        Column("left out, tuned", "vrmse_one_step_left_out_tuned"),
        Column("waves, tuned", "vrmse_one_step_waves_tuned"),
        Column("flows, tuned", "vrmse_one_step_flows_tuned"),
    ),
    "dwt": (
        Column("wavelet", "wavelet"),
        Column("levels", "levels_count"),
        Column("grid", "space"),
        Column("threads", "threads_count"),
        Column("package", "package"),
        Column("ms", "median_seconds", 1e3),
        Column("time / ours", "time_over_ours_ratio"),
        Column("time / two copies", "time_over_two_copies_ratio"),
        Column("peak MiB", "peak_bytes", 2**-20),
        Column("peak / ours", "peak_over_ours_ratio"),
        Column(
            "coefficients differ by", "coefficients_difference_over_deviation_ratio", 1, "{:.0e}"
        ),
        Column("round trip errs by", "round_trip_error_over_deviation_ratio", 1, "{:.0e}"),
    ),
    "accuracy-acoustics": (
        Column("operator", "operator"),
        Column("parameters", "parameters_count", 1, "{:,.0f}"),
        Column("learning rate", "learning_rate"),
        Column("one step", "vrmse_one_step"),
        Column("steps 1-5", "vrmse_steps_1_5"),
        Column("steps 6-10", "vrmse_steps_6_10"),
        Column("steps 1-10", "vrmse_steps_1_10"),
        Column("steps 11-20", "vrmse_steps_11_20"),
    ),
    "accuracy-darcy": (
        Column("operator", "operator"),
        Column("parameters", "parameters_count", 1, "{:,.0f}"),
        Column("learning rate", "learning_rate"),
        Column("relative L2 at 16", "relative_l2_at_16"),
        Column("relative L2 at 32", "relative_l2_at_32"),
    ),
    "training-step": (
        Column("call", "call"),
        Column("axes", "ndim"),
        Column("grid", "size"),
        Column("batch", "batch"),
        Column("operator", "operator"),
        Column("parameters", "parameters_count", 1, "{:,.0f}"),
        Column("operations", "operations_count"),
        Column("ms", "median_seconds", 1e3),
        Column("time / FNO", "to_fno_ratio"),
        Column("of the card's products", "product_rate_ratio", 1, "{:.2%}"),
        Column("peak MiB", "peak_bytes", 2**-20),
        Column("peak / FNO", "peak_to_fno_ratio"),
    ),
    "token-scaling": (
        Column("grid", "size"),
        Column("tokens", "tokens_count", 1, "{:,.0f}"),
        Column("ms", "median_seconds", 1e3),
        Column("peak MiB", "peak_bytes", 2**-20),
    ),
    "autoload-cost": (
        Column("installation", "installation"),
        Column("ours, us", "ours_median_seconds", 1e6, "{:.0f}"),
        Column("empty, us", "empty_median_seconds", 1e6, "{:.0f}"),
        Column("difference, us", "difference_seconds", 1e6, "{:.0f}"),
        Column("ours / import torch", "ours_over_import_torch_ratio", 1, "{:.4%}"),
    ),
}


def markdown_table(columns: Sequence[Column], records: Sequence[Mapping[str, Any]]) -> str:
    """Return the records as a table in markdown."""
    rows = [[column.cell(record) for column in columns] for record in records]
    lines = [[column.heading for column in columns], ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def section(benchmark: str) -> str:
    """Return the tables of one benchmark, one for each hardware it ran on."""
    files = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    found = [content for content in files if content["benchmark"] == benchmark]
    return "\n\n".join(
        f"{_title(c)}\n\n{markdown_table(TABLES[benchmark], c['records'])}" for c in found
    )


def with_tables(text: str) -> str:
    """Return the README's text with every section between markers made anew."""
    for benchmark in TABLES:
        first, last = f"<!-- results: {benchmark} -->", f"<!-- end of results: {benchmark} -->"
        before, start, rest = text.partition(first)
        _, end, after = rest.partition(last)
        if not (start and end):
            raise ValueError(f"README.md must hold the lines {first} and {last}; add them")
        text = f"{before}{first}\n\n{section(benchmark)}\n\n{last}{after}"
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the tables of README.md from the results.")
    parser.add_argument("--check", action="store_true", help="only say whether they are up to date")
    check = parser.parse_args().check
    old = README.read_text()
    new = with_tables(old)
    if check:
        return int(new != old)
    partial = README.with_suffix(".partial")
    partial.write_text(new)
    partial.replace(README)
    return 0


def _title(content: Mapping[str, Any]) -> str:
    machine = content["hardware"]
    packages = ", ".join(f"{name} {number}" for name, number in content["versions"].items())
    memory = machine["memory_bytes"] / 2**30
    return (
        f"**{machine['name']}** ({machine['cores_count']} cores, {memory:.0f} GiB), "
        f"{content['date']}: {packages}"
    )


if __name__ == "__main__":
    sys.exit(main())
