"""Random programs, each from one source of chance."""

from __future__ import annotations

from random import Random

from tests.sim.programs import NAMES, PARTINGS, QUESTIONS, Part
from tests.sim.steps import STEPS


class Maker:
    """Makes one random program."""

    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.keys = 0
        self.is_alone = False
        """What is being made is a child's: it must not wait for ever for what no client sends."""

    def program(self) -> Part:
        """One life, or several, each of which has at least one step."""
        if self.dice.random() < 0.75:
            return self.life(4)
        return ["lives", *(["seq", self.step(), *self.life(2)[1:], *self.haste()] for _ in range(self.dice.randrange(2, 5)))]

    def haste(self) -> list[Part]:
        """Perhaps a race at the end of a life, whose loser still tidies up when the next has begun."""
        if self.dice.random() < 0.5:
            return []
        self.keys += 2
        return [["any", ["nap", self.pace(500), f"n{self.keys - 1}"], ["do", "linger", f"k{self.keys}", self.pace(3000), 0]]]

    def life(self, longest: int) -> Part:
        return ["seq", *(self.part(2) for _ in range(self.dice.randrange(1, longest + 1)))]

    def part(self, depth: int) -> Part:  # noqa: PLR0912 - one case for each word of the little language
        dice = self.dice
        kinds = ["do", "do", "do", "do", "must", "nap", "pick", "pick", "roll", "ask", *(() if self.is_alone else ("take",))]
        if depth:
            kinds += ["seq", "seq", "all", "all", "any", "any", "limit", "limit", "group", "tidy", "child", "spawn", "mend", "mend", "mend"]
        match kind := dice.choice(kinds):
            case "do":
                return self.step()
            case "nap":
                self.keys += 1
                return ["nap", self.pace(40_000), f"n{self.keys}"]
            case "must":
                self.keys += 1
                return ["must", f"m{self.keys}", self.pace(3000), dice.choice((0, 0, 1, 1, 2))]
            case "mend":
                return ["mend", self.part(depth - 1), self.part(depth - 1)]
            case "take":
                return ["take", dice.choice(NAMES)]
            case "pick":
                return ["pick", self.pace(20_000), *dice.sample(NAMES, dice.randrange(1, 3))]
            case "ask":
                self.keys += 1
                return ["ask", dice.choice(QUESTIONS), self.pace(20_000) if self.is_alone or dice.random() < 0.7 else 0, f"q{self.keys}"]
            case "roll":
                return ["roll"]
            case "child":
                return ["child", dice.choice(PARTINGS), self.alone(depth - 1)]
            case "spawn":
                return ["spawn", dice.choice(PARTINGS), self.alone(depth - 1), self.part(depth - 1)]
            case "limit":
                return ["limit", self.pace(8000), self.part(depth - 1)]
            case "tidy":
                return ["tidy", self.part(depth - 1), self.step()]
            case _:
                return [kind, *(self.part(depth - 1) for _ in range(dice.randrange(1, 4)))]

    def alone(self, depth: int) -> Part:
        """A program for a child, to which no client sends anything."""
        before, self.is_alone = self.is_alone, True
        part = self.part(depth) if self.dice.random() < 0.8 else ["lives", *(["seq", self.step(), self.part(0)] for _ in range(2))]
        self.is_alone = before
        return part

    def step(self) -> Part:
        self.keys += 1
        fails = self.dice.choice((0, 0, 0, 1, 2, 5))
        return ["do", self.dice.choice(tuple(STEPS)), f"k{self.keys}", self.pace(3000) if self.dice.random() < 0.7 else 0, fails]

    def pace(self, longest: int) -> int:
        """Milliseconds: short ones are as likely as long ones."""
        return round(float(longest ** self.dice.random()))


def signals_needed(part: Part) -> dict[str, int]:
    """How many signals of each name the program can take at most."""
    needed: dict[str, int] = dict.fromkeys(NAMES, 0)
    stack = [part]
    while stack:
        match stack.pop():
            case ["take", name]:
                needed[name] += 1
            case ["pick", _, *names]:
                for name in names:
                    needed[name] += 1
            case ["child", *_]:
                continue
            case ["spawn", _, _, meanwhile]:
                stack.append(meanwhile)
            case [_, *inner]:
                stack.extend(one for one in inner if isinstance(one, list))  # pyright: ignore[reportUnknownArgumentType]
            case _:
                continue
    return needed
