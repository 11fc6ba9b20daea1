#!/usr/bin/env python3
"""Two stores sell real baskets through an outage; headquarters must get every sale exactly once.

Starts mosquitto, a headquarters and two nodes, plays the baskets of two stores with 8 tills each, and meanwhile
  - cuts the nodes' link for the middle third of the baskets,
  - kills the broker with SIGKILL twice (once while selling, once while the backlog drains) and starts it again,
  - kills headquarters with SIGKILL once while the backlog drains and starts it again.
Then it computes every site's total for every day from the CSV file, with nothing of the project's code, and compares
them with what headquarters says, to the cent; and counts the sales, none missing and none twice.

Everything listens on 127.0.0.1. Needs: mosquitto; the binary in the variable FINALMARKET.
"""

import argparse
import collections
import csv
import decimal
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from company import DEADLINE_S, ROOT, Api, Broker, Link, Processes, Wrong, free_port, until


def main() -> int:
    options = parse_arguments()
    sites = sorted({row["site"] for row in rows(options.baskets)})
    folder = pathlib.Path(tempfile.mkdtemp(prefix="finalmarket-outage-"))
    processes = Processes(options.binary, folder)
    try:
        run(options, sites, folder, processes)
        return 0
    except Wrong as wrong:
        print(f"FAILED: {wrong}\nlogs are in {folder}", file=sys.stderr)
        options.keep = True
        return 1
    finally:
        processes.stop_all()
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="holds catalog.csv, stock.csv and baskets.csv")
    parser.add_argument("--broker", choices=["stock", "project"], default="project",
                        help="mosquitto with its defaults, or with the project's own configuration")
    parser.add_argument("--tills", type=int, default=8)
    parser.add_argument("--keep", action="store_true", help="leave the working folder behind")
    options = parser.parse_args()
    options.baskets = options.folder / "baskets.csv"
    options.binary = os.environ.get("FINALMARKET") or str(ROOT / "target" / "release" / "finalmarket")
    return options


def run(options, sites, folder, processes) -> None:
    expected = totals_of_file(options.baskets)
    count = sum(sales for sales, _ in expected.values())
    print(f"{count} baskets of {', '.join(sites)}; broker with {options.broker} configuration")

    broker = Broker(processes, folder, options.broker)
    accounts = {user: broker.credentials(user) for user in ["hq", *sites]}
    broker.start()
    # The nodes reach the broker through these, headquarters reaches it directly.
    links = {site: Link(broker.port) for site in sites}
    hq = processes.start("hq", "hq", "--data", folder / "hq", "--listen", f"127.0.0.1:{free_port()}",
                         "--broker", f"127.0.0.1:{broker.port}", *accounts["hq"])
    for site in sites:
        processes.start(site, "node", "--data", folder / site, "--node", site, "--site", site,
                        "--listen", f"127.0.0.1:{free_port()}", "--broker", f"127.0.0.1:{links[site].port}",
                        *prices(), *accounts[site])
    processes.command("import", "catalog", options.folder / "catalog.csv", "--to", folder / "hq")
    hq = Api(folder / "hq")
    nodes = {site: Api(folder / site) for site in sites}
    items = sum(1 for _ in rows(options.folder / "catalog.csv"))
    for site in sites:
        until(f"{site} has the catalog", lambda: nodes[site].get("/v1/status")["items"] == items)
        processes.command("import", "stock", options.folder / "stock.csv", "--to", folder / site)

    third = (count + 2) // 3
    print(f"first third: the link is up; the broker is killed")
    replay = replay_of(options, sites, folder, 0, third)
    until("the first sales are at headquarters", lambda: hq_sales(hq) > 0 or replay.poll() is not None)
    broker.kill_and_start()
    finish(replay)

    print("middle third: the link is cut")
    for link in links.values():
        link.cut()
    at_cut = hq_sales(hq)
    finish(replay_of(options, sites, folder, third, third))
    pending = {site: nodes[site].get("/v1/sync")["pending"] for site in sites}
    print(f"  headquarters had {at_cut} sales; pending at the nodes: {pending}")
    if not all(pending.values()):
        raise Wrong(f"nothing is pending while the link is cut: {pending}")

    print("last third: the link is mended; headquarters and the broker are killed while the backlog drains")
    replay = replay_of(options, sites, folder, 2 * third, count)
    for link in links.values():
        link.mend()
    until("the backlog begins to drain", lambda: hq_sales(hq) > at_cut)
    processes.kill_and_start("hq")
    hq = Api(folder / "hq")
    broker.kill_and_start()
    finish(replay)
    mended = time.monotonic()

    until("headquarters has everything", lambda: complete(hq, nodes))
    print(f"  the figures met {time.monotonic() - mended:.1f} s after the last sale")
    compare(expected, hq)
    for site in sites:
        processes.command("verify", "--data", folder / site)
    print(f"every total of {len(expected)} site days equals the file's to the cent; "
          f"{count} sales, none missing and none twice")


def prices() -> list:
    """The files' prices contain tax at 0 %, in dollars."""
    return ["--currency", "USD", "--tax", "standard=0", "--tax-basis", "included"]


def rows(file: pathlib.Path):
    with open(file, newline="", encoding="utf-8") as source:
        yield from csv.DictReader(source)


def totals_of_file(file: pathlib.Path) -> dict:
    """(site, day) -> (sales, total)."""
    cents = decimal.Decimal("0.01")
    totals = collections.defaultdict(decimal.Decimal)
    baskets = collections.defaultdict(set)
    for row in rows(file):
        key = (row["site"], row["at"][:10])
        amount = (decimal.Decimal(row["quantity"]) * decimal.Decimal(row["unit_price"]))
        amount = amount.quantize(cents, rounding=decimal.ROUND_HALF_UP)
        totals[key] += amount - decimal.Decimal(row["discount"] or "0")
        baskets[key].add(row["basket"])
    return {key: (len(baskets[key]), totals[key]) for key in totals}


def hq_sales(api) -> int:
    try:
        return sum(day["sales"] for day in all_totals(api))
    except OSError:
        return 0


def all_totals(api) -> list:
    """Every site's every day, page by page."""
    days, cursor = [], None
    while True:
        page = api.get("/v1/totals?limit=500" + (f"&cursor={cursor}" if cursor else ""))
        days += page["totals"]
        cursor = page.get("next_cursor")
        if not cursor:
            return days


def complete(hq, nodes) -> bool:
    try:
        if any(node.get("/v1/sync")["pending"] for node in nodes.values()):
            return False
        return all(node["pending"] == 0 for node in hq.get("/v1/nodes")["nodes"])
    except OSError:
        return False


def compare(expected: dict, hq) -> None:
    found = {(day["site"], day["business_day"]): (day["sales"], decimal.Decimal(day["total"]))
             for day in all_totals(hq)}
    different = {key: (expected.get(key), found.get(key))
                 for key in sorted(expected.keys() | found.keys()) if expected.get(key) != found.get(key)}
    if different:
        shown = "\n".join(f"  {site} {day}: file {file}, headquarters {there}"
                          for (site, day), (file, there) in list(different.items())[:10])
        raise Wrong(f"{len(different)} site days differ (sales, total):\n{shown}")


def replay_of(options, sites, folder, skip: int, take: int):
    nodes = [part for site in sites for part in ("--node", f"{site}={folder / site}")]
    call = [options.binary, "replay", str(options.baskets), *nodes, "--tills", str(options.tills),
            "--skip", str(skip), "--take", str(take)]
    return subprocess.Popen([str(part) for part in call], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def finish(replay) -> None:
    output, _ = replay.communicate(timeout=DEADLINE_S)
    for line in output.splitlines():
        print(f"  {line}")
    if replay.returncode:
        raise Wrong(f"replay ended with {replay.returncode}")


if __name__ == "__main__":
    sys.exit(main())
