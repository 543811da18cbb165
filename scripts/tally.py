#!/usr/bin/env python3
"""Counts what scripts/test.sh ran: the cases of every GoogleTest program and of whatever else left a
JUnit file, the other tests of ctest, and the steps that run no test. Exits 1 when anything failed."""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def count(path):
    """(cases, failed) of one JUnit file, whichever dialect."""
    cases = failed = 0
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        cases += 1
        failed += case.find("failure") is not None or case.find("error") is not None
    return cases, failed


def tally(folder):
    """(cases, failed) of one step: a program that left its own file counts by its cases, and by one
    failure more when ctest saw it fail and its cases did not."""
    cases = failed = 0
    own = {}
    for path in sorted(folder.glob("*.xml")):
        if path.name != "ctest.xml":
            own[path.stem.removeprefix("test_")] = count(path)
    for case in ElementTree.parse(folder / "ctest.xml").getroot().iter("testcase"):
        lost = case.get("status") != "run"
        of_program = own.get(case.get("name"))
        if of_program is None or (lost and of_program[1] == 0):
            cases, failed = cases + 1, failed + lost
    for program in own.values():
        cases, failed = cases + program[0], failed + program[1]
    return cases, failed


def main():
    results = pathlib.Path(sys.argv[1])
    cases = failed = 0
    for line in (results / "steps.txt").read_text().splitlines():
        name, verdict = line.split()[:2]
        step = tally(results / name) if (results / name / "ctest.xml").exists() else (0, 0)
        if step[0]:
            print(f"{name}: {step[0]} tests, {step[1]} failed")
        if step[0] == 0 or (verdict == "FAILED" and step[1] == 0):
            # A step without tests is a check itself, and so is whatever else went wrong in one with tests.
            step = (step[0] + 1, step[1] + (verdict == "FAILED"))
        cases, failed = cases + step[0], failed + step[1]
    print(f"{cases - failed} passed, {failed} failed")
    return 1 if failed or not cases else 0


sys.exit(main())
