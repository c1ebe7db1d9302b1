#!/usr/bin/env python3
"""A bot that knows nothing of splashtail but mewld's documented protocol.

Arguments: shard list (JSON), shard count, cluster id, cluster name, logging code, directory.
Environment: MTOKEN, MEWLD_CHANNEL, REDIS_URL (redis://host:port/n, or unix:path of the hub) and
GATEWAY_URL. Standard library only, one thread a shard, so that it starts in a few milliseconds.
"""

import base64
import json
import os
import signal
import socket
import struct
import sys
import threading
import time

SHARDS = json.loads(sys.argv[1])
SHARD_COUNT = int(sys.argv[2])
CLUSTER_ID = int(sys.argv[3])
CHANNEL = os.environ["MEWLD_CHANNEL"]


class Redis:
    """Publish and subscribe over RESP2, on two connections."""

    def __init__(self, url):
        host, _, port = url.removeprefix("redis://").split("/")[0].partition(":")
        self.subscriber = socket.create_connection((host, int(port)))
        self.publisher = socket.create_connection((host, int(port)))
        self.lines = self.subscriber.makefile("rb")
        self.lock = threading.Lock()
        self.subscriber.sendall(self.request("SUBSCRIBE", CHANNEL))
        self.reply()

    @staticmethod
    def request(*words):
        words = [word.encode() for word in words]
        parts = [b"*%d\r\n" % len(words)]
        parts += [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
        return b"".join(parts)

    def reply(self):
        line = self.lines.readline()
        if not line:
            raise ConnectionError("Redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        if kind == b"$":
            return self.lines.read(int(rest) + 2)[:-2].decode()
        return rest.decode()

    def publish(self, message):
        with self.lock:
            self.publisher.sendall(self.request("PUBLISH", CHANNEL, message))
            self.publisher.recv(64)

    def messages(self):
        while True:
            reply = self.reply()
            if reply[0] == "message":
                yield reply[2]


class Hub:
    """mewld's unix socket: every write is a message, and everything comes back to everyone."""

    def __init__(self, url):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(url.removeprefix("unix:"))
        self.lines = self.socket.makefile("r", encoding="utf-8")
        self.lock = threading.Lock()

    def publish(self, message):
        with self.lock:
            self.socket.sendall(message.encode())

    def messages(self):
        yield from self.lines


class Gateway:
    """One websocket connection (RFC 6455), no extensions."""

    def __init__(self, url):
        host, _, port = url.removeprefix("ws://").rstrip("/").partition(":")
        self.socket = socket.create_connection((host, int(port)))
        self.lock = threading.Lock()
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /?v=10&encoding=json HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self.stream = self.socket.makefile("rb")
        if b" 101 " not in self.stream.readline():
            raise ConnectionError("the gateway refused the upgrade")
        while self.stream.readline() not in (b"\r\n", b""):
            pass

    def send(self, payload, opcode=1):
        body = payload if opcode == 8 else json.dumps(payload).encode()
        mask = os.urandom(4)
        length = len(body)
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | length) if length < 126 else struct.pack(
            "!BBH", 0x80 | opcode, 0x80 | 126, length
        )
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(body))
        with self.lock:
            self.socket.sendall(head + mask + masked)

    def messages(self):
        while True:
            first, second = self.stream.read(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack("!H", self.stream.read(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", self.stream.read(8))
            body = self.stream.read(length)
            if first & 0x0F == 8:
                raise ConnectionError(f"closed with {struct.unpack('!H', body[:2])[0]}")
            if first & 0x0F == 1:
                yield json.loads(body)


class Shard(threading.Thread):
    def __init__(self, shard, cluster):
        super().__init__(daemon=True)
        self.shard = shard
        self.cluster = cluster
        self.up = False
        self.guilds = 0
        self.latency = 0.0
        self.sequence = None
        self.gateway = None

    def run(self):
        while True:
            try:
                self.gateway = Gateway(os.environ["GATEWAY_URL"])
                for payload in self.gateway.messages():
                    self.handle(payload)
            except (ConnectionError, OSError, ValueError) as problem:
                self.up = False
                print(f"shard {self.shard}: {problem}", flush=True)
                time.sleep(1)

    def handle(self, payload):
        op, data = payload["op"], payload["d"]
        self.sequence = payload.get("s") or self.sequence
        if op == 10:
            threading.Thread(target=self.beat, args=(self.gateway, data["heartbeat_interval"] / 1000), daemon=True).start()
            self.identify()
        elif op == 9:
            print(f"shard {self.shard}: identified too early", flush=True)
            time.sleep(5)
            self.identify()
        elif op == 11:
            self.latency = (time.monotonic() - self.beaten) * 1000
        elif op == 1:
            self.gateway.send({"op": 1, "d": self.sequence})
        elif payload["t"] == "READY":
            self.guilds = len(data["guilds"])
            self.up = True
            self.cluster.shard_ready()

    def identify(self):
        properties = {"os": "linux", "browser": "protocol bot", "device": "protocol bot"}
        self.gateway.send({
            "op": 2,
            "d": {
                "token": os.environ["MTOKEN"],
                "intents": 1,
                "shard": [self.shard, SHARD_COUNT],
                "properties": properties,
            },
        })

    def beat(self, gateway, interval):
        while gateway is self.gateway:
            time.sleep(interval)
            self.beaten = time.monotonic()
            try:
                gateway.send({"op": 1, "d": self.sequence})
            except OSError:
                return


class Cluster:
    def __init__(self):
        url = os.environ["REDIS_URL"]
        self.bus = Hub(url) if url.startswith("unix:") else Redis(url)
        self.lock = threading.Lock()
        self.launched = False
        self.shards = [Shard(shard, self) for shard in SHARDS]

    def shard_ready(self):
        with self.lock:
            if self.launched or not all(shard.up for shard in self.shards):
                return
            self.launched = True
        self.publish("launch_next", args={"id": CLUSTER_ID})

    def publish(self, action, args=None, output=None):
        self.bus.publish(json.dumps({"scope": "launcher", "action": action, "args": args, "output": output}))

    def run(self):
        for shard in self.shards:
            shard.start()
        for text in self.bus.messages():
            try:
                message = json.loads(text)
            except ValueError:
                continue
            if isinstance(message, dict) and message.get("diag") and message.get("id") == CLUSTER_ID:
                data = [
                    {"shard_id": shard.shard, "up": shard.up, "latency": shard.latency, "guilds": shard.guilds, "users": 0}
                    for shard in self.shards
                ]
                answer = {"cluster_id": CLUSTER_ID, "Nonce": message["nonce"], "Data": data}
                self.publish("diag", output=json.dumps(answer))

    def stop(self, *_):
        for shard in self.shards:
            if shard.gateway:
                try:
                    shard.gateway.send(struct.pack("!H", 1000), opcode=8)
                except OSError:
                    pass
        # mewld's bots always end with 1.
        os._exit(1)


if __name__ == "__main__":
    cluster = Cluster()
    signal.signal(signal.SIGTERM, cluster.stop)
    cluster.run()
