#!/usr/bin/env python3
"""Reads a JUnit report of ctest and prints passed, failed and the failed names, separated by tabs."""
import sys
import xml.etree.ElementTree as tree

cases = tree.parse(sys.argv[1]).getroot().findall("testcase")
if not cases:
    sys.exit("the report names no test")
skipped = [case.get("name") for case in cases if case.get("status") in ("notrun", "disabled") and case.find("failure") is None]
failed = [case.get("name") for case in cases if case.get("status") == "fail" or case.find("failure") is not None]
for name in skipped:
    print(f"   skipped: {name}", file=sys.stderr)
print(len(cases) - len(failed) - len(skipped), len(failed), ", ".join(failed), sep="\t")
