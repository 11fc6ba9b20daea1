"""Those who fight for the last units, and the books about them that share nothing with the product.

A seller asks a node or headquarters until it is answered, under the same key, like a till does. What it was answered
goes into the books, which know only what customers were told: what they were promised, what they have, what came in.
"""

import collections
import http.client
import json
import random
import socket
import threading
import time

from company import Wrong

# Who waits longer than this has found a fault: everything that is killed is started again within seconds.
ANSWER_S = 120
# Longer than any contest: a promise that its customer means to keep.
LONG_S = 900


class Device:
    """Something with a token, and the addresses where it is known: the next is tried where one does not answer."""

    def __init__(self, name: str, ports: list, token: str):
        self.name, self.ports, self.token = name, ports, token
        self.connection, self.keys, self.repeats = None, 0, 0

    def key(self) -> str:
        self.keys += 1
        return f"{self.name}-{self.keys}"

    def ask(self, method: str, path: str, body=None, key=None) -> tuple:
        """The status and the body of the answer, from whichever life of the process gave it."""
        ends = time.monotonic() + ANSWER_S
        while True:
            try:
                status, answer = self.once(method, path, body, key)
                if status < 500 and status != 429:
                    return status, answer
                last = f"{status} {answer}"
            except (OSError, http.client.HTTPException, ValueError) as error:
                last = repr(error)
            self.connection, self.ports = None, self.ports[1:] + self.ports[:1]
            if time.monotonic() > ends:
                raise Wrong(f"{self.name}: no answer to {method} {path} within {ANSWER_S} s, at last {last}")
            self.repeats += 1
            time.sleep(0.05)

    def once(self, method: str, path: str, body, key) -> tuple:
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.ports[0], timeout=30)
            self.connection.connect()
            self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        self.connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = self.connection.getresponse()
        return response.status, json.loads(response.read() or b"null")


class Hold:
    """A promise that a customer was given."""

    def __init__(self, identity: str, site: str, lines: dict, ends: float, abandoned: bool, life: int,
                 by_till: bool):
        self.identity, self.site, self.lines, self.ends, self.abandoned = identity, site, lines, ends, abandoned
        # In which of its node's lives it was asked for: those before are over for good.
        self.life, self.by_till = life, by_till


class Books:
    """Who was promised what, who has what. Units, whole ones."""

    def __init__(self, stock: dict):
        self.lock = threading.Lock()
        self.stock = dict(stock)                    # (site, SKU) -> units that came in
        self.on_shelf = dict(stock)                 # what nobody has carried out
        self.sold = collections.Counter()           # of it, what was paid for
        self.oversold = collections.Counter()       # what sales in hand were told to be debt
        self.open = collections.defaultdict(dict)   # (site, SKU) -> promises by identity
        self.sales = {}                             # (series, counter) -> (site, lines)
        self.done = collections.Counter()

    def promised(self, hold: Hold) -> None:
        """A promise was given; with it there may not be more promised and sold than there ever was."""
        with self.lock:
            self.done["holds"] += 1
            for sku in hold.lines:
                shelf = (hold.site, sku)
                self.open[shelf][hold.identity] = hold
                if self.committed(shelf) > self.stock[shelf] + self.oversold[shelf]:
                    raise Wrong(f"{shelf}: {self.committed(shelf)} promised or sold of {self.stock[shelf]}, "
                                f"{self.oversold[shelf]} of them as debt, after {hold.identity}")

    def committed(self, shelf: tuple) -> int:
        """What is promised or sold for certain: of an abandoned cart only while it cannot have run out."""
        now = time.monotonic()
        certain = (hold.lines[shelf[1]] for hold in self.open[shelf].values()
                   if not hold.abandoned or hold.ends > now)
        return sum(certain) + self.sold[shelf]

    def ended(self, hold: Hold, kind: str) -> None:
        """The customer is about to give it up, or it has run out."""
        with self.lock:
            self.done[kind] += 1
            for sku in hold.lines:
                del self.open[(hold.site, sku)][hold.identity]

    def carried_out(self, site: str, lines: dict) -> bool:
        """Takes goods off the shelf, where they are there."""
        with self.lock:
            if any(self.on_shelf[(site, sku)] < units for sku, units in lines.items()):
                return False
            for sku, units in lines.items():
                self.on_shelf[(site, sku)] -= units
            return True

    def paid(self, identity: tuple, site: str, lines: dict, oversold: dict, hold=None) -> None:
        with self.lock:
            if identity in self.sales:
                raise Wrong(f"{identity} was sold twice")
            self.sales[identity] = (site, lines)
            self.done["sales from holds" if hold else "sales in hand"] += 1
            for sku, units in lines.items():
                self.sold[(site, sku)] += units
                self.oversold[(site, sku)] += oversold.get(sku, 0)
                if hold:
                    del self.open[(site, sku)][hold.identity]

    def refused(self, site: str, lines: dict) -> None:
        """Somebody was refused: because there was no more to promise, or because a link or a node was away."""
        with self.lock:
            free = all(self.stock[(site, sku)] - self.committed((site, sku)) >= units for sku, units in lines.items())
            self.done["refusals beside free goods" if free else "refusals for want of goods"] += 1

    def kept(self) -> list:
        """The promises that are still open and do not run out."""
        with self.lock:
            holds = {hold.identity: hold for shelf in self.open.values() for hold in shelf.values()}
            return [hold for hold in holds.values() if not hold.abandoned]

    def forget_left(self, lives: int, sites) -> None:
        """The promises of nodes that are gone for good: whoever still wants the goods was served without them."""
        for hold in self.kept():
            if hold.life < lives and hold.site in sites and hold.by_till:
                self.ended(hold, "left by a dead node")

    def forget_abandoned(self) -> None:
        with self.lock:
            holds = {hold.identity: hold for shelf in self.open.values() for hold in shelf.values()}
        for hold in holds.values():
            if hold.abandoned:
                self.ended(hold, "abandoned")


class Seller(threading.Thread):
    """A till, a kiosk or a web shop with customers, until the contest is over."""

    def __init__(self, contest, device: Device, kind: str, sites: list):
        super().__init__(daemon=True, name=device.name)
        self.contest, self.device, self.kind, self.sites = contest, device, kind, sites
        self.books, self.rng = contest.books, random.Random(f"{contest.seed}-{device.name}")
        self.holds, self.series, self.counter, self.wrong = [], None, 0, None

    def run(self) -> None:
        try:
            while not self.contest.over.is_set():
                self.step()
                time.sleep(self.rng.uniform(0.02, 0.12))
        except Exception as error:  # noqa: BLE001: whatever it is, the contest has failed by it
            self.wrong = error
            self.contest.over.set()

    def step(self) -> None:
        # A kiosk may have two carts open: it finishes one before the next.
        full = self.kind == "kiosk" and len(self.holds) >= 2
        choice = self.rng.random()
        if self.holds and (full or choice < 0.4):
            self.finish(self.holds.pop(self.rng.randrange(len(self.holds))))
        elif self.kind == "till" and choice < 0.47:
            self.sell_in_hand()
        else:
            self.promise()

    def basket(self, skus: list) -> dict:
        # The first items are wanted most.
        wanted = {min(self.rng.choice(skus), self.rng.choice(skus)) for _ in range(self.rng.choice([1, 1, 2, 3]))}
        return {sku: self.rng.choice([1, 1, 1, 2]) for sku in sorted(wanted)}

    def promise(self) -> None:
        site, lines = self.rng.choice(self.sites), self.basket(self.contest.skus)
        abandoned = self.kind != "kiosk" and self.rng.random() < 0.2
        seconds = self.rng.randint(1, 5) if abandoned else LONG_S
        if self.kind == "kiosk":
            seconds = None  # as long as a kiosk may: a quarter of an hour
        hold = self.hold(site, lines, seconds, abandoned)
        if hold and not abandoned:
            self.holds.append(hold)

    def hold(self, site: str, lines: dict, seconds, abandoned=False):
        """The promise, or none where it was refused."""
        body = {"lines": [{"sku": sku, "quantity": str(units)} for sku, units in lines.items()]}
        if seconds:
            body["seconds"] = seconds
        if self.kind == "web":
            body.update(site=site, channel="web", purpose="pickup")
        asked, life = time.monotonic(), self.contest.life(self)
        status, answer = self.device.ask("POST", "/v1/holds", body, self.device.key())
        if status == 409 and answer["type"] == "/problems/not-enough-to-promise":
            self.books.refused(site, lines)
            return None
        if status != 201:
            raise Wrong(f"{self.device.name}: a hold was answered {status} {answer}")
        hold = Hold(answer["id"], site, lines, asked + (seconds or LONG_S), abandoned, life,
                    self.kind == "till")
        self.books.promised(hold)
        return hold

    def finish(self, hold: Hold) -> None:
        choice = self.rng.random()
        if self.kind != "kiosk" and choice < 0.1 and not self.is_left(hold):
            return  # the goods stay put aside, to the end
        # The web shop's goods leave through the store.
        if self.kind != "web" and choice < 0.6 and self.books.carried_out(hold.site, hold.lines):
            self.sell(hold.site, hold.lines, hold)
            return
        self.books.ended(hold, "released")
        status, answer = self.device.ask("POST", f"/v1/holds/{hold.identity}/release", {}, self.device.key())
        if status != 200 and not self.is_left(hold):
            raise Wrong(f"{self.device.name}: {hold.identity} cannot be released: {status} {answer}")

    def is_left(self, hold: Hold) -> bool:
        """Whether the node that made the promise is gone for good. The goods are there and are kept for the customer,
        who is served without it: a sale in hand, whose debt is settled by what that node left."""
        return hold.life < self.contest.life(self)

    def serve_left(self) -> None:
        """Customers come for what a node promised that is gone."""
        for hold in [hold for hold in self.holds if self.is_left(hold)]:
            self.holds.remove(hold)
            self.finish(hold)

    def sell_in_hand(self) -> None:
        site, lines = self.sites[0], self.basket(self.contest.skus_in_hand)
        if self.books.carried_out(site, lines):
            self.sell(site, lines, None)

    def sell(self, site: str, lines: dict, hold) -> None:
        """A sale of what has left the shelf: it may not fail, and out of a promise it owes nothing."""
        self.counter += 1
        body = {"counter": self.counter,
                "lines": [{"sku": sku, "quantity": str(units)} for sku, units in lines.items()],
                "tenders": [{"kind": "card", "amount": f"{sum(lines.values())}.00"}]}
        if hold:
            body["hold"] = hold.identity
        status, sale = self.device.ask("POST", "/v1/sales", body, self.device.key())
        if status != 201:
            raise Wrong(f"{self.device.name}: a sale was answered {status} {sale}")
        oversold = {line["sku"]: int(line["oversold"]) for line in sale["lines"] if "oversold" in line}
        from_hold = all(line.get("hold") == hold.identity for line in sale["lines"]) if hold else True
        if hold and not self.is_left(hold) and (oversold or not from_hold):
            raise Wrong(f"{self.device.name}: the promise {hold.identity} was broken: {sale}")
        self.books.paid((sale["series"], sale["counter"]), site, lines, oversold, hold)
