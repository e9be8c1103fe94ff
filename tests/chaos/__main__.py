"""`python -m tests.chaos [--seeds N] [--first SEED] [--runs N] [--faults N]`: chaos over NATS, seed after seed."""

from __future__ import annotations

import argparse
import sys

from tests.chaos import faults, playing


def main() -> int:
    """Play; the exit code is 1 as soon as a seed has broken a promise."""
    parser = argparse.ArgumentParser(prog="chaos", description="Servers and workers killed, frozen, cut off, slow and full, under load.")
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="how many seeds")
    parser.add_argument("--runs", type=int, default=5_000, metavar="N", help="runs of each seed, at least")
    parser.add_argument("--faults", type=int, default=300, metavar="N", help="faults of each seed")
    options = parser.parse_args()
    if missing := faults.tools_missing():
        print(f"this machine has no {', '.join(missing)}: install it, it makes disks slow", file=sys.stderr)
        return 2
    for seed in range(options.first, options.first + options.seeds):
        figures, told = playing.figures(seed, options.faults, options.runs)
        print(f"seed {seed}: " + ", ".join(f"{name.replace('_', ' ')} {figure:,.4g}" for name, figure in figures.items()), flush=True)
        print(told, end="\n" if told else "", flush=True)
        if told:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
