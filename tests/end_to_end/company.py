"""A company of real processes for the scripts beside this one: headquarters, nodes and mosquitto, all on 127.0.0.1, and
the links between them, which can be cut. Standard library only.
"""

import contextlib
import http.client
import json
import pathlib
import random
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request

DEADLINE_S = 300
ROOT = pathlib.Path(__file__).resolve().parents[2]


class Wrong(Exception):
    """What was promised did not hold."""


def until(what: str, holds) -> None:
    ends = time.monotonic() + DEADLINE_S
    while not holds():
        if time.monotonic() > ends:
            raise Wrong(f"waited {DEADLINE_S} s for: {what}")
        time.sleep(0.05)


def free_port() -> int:
    """One below those that the system gives to whoever asks for any: no connection takes it before its use."""
    while True:
        port = random.randrange(10_000, 30_000)
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port


class Api:
    """A running process, found by its data folder."""

    def __init__(self, folder: pathlib.Path):
        self.file = folder / "operator.json"

    def token(self) -> str:
        """The operator's own, of this life of the process."""
        return json.loads(self.file.read_text())["token"]

    def get(self, path: str) -> dict:
        operator = json.loads(self.file.read_text())
        request = urllib.request.Request(operator["url"] + path,
                                         headers={"Authorization": f"Bearer {operator['token']}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return json.load(response)
        except http.client.HTTPException as error:
            raise OSError(f"{path}: {error}") from error


class Processes:
    """What the script started, and stops."""

    def __init__(self, binary: str, folder: pathlib.Path):
        self.binary, self.folder = binary, folder
        self.running, self.calls = {}, {}

    def start(self, name: str, *arguments, path: str = "/v1/status") -> None:
        """Starts a process of that name and waits until it answers at that path."""
        (self.folder / name).mkdir(exist_ok=True)
        self.calls[name] = ([str(argument) for argument in (self.binary, *arguments)], path)
        self.spawn(name)

    def spawn(self, name: str) -> None:
        (self.folder / name / "operator.json").unlink(missing_ok=True)
        log = open(self.folder / f"{name}.log", "ab")
        call, path = self.calls[name]
        self.running[name] = subprocess.Popen(call, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        api = Api(self.folder / name)
        until(f"{name} answers", lambda: self.answers(name, api, path))

    def answers(self, name: str, api: Api, path: str) -> bool:
        if self.running[name].poll() is not None:
            raise Wrong(f"{name} ended with {self.running[name].returncode}")
        try:
            api.get(path)
            return True
        except (OSError, ValueError):
            return False

    def kill(self, name: str) -> None:
        self.running[name].send_signal(signal.SIGKILL)
        self.running[name].wait()

    def kill_and_start(self, name: str) -> None:
        self.kill(name)
        self.spawn(name)

    def command(self, *arguments) -> None:
        call = [str(argument) for argument in (self.binary, *arguments)]
        done = subprocess.run(call, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE_S)
        if done.returncode:
            raise Wrong(f"{' '.join(call[1:])} ended with {done.returncode}: {done.stdout}{done.stderr}")
        for line in done.stdout.splitlines():
            print(f"  {line}")

    def stop_all(self) -> None:
        for process in self.running.values():
            if process.poll() is None:
                process.terminate()
        for process in self.running.values():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


class Broker:
    """mosquitto, killed and started again on the same port and folder."""

    def __init__(self, processes: Processes, folder: pathlib.Path, kind: str):
        self.port, self.kind, self.folder = free_port(), kind, folder / "broker"
        self.processes, self.process = processes, None
        self.folder.mkdir()

    def configuration(self) -> str:
        shipped = ROOT / "firmware-config" / "mosquitto"
        if self.kind == "stock":
            template = (shipped / "loopback-test.conf").read_text()
            return template.replace("@PORT@", str(self.port)).replace("@DIR@", str(self.folder))
        # As the file itself says for a place without certificates: a private listener and passwords.
        lines, certificates = [], False
        for line in (shipped / "finalmarket.conf").read_text().splitlines():
            certificates = certificates or line.startswith("cafile")
            if line.startswith("listener"):
                line = f"listener {self.port} 127.0.0.1"
            elif line.startswith("acl_file"):
                line = f"acl_file {shipped / 'acl'}"
            if not certificates:
                lines.append(line)
            if line.startswith("use_identity_as_username"):
                certificates = False
        return "\n".join([*lines, f"password_file {self.folder / 'passwords'}",
                          f"persistence_location {self.folder}/", "log_dest stdout", "user root", ""])

    def credentials(self, user: str) -> list:
        if self.kind == "stock":
            return []
        password = self.folder / f"{user}.password"
        password.write_text(f"{user}-secret\n")
        passwords = self.folder / "passwords"
        create = [] if passwords.exists() else ["-c"]
        subprocess.run(["mosquitto_passwd", "-b", *create, str(passwords), user, f"{user}-secret"], check=True)
        return ["--broker-user", user, "--broker-password-file", password]

    def start(self) -> None:
        file = self.folder / "mosquitto.conf"
        file.write_text(self.configuration())
        log = open(self.folder.parent / "broker.log", "ab")
        path = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.process = subprocess.Popen([path, "-c", str(file)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.processes.running["broker"] = self.process
        until("the broker listens", lambda: listens(self.port))

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def kill_and_start(self) -> None:
        self.kill()
        self.start()


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class Link:
    """A TCP relay to the broker that can be cut: open connections are reset, new ones refused."""

    def __init__(self, to: int):
        self.to, self.up, self.pairs, self.lock = to, True, [], threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            client, _ = self.listener.accept()
            try:
                pair = (client, socket.create_connection(("127.0.0.1", self.to)))
            except OSError:
                client.close()
                continue
            with self.lock:
                if not self.up:
                    close(*pair)
                    continue
                self.pairs.append(pair)
            threading.Thread(target=self.relay, args=pair, daemon=True).start()

    def relay(self, client, server) -> None:
        other = {client: server, server: client}
        try:
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    other[source].sendall(data)
        except (OSError, ValueError):
            pass
        finally:
            close(client, server)

    def cut(self) -> None:
        with self.lock:
            self.up = False
            for pair in self.pairs:
                close(*pair)
            self.pairs.clear()

    def mend(self) -> None:
        with self.lock:
            self.up = True


def close(*sockets) -> None:
    for each in sockets:
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        each.close()


