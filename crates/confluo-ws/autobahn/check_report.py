"""Fails unless every case of a report is passed: `check_report.py reports/index.json`."""

from __future__ import print_function

import json
import sys

PASSED = {"OK", "NON-STRICT", "INFORMATIONAL"}
# Fewer than this would mean that the suite did not run to its end (301 cases without compression).
LEAST_CASES = 300

with open(sys.argv[1]) as report:
    agents = json.load(report)
cases = {case: result for results in agents.values() for case, result in results.items()}
failed = {
    case: result
    for case, result in cases.items()
    if result["behavior"] not in PASSED or result["behaviorClose"] not in PASSED
}
for case, result in sorted(failed.items()):
    print("{}: {}, close {}".format(case, result["behavior"], result["behaviorClose"]))
counts = {}
for result in cases.values():
    counts[result["behavior"]] = counts.get(result["behavior"], 0) + 1
print("{} cases: {}".format(len(cases), ", ".join("{} {}".format(counts[key], key) for key in sorted(counts))))
sys.exit(1 if failed or len(cases) < LEAST_CASES else 0)
