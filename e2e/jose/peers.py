"""The peers, each behind the same two verbs. What a peer does not offer is said by `lacks`, with the reason."""

import base64
import json
import os
import subprocess
import tempfile
from pathlib import Path

SERVERS = Path(__file__).resolve().parent.parent / "servers"
UNKNOWN = "urn:example:unknown"
# Python libraries warn of what we make them do on purpose.
QUIET = {**os.environ, "PYTHONWARNINGS": "ignore"}


class PeerError(Exception):
    """The peer said no."""


class Missing(Exception):
    """The peer is not to be had on this machine."""


def find(server):
    """The path that the build script prints."""
    built = subprocess.run([SERVERS / server / "build"], stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode != 0 or not built.stdout.strip():
        raise Missing(f"{server} can be neither found nor built here")
    return built.stdout.strip().splitlines()[-1]


class Script:
    """A library driven by a script of ours: a line of JSON in, a line of JSON out."""

    def __init__(self, name, server, script):
        self.name = name
        self.process = subprocess.Popen(
            [find(server), SERVERS / server / script], env=QUIET, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def lacks(self, **_):
        return None

    def ask(self, **request):
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError) as error:
            raise PeerError(f"{self.name} has gone: {error}") from error
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer

    def seal(self, value, alg, enc, form, keys, protected=None):
        request = {"alg": alg, "enc": enc, "form": form, "keys": keys, "protected": protected or {}}
        return self.ask(do="seal", value=base64.b64encode(value).decode(), **request)["envelope"]

    def open(self, envelope, key):
        return base64.b64decode(self.ask(do="open", envelope=envelope, key=key)["value"])

    def sign(self, header, payload, pem):
        return self.ask(do="sign", header=header, payload=base64.b64encode(payload).decode(), pem=pem)["jws"]

    def verify(self, jws, payload, pem):
        return self.ask(do="verify", jws=jws, payload=base64.b64encode(payload).decode(), pem=pem)["header"]

    def close(self):
        self.process.kill()
        self.process.wait()


class Jwcrypto(Script):
    def __init__(self):
        super().__init__("jwcrypto", "jwcrypto", "jwcrypto_peer.py")

    def lacks(self, opens_nothing=False, **_):
        # Its own log then says that the tag was good, and that no recipient matched.
        return "takes an opened value of no bytes for a failure" if opens_nothing else None


class Joserfc(Script):
    def __init__(self):
        super().__init__("joserfc", "jwcrypto", "joserfc_peer.py")

    def lacks(self, protected=None, **_):
        return "writes no critical name that it does not know" if "crit" in (protected or {}) else None


class Panva(Script):
    def __init__(self):
        super().__init__("panva-jose", "panva-jose", "peer.mjs")

    def lacks(self, alg=None, **_):
        return "has no RSA1_5 any more" if alg == "RSA1_5" else None


class Program:
    """A command-line tool: one process for each act, keys in files."""

    def __init__(self, name, server):
        self.name = name
        self.program = find(server)
        self.folder = tempfile.TemporaryDirectory()

    def file(self, name, content):
        path = Path(self.folder.name) / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def run(self, arguments, stdin):
        ended = subprocess.run([self.program, *arguments], input=stdin, capture_output=True, check=False)
        if ended.returncode != 0:
            raise PeerError(ended.stderr.decode(errors="replace").strip()[-300:] or f"exit {ended.returncode}")
        return ended.stdout

    def close(self):
        self.folder.cleanup()


class JoseUtil(Program):
    """go-jose's tool."""

    def __init__(self):
        super().__init__("jose-util", "jose-util")

    def lacks(self, kinds=(), form="compact", recipients=1, protected=None, alg=None, **_):
        if "x25519" in kinds:
            return "has no X25519"
        if form == "general" and recipients > 1:
            return "seals and opens for one recipient alone"
        if protected:
            return "takes no members of the header"
        return "takes no symmetric key" if alg == "dir" else None

    def seal(self, value, alg, enc, form, keys, protected=None):
        arguments = ["encrypt", "--key", self.file("public", keys[0]), "--alg", alg, "--enc", enc]
        if form != "compact":
            arguments.append("--full")
        return self.run(arguments, value).decode()

    def open(self, envelope, key):
        return self.run(["decrypt", "--key", self.file("private", key)], envelope.encode())


class Latchset(Program):
    """latchset's `jose`."""

    def __init__(self):
        super().__init__("latchset-jose", "latchset-jose")
        self.algorithms = subprocess.run([self.program, "alg"], capture_output=True, text=True, check=True).stdout.split()

    def lacks(self, algs=(), kinds=(), enc=None, alg=None, **_):
        if "x25519" in kinds:
            return "has no X25519"
        for name in (*algs, alg, enc):
            if name and name not in self.algorithms:
                # Version 11 was built before it could speak to OpenSSL 3 about OAEP.
                return f"has no {name} in this version"
        return None

    def seal(self, value, alg, enc, form, keys, protected=None):
        protected = {"enc": enc, **(protected or {})}
        if form == "general":
            arguments = []
            for number, key in enumerate(keys):
                recipient = self.file(f"recipient{number}", {"header": {"alg": key["alg"], "kid": key["kid"]}})
                arguments += ["-r", recipient, "-k", self.file(f"public{number}", key)]
        else:
            protected["alg"] = alg
            arguments = ["-k", self.file("public", keys[0])] + (["-c"] if form == "compact" else [])
        template = self.file("template", {"protected": protected})
        return self.run(["jwe", "enc", "-i", template, "-I-", *arguments], value).decode()

    def open(self, envelope, key):
        return self.run(["jwe", "dec", "-i-", "-k", self.file("private", key)], envelope.encode())


ALL = {
    "jose-util": JoseUtil,
    "jwcrypto": Jwcrypto,
    "joserfc": Joserfc,
    "panva-jose": Panva,
    "latchset-jose": Latchset,
}
