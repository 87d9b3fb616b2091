"""Turns the lines that scripts/bench recorded into Markdown tables."""

import json
import statistics

from scenarios import BOUNDS, BY_NAME, SCENARIOS

DISTURBED = 0.1  # share of the time that a side waited for its core
INTEGRITY = ("losses", "duplicates", "reordered", "too_old", "misrouted", "malformed", "disconnects", "stalls")


def read_lines(path):
    with open(path) as lines:
        records = [json.loads(line) for line in lines if line.strip()]
    return records[0], records[1:]


def pick(report, path):
    for key in path:
        report = report.get(key) if isinstance(report, dict) else None
    return report


def faults(record):
    """What was wrong with a run, as words."""
    if "error" in record:
        return [record["error"]]
    report = record["report"]
    found = [f"{key} {report['integrity'][key]}" for key in INTEGRITY if report.get("integrity", {}).get(key)]
    for key in ("failures", "disconnects"):
        if report.get(key):
            found.append(f"{key} {report[key]}")
    return found


def is_disturbed(record):
    report = record.get("report", {})
    return any((pick(report, (side, "runq_wait_share")) or 0) > DISTURBED for side in ("server", "generator"))


class Row:
    """The rounds of one server in one scenario. Where there are undisturbed rounds, only they count."""

    def __init__(self, scenario, records):
        self.scenario = scenario
        self.faults = sorted({fault for record in records for fault in faults(record)})
        good = [record for record in records if "report" in record]
        calm = [record for record in good if not is_disturbed(record)]
        self.disturbed = bool(good) and not calm
        self.used = calm or good
        value = self.median(*scenario.metric.path)
        self.value = value * scenario.metric.scale if value is not None else None

    def median(self, *path):
        values = [v for v in (pick(record["report"], path) for record in self.used) if v is not None]
        return statistics.median(values) if values else None

    def remarks(self):
        return "; ".join((["disturbed"] if self.disturbed else []) + self.faults)


def collect(records):
    """{scenario name: {server name: Row}}, both in the order in which they ran."""
    grouped = {}
    for record in records:
        grouped.setdefault(record["scenario"], {}).setdefault(record["server"], []).append(record)
    return {name: {server: Row(BY_NAME[name], runs) for server, runs in servers.items()}
            for name, servers in grouped.items() if name in BY_NAME}


def number(value, digits=3):
    if value is None:
        return ""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def ratio(row, other):
    return number(row.value / other.value) if row and other and row.value and other.value else ""


def table(header, rows):
    return ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header), *("| " + " | ".join(row) + " |" for row in rows), ""]


def scenario_table(rows, titles):
    metric = next(iter(rows.values())).scenario.metric
    header = ["server", metric.title, "/ plain Beast", "/ least", "user share", "rounds", "remarks"]
    deliveries = metric.path[-1] == "ns_per_delivery"
    if deliveries:
        header[5:5] = ["deliveries/s", "per read"]
    out = []
    order = 1 if metric.lower_is_better else -1
    for name, row in sorted(rows.items(), key=lambda item: (item[1].value is None, order * (item[1].value or 0))):
        line = [titles.get(name, name), number(row.value), ratio(row, rows.get("beast")), ratio(row, rows.get("floor")),
                number(row.median("server", "user_share"), 2), str(len(row.used)), row.remarks()]
        if deliveries:
            line[5:5] = [number(row.median("deliveries_per_s")), number(row.median("deliveries_per_read"))]
        out.append(line)
    return table(header, out)


def bound_rows(results):
    """(what, measured, allowed, holds) for each bound that this run can judge."""
    for bound in BOUNDS:
        rows = results.get(bound.scenario, {})
        own = rows.get(bound.server)
        if not own or not own.value:
            continue
        metric = own.scenario.metric
        if bound.absolute:
            measured, what = own.value, metric.title
        elif bound.other_scenario:
            other = results.get(bound.other_scenario, {}).get(bound.server)
            if not other or not other.value:
                continue
            measured, what = own.value / other.value, f"{metric.title}, against {bound.other_scenario}"
        else:
            others = {n: rows[n] for n in bound.against if n in rows and rows[n].value and not rows[n].faults}
            if not others:
                continue
            best = (min if metric.lower_is_better else max)(others, key=lambda n: others[n].value)
            measured, what = own.value / others[best].value, f"{metric.title}, against {best}"
        holds = measured <= bound.factor if metric.lower_is_better else measured >= bound.factor
        what += f", {bound.server}" if bound.server != "troupe" else ""
        what += " (disturbed)" if own.disturbed else ""
        yield bound.scenario, what, measured, bound.factor, metric.lower_is_better, holds


def bounds_table(results):
    rows = [[scenario, what, number(measured), ("at most " if lower else "at least ") + f"{allowed:g}", "yes" if holds else "**no**"]
            for scenario, what, measured, allowed, lower, holds in bound_rows(results)]
    return ["### Bounds", "", *table(["scenario", "Troupe's", "measured", "bound", "holds"], rows)] if rows else []


def markdown(header, records):
    results = collect(records)
    out = [f"Measured {header['date']} on {header['machine']}, {header['kernel']}; commit {header['commit']}.",
           f"{header['rounds']} round(s) of {header['seconds']:g} s after {header['warmup']:g} s of warm-up, in turns; medians.",
           "Server on core 0, generator on core 1" + (", in a network namespace of their own." if header["namespace"] else ".")]
    out += ["", "Command: `" + header["command"] + "`", ""]
    out += table(["server", "version", "started as"],
                 [[s["title"], s["version"], "`" + s["command"] + "`"] for s in header["servers"].values()])
    out += bounds_table(results)
    titles = {name: server["title"] for name, server in header["servers"].items()}
    for scenario in SCENARIOS:
        if scenario.name not in results:
            continue
        out += [f"### {scenario.name}: {scenario.title}", ""]
        out += ["`" + scenario.command + "`", ""]
        out += scenario_table(results[scenario.name], titles)
    micro = [record for record in records if record["scenario"] == "micro"]
    if micro:
        out += ["### micro: parts of the library", "", "`build/release/bin/bench micro`", ""]
        lines = {}
        for record in micro:
            for line in record.get("lines", []):
                lines.setdefault(line["name"], []).append(line["ns"])
        out += table(["what", "ns"], [[name, number(statistics.median(values))] for name, values in lines.items()])
    return "\n".join(out).rstrip() + "\n"
