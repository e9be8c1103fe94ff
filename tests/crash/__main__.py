"""`python -m tests.crash [--seeds N] [--first SEED] [--kills N] [--injuries N]`: longer searches, seed after seed."""

from __future__ import annotations

import argparse
import sys

from tests.crash import injuries, kills


def main() -> int:
    """Search; the exit code is 1 as soon as a seed has shown something."""
    parser = argparse.ArgumentParser(prog="chaos", description="kill -9 at seeded writes, flipped bits, cut and missing tails.")
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="how many seeds")
    parser.add_argument("--kills", type=int, default=2_000, metavar="N", help="crash points of each seed; half of them kill a restart, too")
    parser.add_argument("--injuries", type=int, default=2_000, metavar="N", help="injuries of each seed")
    options = parser.parse_args()
    for seed in range(options.first, options.first + options.seeds):
        half = options.kills // 2
        points = [*kills.some_points(seed, options.kills - half), *kills.some_points(seed, half, kills=2)]
        if not (shown(seed, "kills", *kills.figures(points)) and shown(seed, "injuries", *injuries.figures(seed, options.injuries))):
            return 1
    return 0


def shown(seed: int, search: str, figures: dict[str, float], told: str) -> bool:
    """Print what a search gave; whether it found nothing wrong."""
    print(f"seed {seed}, {search}: " + ", ".join(f"{name.replace('_', ' ')} {figure:,.4g}" for name, figure in figures.items()), flush=True)
    print(told, end="\n" if told else "", flush=True)
    return not told


if __name__ == "__main__":
    sys.exit(main())
