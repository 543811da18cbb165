#!/usr/bin/env python3
"""Counts what scripts/test.sh ran: the cases of every GoogleTest program and of whatever else left a
JUnit file, the other tests of ctest, and the steps that run no test. Exits 1 when anything failed."""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def count(path):
    """(passed, failed, skipped) of one JUnit file, whichever dialect."""
    passed = failed = skipped = 0
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        fails = case.find("failure") is not None or case.find("error") is not None
        skips = not fails and (case.find("skipped") is not None or case.get("result") == "skipped")
        failed, skipped, passed = failed + fails, skipped + skips, passed + (not fails and not skips)
    return passed, failed, skipped


def verdict_of_ctest(case):
    if case.get("status") == "run":
        return 1, 0, 0
    return (0, 0, 1) if case.find("skipped") is not None else (0, 1, 0)


def add(a, b):
    return tuple(x + y for x, y in zip(a, b))


def tally(folder):
    """(passed, failed, skipped) of one step: a program that left its own file counts by its cases, and by one
    failure more when ctest saw it fail and its cases did not."""
    own = {}
    for path in sorted(folder.glob("*.xml")):
        if path.name != "ctest.xml":
            own[path.stem.removeprefix("test_")] = count(path)
    total = (0, 0, 0)
    for case in ElementTree.parse(folder / "ctest.xml").getroot().iter("testcase"):
        verdict = verdict_of_ctest(case)
        of_program = own.get(case.get("name"))
        if of_program is None or (verdict[1] and of_program[1] == 0):
            total = add(total, verdict)
    for program in own.values():
        total = add(total, program)
    return total


def main():
    results = pathlib.Path(sys.argv[1])
    total = (0, 0, 0)
    for line in (results / "steps.txt").read_text().splitlines():
        name, verdict = line.split()[:2]
        step = tally(results / name) if (results / name / "ctest.xml").exists() else (0, 0, 0)
        if any(step):
            print(f"{name}: {sum(step)} tests, {step[1]} failed, {step[2]} skipped")
        if verdict == "FAILED" and step[1] == 0:
            step = add(step, (0, 1, 0))  # whatever else went wrong in it
        elif not any(step):
            step = (1, 0, 0)  # a step without tests is a check itself
        total = add(total, step)
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] or not total[0] else 0


sys.exit(main())
