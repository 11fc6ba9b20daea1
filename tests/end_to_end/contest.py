#!/usr/bin/env python3
"""Eight tills, two kiosks and a web shop fight for a hundred scarce items while links are cut and nodes are killed.

Starts mosquitto, headquarters, two stores' nodes and a kiosk's node at each. Sellers hold, sell from holds, release, let
carts run out, and sell goods in hand (of ten of the items; the others are sold from holds alone and may never be owed).
Meanwhile every process is killed with SIGKILL and started again, the broker among them, and every link is cut, by a
plan that follows from the seed. At every promise and at the end the script's own books are checked:

  - no promise beyond what there is: units promised and sold, as customers were told, never exceed those that came in
    (and what sales in hand were told to be debt);
  - no promise is broken: each is open until it is sold, released or runs out, and sells without debt;
  - once all is mended: sold + held + left is what came in, item by item, at headquarters, both stores and both kiosks;
    every sale is at headquarters once; what is left can be promised, to the last unit, and nothing beyond;
  - `verify` finds every disk sound.

With --standby the first store has a second node on its LAN that follows, and "ok" waits for both disks. In the middle
the store's node is killed for good and the other one promoted; its tills find it, and the kiosk does. What the dead node
had promised is kept for its customers: they are served without it, and what it left is released by an operator at the
end.

Everything listens on 127.0.0.1. Needs: mosquitto; the binary in the variable FINALMARKET.
"""

import argparse
import collections
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from company import ROOT, Api, Broker, Link, Processes, Wrong, free_port, until
from sellers import Books, Device, Seller

STORES = {"store-1": "kiosk-1", "store-2": "kiosk-2"}
TILLS = 4
ITEMS = 100
# Of them, those that are also sold without a promise.
ITEMS_IN_HAND = 10


def main() -> int:
    options = parse_arguments()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="finalmarket-contest-"))
    processes = Processes(options.binary, folder)
    print(f"seed {options.seed} (--seed {options.seed} plays the same plan)")
    try:
        Contest(options.seed, folder, processes, options.standby).run(options.rounds)
        return 0
    except Wrong as wrong:
        print(f"FAILED: {wrong}\nseed {options.seed}; logs are in {folder}", file=sys.stderr)
        options.keep = True
        return 1
    finally:
        processes.stop_all()
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--rounds", type=int, default=3, help="how often each process is killed and each link cut")
    parser.add_argument("--standby", action="store_true", help="a store's node dies for good, and its standby goes on")
    parser.add_argument("--keep", action="store_true", help="leave the working folder behind")
    options = parser.parse_args()
    options.binary = os.environ.get("FINALMARKET") or str(ROOT / "target" / "release" / "finalmarket")
    return options


class Contest:
    def __init__(self, seed: int, folder: pathlib.Path, processes: Processes, standby: bool):
        self.seed, self.folder, self.processes = seed, folder, processes
        # The store that has a standby, whose name is here; and how often it was promoted.
        self.standbys, self.promotions = ({"store-1": "store-1-second"} if standby else {}), 0
        self.rng = random.Random(seed)
        self.skus = [f"item-{number:03}" for number in range(ITEMS)]
        self.skus_in_hand = self.skus[::ITEMS // ITEMS_IN_HAND]
        self.books = Books({(store, sku): self.rng.randint(2, 9) for store in STORES for sku in self.skus})
        self.over = threading.Event()
        self.ports = {name: free_port() for name in ["hq", *STORES, *STORES.values()]}
        self.second_ports = {store: free_port() for store in self.standbys}
        # Who is which process: a store's node, until its standby has taken its place.
        self.process = {name: name for name in self.ports}
        self.apis = {name: Api(folder / name) for name in self.ports}

    def run(self, rounds: int) -> None:
        self.open()
        sellers = self.sellers()
        print(f"{sum(self.books.stock.values())} units of {ITEMS} items in two stores; "
              f"{', '.join(seller.name for seller in sellers)}")
        for seller in sellers:
            seller.start()
        trouble = Trouble(self, rounds)
        try:
            trouble.play()
        finally:
            self.over.set()
        for seller in sellers:
            seller.join()
        for wrong in (seller.wrong for seller in sellers if seller.wrong):
            raise wrong if isinstance(wrong, Wrong) else Wrong(repr(wrong)) from wrong
        mended = time.monotonic()
        repeats = sum(seller.device.repeats for seller in sellers)
        print("  " + ", ".join(f"{count} {what}" for what, count in sorted(self.books.done.items())))
        print(f"  {repeats} requests repeated; debt said at tills: {sum(self.books.oversold.values())} units")

        if self.promotions:
            self.release_what_was_left(sellers)
        self.books.forget_abandoned()
        check = Check(self)
        check.settled()
        print(f"all figures met {time.monotonic() - mended:.1f} s after the last seller")
        check.print_account("at the end")
        check.sales()
        check.left_can_be_promised(sellers)
        self.close()

    def open(self) -> None:
        folder, processes = self.folder, self.processes
        self.broker = Broker(processes, folder, "project")
        accounts = {user: self.broker.credentials(user) for user in ["hq", *STORES]}
        self.broker.start()
        self.links = {name: Link(self.broker.port) for name in ["hq", *STORES]}
        self.links.update({kiosk: Link(self.ports[store]) for store, kiosk in STORES.items()})
        processes.start("hq", "hq", "--data", folder / "hq", "--listen", self.listen("hq"),
                        "--broker", f"127.0.0.1:{self.links['hq'].port}", *accounts["hq"])
        for store in STORES:
            processes.start(store, "node", "--data", folder / store, "--node", store, "--site", store,
                            "--listen", self.listen(store), "--broker", f"127.0.0.1:{self.links[store].port}",
                            *(["--standby-wait"] if store in self.standbys else []), *accounts[store])
        catalog = folder / "catalog.csv"
        items = [f"{sku},,Item {sku},,,,1.00" for sku in self.skus]
        catalog.write_text("\n".join(["sku,gtin,name,department,brand,size,price", *items, ""]))
        processes.command("import", "catalog", catalog, "--to", folder / "hq")
        for store, kiosk in STORES.items():
            self.has_goods(store)
            stock = folder / f"stock-{store}.csv"
            rows = [f"{store},{sku},{self.books.stock[(store, sku)]}" for sku in self.skus]
            stock.write_text("\n".join(["site,sku,quantity", *rows, ""]))
            processes.command("import", "stock", stock, "--to", folder / store)
            parent = f"http://127.0.0.1:{self.links[kiosk].port}"
            self.join(kiosk, store, parent, "node")
            processes.start(kiosk, "node", "--data", folder / kiosk, "--node", kiosk, "--site", store,
                            "--listen", self.listen(kiosk), "--parent", parent)
            self.has_goods(kiosk)
        for store, standby in self.standbys.items():
            address = f"http://{self.listen(store)}"
            self.join(standby, store, address, "standby")
            processes.start(standby, "node", "--data", folder / standby, "--node", store, "--site", store,
                            "--listen", f"127.0.0.1:{self.second_ports[store]}", "--standby-of", address,
                            "--broker", f"127.0.0.1:{self.links[store].port}", *accounts[store], path="/v1/role")
            self.has_two_disks(store)

    def join(self, name: str, store: str, address: str, role: str) -> None:
        """Pairs a node with a store's, as two people do it, one at each machine."""
        call = [self.processes.binary, "pair", "--with", self.folder / store, "--name", name, role]
        code = subprocess.run(call, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout.strip()
        self.processes.command("join", "--data", self.folder / name, "--parent", address, "--code", code)

    def has_two_disks(self, store: str) -> None:
        until(f"the standby of {store} has everything",
              lambda: answered(lambda: self.apis[store].get("/v1/sync").get("disks") == "two_disks"))

    def promote(self, store: str) -> None:
        """Kills a store's node for good and has its standby take its place."""
        self.has_two_disks(store)
        standby = self.standbys[store]
        print(f"  {store} is killed for good, and {standby} promoted")
        self.processes.kill(store)
        self.processes.command("promote", "--at", self.folder / standby)
        self.process[store], self.apis[store] = standby, Api(self.folder / standby)
        self.ports[store] = self.second_ports[store]
        self.links[STORES[store]].to = self.ports[store]
        self.links[STORES[store]].cut()
        self.links[STORES[store]].mend()
        self.promotions += 1

    def life(self, seller) -> int:
        """Of the node that a seller asks, how many have died for good."""
        return self.promotions if seller.kind == "till" and seller.sites[0] in self.standbys else 0

    def release_what_was_left(self, sellers: list) -> None:
        for seller in sellers:
            seller.serve_left()
        self.books.forget_left(self.promotions, self.standbys)
        for store in self.standbys:
            until(f"headquarters has everything of {store}", lambda: answered(
                lambda: not self.apis[store].get("/v1/sync")["pending"]
                and complete(self.apis["hq"].get("/v1/status"))))
            dead = min(self.lives(store))
            self.processes.command("retire", "--at", self.folder / "hq", store, "--incarnation", dead,
                                   "--reason", "it burned down")
            self.processes.command("release", "--at", self.folder / "hq", store, "--incarnation", dead,
                                   "--reason", "what it had promised was served")

    def lives(self, store: str) -> list:
        nodes = self.apis["hq"].get("/v1/status")["nodes"]
        return [life["incarnation"] for node in nodes if node["node"] == store for life in node["incarnations"]]

    def listen(self, name: str) -> str:
        return f"127.0.0.1:{self.ports[name]}"

    def has_goods(self, name: str) -> None:
        until(f"{name} has the catalog", lambda: self.apis[name].get("/v1/status")["items"] == ITEMS)

    def sellers(self) -> list:
        sellers = []
        for store, kiosk in STORES.items():
            for number in range(1, TILLS + 1):
                till = self.paired(f"{store}-till-{number}", store, {"role": "till", "register": str(number)})
                sellers.append(Seller(self, till, "till", [store]))
            sellers.append(Seller(self, self.paired(f"{kiosk}-screen", kiosk, {"role": "kiosk", "register": "1"}),
                                  "kiosk", [store]))
        operator = Device("operator", [self.ports["hq"]], self.apis["hq"].token())
        status, issued = operator.ask("POST", "/v1/tokens", {"name": "web shop", "role": "operate"}, "web-shop")
        if status != 201:
            raise Wrong(f"no token for the web shop: {status} {issued}")
        sellers.append(Seller(self, Device("web-shop", [self.ports["hq"]], issued["token"]), "web", list(STORES)))
        return sellers

    def paired(self, name: str, at: str, wish: dict) -> Device:
        operator = Device("operator", [self.ports[at]], self.apis[at].token())
        status, offered = operator.ask("POST", "/v1/pairing-codes", {"name": name, **wish}, f"code-{name}")
        if status != 201:
            raise Wrong(f"no code for {name}: {status} {offered}")
        status, paired = operator.ask("POST", "/v1/pair", {"code": offered["code"]}, f"pair-{name}")
        if status != 201:
            raise Wrong(f"{name} is not paired: {status} {paired}")
        second = [self.second_ports[at]] if at in self.standbys else []
        return Device(name, [self.ports[at], *second], paired["token"])

    def close(self) -> None:
        self.processes.stop_all()
        for name in self.process.values():
            self.processes.command("verify", "--data", self.folder / name)
        print("every promise was kept; every disk is sound")


class Trouble:
    """Kills and cuts by a plan that follows from the seed. Cuts go on while processes are down."""

    def __init__(self, contest: Contest, rounds: int):
        self.contest = contest
        rng = contest.rng
        names = [*contest.ports, "broker"] * rounds
        rng.shuffle(names)
        self.kills = [(rng.uniform(0.5, 2.0), name, rng.uniform(0.0, 1.0)) for name in names]
        cut = list(contest.links) * rounds
        rng.shuffle(cut)
        self.cuts = [(rng.uniform(0.5, 2.0), name, rng.uniform(1.0, 5.0)) for name in cut]

    def play(self) -> None:
        cutting = threading.Thread(target=self.play_cuts, daemon=True)
        cutting.start()
        for number, (pause_s, name, down_s) in enumerate(self.kills):
            if self.contest.over.wait(pause_s):
                break
            if number == len(self.kills) // 2:
                for store in self.contest.standbys:
                    self.contest.promote(store)
            name = self.contest.process.get(name, name)
            print(f"  {name} is killed")
            processes = self.contest.processes
            (self.contest.broker.kill if name == "broker" else lambda: processes.kill(name))()
            time.sleep(down_s)
            self.contest.broker.start() if name == "broker" else processes.spawn(name)
        cutting.join()

    def play_cuts(self) -> None:
        for pause_s, name, down_s in self.cuts:
            time.sleep(pause_s)
            self.contest.links[name].cut()
            mend = threading.Timer(down_s, self.contest.links[name].mend)
            mend.daemon = True
            mend.start()
        time.sleep(5.0)  # the longest cut
        for link in self.contest.links.values():
            link.mend()


class Check:
    """The books against what the product says."""

    def __init__(self, contest: Contest):
        self.contest, self.books, self.apis = contest, contest.books, contest.apis
        self.difference = "nothing was looked at"

    def settled(self) -> None:
        """Waits until every figure everywhere is what the books say, and tells the one that is not."""
        try:
            until("all figures are those of the books", self.is_settled)
        except Wrong as wrong:
            raise Wrong(f"{wrong}: {self.difference}") from None

    def is_settled(self) -> bool:
        self.difference = self.find_difference()
        return self.difference is None

    def find_difference(self):
        try:
            for name, api in self.apis.items():
                if name != "hq" and api.get("/v1/sync")["pending"]:
                    return f"something is pending at {name}"
            if not complete(self.apis["hq"].get("/v1/status")):
                return "headquarters has not counted everything"
            held = collections.Counter()
            for hold in self.books.kept():
                held.update({(hold.site, sku): units for sku, units in hold.lines.items()})
            for store, kiosk in STORES.items():
                shelves = self.shelves(store)
                for sku in self.contest.skus:
                    wanted = self.expected(store, sku, held[(store, sku)])
                    found = figures(shelves[sku]) if sku in shelves else None
                    if found != wanted:
                        return f"{store} {sku}: headquarters says {found}, the books {wanted}"
                for node in (store, kiosk):
                    rows = {row["sku"]: row for row in pages(self.apis[node], "/v1/stock", "stock", "next")}
                    for sku in self.contest.skus:
                        wanted = self.expected(store, sku, held[(store, sku)])
                        row = rows.get(sku, {"quantity": "0", "reserved": "0"})
                        found = {"on hand": int(row["quantity"]), "held": int(row["reserved"]),
                                 "owed": int(row.get("owed", "0"))}
                        if found != {name: wanted[name] for name in found}:
                            return f"{store} {sku}: {node} says {found}, the books {wanted}"
            open_there = {hold["id"] for name, api in self.apis.items()
                          for hold in pages(api, "/v1/holds", "holds", "next_cursor" if name == "hq" else "next")}
            open_here = {hold.identity for hold in self.books.kept()}
            if open_there != open_here:
                return f"holds: {open_here - open_there} are missing, {open_there - open_here} should not be there"
            return None
        except OSError as error:
            return f"no answer: {error}"

    def expected(self, store: str, sku: str, held: int) -> dict:
        """With all links mended every free right has gone to whoever owes: left and owed are never both there."""
        shelf = (store, sku)
        on_hand = self.books.stock[shelf] - self.books.sold[shelf]
        return {"on hand": on_hand, "held": held, "left": max(0, on_hand - held), "owed": max(0, held - on_hand),
                "under way": 0}

    def shelves(self, site: str) -> dict:
        found = pages(self.apis["hq"], f"/v1/shelves?site={site}", "shelves", "next_cursor")
        return {shelf["sku"]: shelf for shelf in found}

    def print_account(self, when: str) -> None:
        for store in STORES:
            sums = collections.Counter()
            for shelf in self.shelves(store).values():
                sums.update(figures(shelf))
            stock = sum(units for (site, _), units in self.books.stock.items() if site == store)
            sold = sum(units for (site, _), units in self.books.sold.items() if site == store)
            print(f"  {store} {when}: {stock} came in = {sold} sold + {sums['held']} held + {sums['left']} left"
                  f" - {sums['owed']} owed")
            if stock != sold + sums["held"] + sums["left"] - sums["owed"]:
                raise Wrong(f"{store}: the account does not add up")

    def sales(self) -> None:
        """Every sale that a till was answered is at headquarters once, and no other."""
        listed = [(sale["series"], sale["counter"])
                  for sale in pages(self.apis["hq"], "/v1/sales", "sales", "next_cursor")]
        if len(listed) != len(set(listed)):
            raise Wrong("a sale is at headquarters twice")
        if set(listed) != set(self.books.sales):
            raise Wrong(f"sales: {set(self.books.sales) - set(listed)} are missing, "
                        f"{set(listed) - set(self.books.sales)} were never made")
        print(f"  {len(listed)} sales at headquarters, none missing and none twice")

    def left_can_be_promised(self, sellers: list) -> None:
        """A till of each store holds all that is left, wherever its rights are; then nobody gets anything."""
        for store in STORES:
            till = next(seller for seller in sellers if seller.kind == "till" and seller.sites == [store])
            for sku, shelf in self.shelves(store).items():
                left = figures(shelf)["left"]
                if left:
                    until(f"{left} of {sku} at {store}, all that is left, can be promised",
                          lambda: till.hold(store, {sku: left}, 900))
        for seller in sellers:
            for site in seller.sites:
                sku = seller.rng.choice(self.contest.skus)
                if seller.hold(site, {sku: 1}, None):
                    raise Wrong(f"{seller.name} was promised {sku} of {site} beyond the last")
        self.settled()
        self.print_account("with all of it promised")


def figures(shelf: dict) -> dict:
    """What headquarters says of a shelf; what is left is summed up from the replicas' registers."""
    def sums(name):
        return sum(int(replica["registers"].get(name, "0")) for replica in shelf["replicas"])

    def handed(name):
        return sum(int(units) for replica in shelf["replicas"] for units in replica[name].values())
    on_hand, held, owed = sums("added") - sums("removed"), sums("held") - sums("freed"), sums("debt") - sums("repaid")
    under_way = handed("given") - handed("accepted")
    stated = {"on hand": int(shelf["on_hand"]), "held": int(shelf["reserved"]), "owed": int(shelf["owed"]),
              "under way": int(shelf["under_way"])}
    found = {"on hand": on_hand, "held": held, "left": on_hand + owed - held - under_way, "owed": owed,
             "under way": under_way}
    if any(found[name] != stated[name] for name in stated):
        raise Wrong(f"{shelf['sku']}: the registers sum up to {found}, it says {stated}")
    return found


def answered(holds) -> bool:
    """What holds, where it was answered at all."""
    try:
        return holds()
    except OSError:
        return False


def complete(status: dict) -> bool:
    lives = [life for node in status["nodes"] for life in node["incarnations"]]
    return status["behind"] == 0 and all(
        life["lag"] == 0 and (life["state"] != "counted" or life["counted_seq"] == life["acknowledged_seq"])
        for life in lives)


def pages(api: Api, path: str, name: str, next_name: str) -> list:
    found, cursor = [], None
    while True:
        page = api.get(f"{path}{'&' if '?' in path else '?'}limit=500" + (f"&cursor={cursor}" if cursor else ""))
        found += page[name]
        cursor = page.get(next_name)
        if not cursor:
            return found


if __name__ == "__main__":
    sys.exit(main())
