# SPDX-License-Identifier: Apache-2.0
"""report_oracle.py ROUTES.h5 REPORT.json REPORT.csv: the figures of moe_report counted again from the single tokens, naively."""
import csv
import json
import sys
from collections import Counter
from math import isclose, log, log2, sqrt

import h5py

log_file = h5py.File(sys.argv[1], "r")
with open(sys.argv[2], encoding="utf-8") as f:
    report = json.load(f)
with open(sys.argv[3], encoding="utf-8", newline="") as f:
    table = list(csv.DictReader(f))


def text(name):
    return log_file[name][0].decode().split("\n")[:-1]


def same(found, wanted, what, tolerance=1e-9):
    if not isclose(found, wanted, rel_tol=tolerance, abs_tol=1e-12):
        sys.exit(f"{what}: {found}, wanted is {wanted}")


labels, words = text("names/labels"), text("names/words")
token = {name: log_file["tokens/" + name][:].tolist() for name in log_file["tokens"]}
n = len(token["word"])
first = [experts[0] for experts in token["expert"]]
gold = [labels[i] for i in token["gold"]]
assert report["labels"] == labels and report["tokens"] == n and report["words"] == len(words)

# Evaluations: counts of the log from the tokens, and information from the tokens.
evals = log_file["evals"]
last = len(evals["epoch"]) - 1
for k in range(report["top_k"]):
    for by, column in (("by_gold", "gold"), ("by_predicted", "predicted")):
        count = Counter(zip(token[column], (experts[k] for experts in token["expert"])))
        for label in range(len(labels)):
            for expert in range(report["experts"]):
                same(report["evals"][by][last][k][label][expert], count[label, expert], by)


def entropy(things):
    count = Counter(things)
    plain = -sum(c / len(things) * log2(c / len(things)) for c in count.values())
    return plain, plain + (len(count) - 1) / (2 * len(things) * log(2))


for i in range(last + 1):
    experts = evals["first_expert"][i].tolist()
    if i == last:
        assert experts == first
    found = report["evals"]["information"]["label"][i]
    a, b, both = entropy(gold), entropy(experts), entropy(list(zip(gold, experts)))
    same(found["bits"], a[0] + b[0] - both[0], "bits")
    same(found["corrected_bits"], a[1] + b[1] - both[1], "corrected bits")
    same(found["entropy"], a[0], "entropy")
    commonest = {e: Counter(g for g, x in zip(gold, experts) if x == e).most_common(1)[0][1] for e in set(experts)}
    same(found["purity"], sum(commonest.values()) / n, "purity")
    some = [(g, e) for g, e in zip(gold, experts) if g != "O"]
    g, e, both = entropy([g for g, _ in some]), entropy([e for _, e in some]), entropy(some)
    same(report["evals"]["information"]["label of entities"][i]["corrected_bits"], g[1] + e[1] - both[1], "entities")
    agree = report["evals"]["agreement"][i]
    same(agree["same"], sum(x == y for x, y in zip(experts, first)) / n, "agreement")
    p, q = Counter(experts), Counter(first)
    same(agree["chance"], sum(p[e] * q[e] for e in p) / n / n, "chance")
shuffled = report["shuffled"]["label"]
assert abs(shuffled["corrected_bits"]) < 4 * shuffled["corrected_bits_spread"], shuffled
assert shuffled["corrected_bits_spread"] < 0.02, shuffled

# Experts: shares, labels, words.
prior = 500
everywhere = Counter(token["word"])
for expert, found in enumerate(report["by_expert"]):
    mine = [t for t in range(n) if first[t] == expert]
    same(found["first"], len(mine) / n, "share")
    weights = [w for es, ws in zip(token["expert"], token["weight"]) for e, w in zip(es, ws) if e == expert]
    same(found["weight"], sum(weights) / max(1, len(weights)), "weight", 1e-5)
    assert bool(found["dead"]) == (not weights)
    assert {x["label"]: x["count"] for x in found["labels"]} == Counter(gold[t] for t in mine)
    inside = Counter(token["word"][t] for t in mine)
    odds = {}
    for word, y in inside.items():
        a, rest = prior * everywhere[word] / n, everywhere[word] - y
        d = log((y + a) / (len(mine) + prior - y - a)) - log((rest + a) / (n - len(mine) + prior - rest - a))
        odds[words[word]] = d / sqrt(1 / (y + a) + 1 / (rest + a))
    best = sorted((z for z in odds.values() if z > 0), reverse=True)[:50]
    assert len(best) == len(found["words"]), (expert, len(best), len(found["words"]))
    for x, z in zip(found["words"], best):
        same(x["z"], z, "log-odds", 1e-6)
        same(odds[x["word"]], z, "log-odds of " + x["word"], 1e-6)

# Training: every column of the log, and every figure of the table.
for name, column in log_file["steps"].items():
    for row, (x, y) in enumerate(zip(report["steps"][name], column[:].tolist())):
        assert x == y or (x is None and y != y), (name, row, x, y)
    assert len(report["steps"][name]) == len(column)


def find(**want):
    rows = [r for r in table if all(r[name] == str(value) for name, value in want.items())]
    assert len(rows) == 1, (want, len(rows))
    return float(rows[0]["value"])


row = len(log_file["steps/step"]) - 1
for k in range(report["top_k"]):
    for expert in range(report["experts"]):
        same(find(table="steps", row=row, choice=k, expert=expert, measure="load"), log_file["steps/load"][row, k, expert], "csv load")
        same(find(table="evals", row=last, choice=k, expert=expert, **{"class": labels[1]}, measure="by_gold"),
             evals["by_gold"][last, k, 1, expert], "csv by_gold")
same(find(table="steps", row=row, measure="loss"), log_file["steps/loss"][row], "csv loss")
same(find(table="information", row=last, **{"class": "label"}, measure="corrected_bits"),
     report["evals"]["information"]["label"][last]["corrected_bits"], "csv information")
same(find(table="steps", row=row, rank=1, measure="wait_seconds"), log_file["steps/wait_seconds"][row, 1], "csv waits")
assert {r["measure"] for r in table if r["table"] == "steps"} == set(log_file["steps"]) - {"step", "epoch"}
