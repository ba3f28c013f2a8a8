"""`python -m tests.bench [--quick] [--json FILE]`: a table of figures, each beside its limit of the same run.

The load generator, the gateway and PostgreSQL share the machine. Trust ratios, not single figures: nothing is asserted.
"""

import argparse
import json
import os
import platform
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tests.bench import scenarios
from tests.bench.scenarios import Figure
from tests.bench.stage import gateway


def main() -> None:
    """Run the benchmarks and print what they measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter runs, about three minutes in all")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    seconds = 2.0 if arguments.quick else 5.0
    figures: list[Figure] = []
    # Accept alone: nothing is handed off while it is measured.
    with gateway("api") as stage:
        figures += scenarios.accepted(stage, seconds, "1 process")
    with gateway("api", "api") as stage:
        figures += scenarios.accepted(stage, seconds, "2 processes")
        figures += scenarios.bulk(stage)
    with gateway("all") as stage:
        figures += scenarios.check(stage, seconds)
        figures += scenarios.stop_latency(stage, 200 if arguments.quick else 1000, "idle", "< 50 ms")
        figures += scenarios.pipeline(stage, 1000, 2 * seconds, "1 process")
    with gateway("api", "worker") as stage:
        figures += scenarios.pipeline(stage, 3000, 3 * seconds, "api + worker")
    show(figures)
    found = [{**figure.__dict__, "ratio": figure.ratio} for figure in figures]
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    sys.stdout.write(json.dumps(found) + "\n")


def show(figures: list[Figure]) -> None:
    """Print the table."""
    table = Table(title=f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}")
    for heading in ("what", "figure", "limit in the same run", "ratio", "asked for"):
        table.add_column(heading, justify="right" if heading in {"figure", "ratio"} else "left")
    for figure in figures:
        limit = f"{figure.limit}: {figure.limit_value:,.0f}" if figure.limit_value else ""
        ratio = f"{figure.ratio:.2f}" if figure.ratio else ""
        digits = 1 if figure.unit == "ms" else 0
        table.add_row(figure.what, f"{figure.value:,.{digits}f} {figure.unit}", limit, ratio, figure.target)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
