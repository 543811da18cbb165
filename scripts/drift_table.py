#!/usr/bin/env python3
"""How far training drifts from Keras's, summed up: Markdown from the JUnit files that tests/interop leaves in
LAMINA_RESULTS, one folder for each run of the tests (scripts/test.sh leaves build/results/interop).
    scripts/drift_table.py FOLDER... >tests/interop/drift.md"""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree

INTRODUCTION = """\
# How far training drifts from Keras's

The largest relative difference between Lamina's loss and that of Keras (on JAX, on a CPU) at any step of a training
run, from equal weights and on equal batches, both drawn anew in every run: "2e-7 of 3" is the largest of three runs,
and an empty cell was not measured. Beyond what [`tolerances.py`](tolerances.py) has in `TRAINING`, the tests fail.

Both libraries round after every operation and sum in orders of their own: this is what training makes of it. Models
and learning rates are those of [`test_fit.py`](test_fit.py), [`test_fit_efficientnet.py`](test_fit_efficientnet.py)
(images of 64x64) and [`test_mixed_precision.py`](test_mixed_precision.py). Options of optimizers keep to the same
tolerance ([`test_optimizer_variants.py`](test_optimizer_variants.py)).

To make it again: `LAMINA_RESULTS=FOLDER ctest --test-dir build/release -R 'interop_(fit|mixed)'`, a folder a run, then
`scripts/drift_table.py FOLDER... >tests/interop/drift.md`.\
"""
KEYS = ("policy", "steps", "model", "optimizer")


def drifts(folders):
    """{values of KEYS: [drift of each run]}."""
    found = {}
    for folder in folders:
        for path in sorted(pathlib.Path(folder).glob("*.xml")):
            for case in ElementTree.parse(path).getroot().iter("testcase"):
                properties = {p.get("name"): p.get("value") for p in case.iter("property")}
                if "drift" in properties:
                    found.setdefault(tuple(properties[k] for k in KEYS), []).append(float(properties["drift"]))
    return found


def different(values):
    """In the order of their first appearance."""
    return list(dict.fromkeys(values))


def main():
    found = drifts(sys.argv[1:])
    if not found:
        sys.exit("No test in these folders has recorded how far it drifts.")
    print(INTRODUCTION)
    for policy, steps in different(key[:2] for key in found):
        here = {key[2:]: runs for key, runs in found.items() if key[:2] == (policy, steps)}
        models = different(model for model, _ in here)
        print(f"\n| {policy}, {steps} steps | {' | '.join(models)} |\n|---|{'---|' * len(models)}")
        for optimizer in different(optimizer for _, optimizer in here):
            cells = [here.get((model, optimizer)) for model in models]
            print(f"| {optimizer} | {' | '.join(f'{max(runs):.1e} of {len(runs)}' if runs else '' for runs in cells)} |")


main()
