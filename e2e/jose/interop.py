"""Every peer seals and we open; we seal and every peer opens; and what peers can make but nobody should open, we refuse."""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import keys as key_pairs
import peers
import signatures

FORMS = ("compact", "flattened", "general")
ENCODINGS = ("A256GCM", "A128CBC-HS256")
RARE_ENCODINGS = ("A128GCM", "A192GCM", "A192CBC-HS384", "A256CBC-HS512")
BYTES = bytes(range(256)) + b"\r\n\0"
VALUES = {"empty": b"", "text": "pässwörd €\n".encode(), "64 KiB": os.urandom(64 * 1024)}
PLACE = "payments/db/password"


class Refused(Exception):
    """What `privy open` says when it does not open."""

    def __init__(self, answer):
        super().__init__(f"{answer['code']}: {answer['message']}")
        self.code, self.unwraps = answer["code"], answer["unwraps"]


class Privy:
    """Our side."""

    def __init__(self, program):
        self.program = program

    def open(self, envelope, private_file, *flags):
        command = [self.program, "open", "--key", private_file, *flags]
        ended = subprocess.run(command, input=envelope.encode(), capture_output=True, check=False)
        if ended.returncode == 0:
            return ended.stdout
        if ended.stdout:
            raise AssertionError(f"refused with {len(ended.stdout)} bytes on standard output")
        told = subprocess.run([*command, "--output", "json"], input=envelope.encode(), capture_output=True, check=False)
        if ended.returncode != 1 or told.returncode != 1:
            raise AssertionError(f"exit {ended.returncode} instead of 1: {ended.stderr.decode(errors='replace')}")
        raise Refused(json.loads(told.stdout))

    def seal(self, value, keys, form):
        command = [self.program, "seal", "--for", PLACE, "--raw", "--allow-empty", "--serialization", form]
        for key in keys:
            command += ["--key", key.public_file]
        ended = subprocess.run(command, input=value, capture_output=True, check=False)
        if ended.returncode != 0:
            raise AssertionError(f"privy seal: {ended.stderr.decode(errors='replace')}")
        # What is printed is a line of text; its end is no part of the envelope, and strict peers say so.
        return ended.stdout.decode().removesuffix("\n")


class Tally:
    """What happened, group by group: failures in full, the rest as counts."""

    def __init__(self):
        self.passed, self.failed, self.skipped = Counter(), Counter(), Counter()

    def check(self, group, label, act):
        try:
            act()
        except (AssertionError, Refused, peers.PeerError) as error:
            self.failed[group] += 1
            print(f"FAILED {group}: {label}: {error}", flush=True)
        else:
            self.passed[group] += 1

    def skip(self, peer, why):
        self.skipped[peer] += 1
        print(f"!!! SKIPPED: {peer}: {why}", flush=True)

    def close(self, group):
        print(f"{group:<40} {self.passed[group]:4} passed {self.failed[group]:4} failed", flush=True)


def same(got, wanted):
    assert got == wanted, f"{len(got)} bytes came out that are not the {len(wanted)} bytes that went in"


def refused(act, codes):
    """Refused with one of these codes, and, but for a tag that fails, before the private key was touched."""
    try:
        opened = act()
    except Refused as refusal:
        assert refusal.code in codes, f"refused as {refusal.code}, not as {' or '.join(codes)}"
        if refusal.code != "not-opened":
            assert refusal.unwraps == 0, "the private key was used before it was refused"
        return
    raise AssertionError(f"opened: {len(opened)} bytes")


def altered(envelope):
    """The same envelope with one character of the ciphertext changed."""
    if envelope.lstrip().startswith("{"):
        parsed = json.loads(envelope)
        parsed["ciphertext"] = other_first(parsed["ciphertext"])
        return json.dumps(parsed)
    parts = envelope.strip().split(".")
    parts[3] = other_first(parts[3])
    return ".".join(parts)


def other_first(text):
    return ("B" if text[0] == "A" else "A") + text[1:]


class Suite:
    def __init__(self, privy, keys, stranger, tally):
        self.privy, self.keys, self.stranger, self.tally = privy, keys, stranger, tally
        self.by_kind = {(key.kind, key.alg): key for key in keys}
        self.p256 = self.by_kind["p256", "ECDH-ES+A256KW"]
        self.p384 = self.by_kind["p384", "ECDH-ES+A256KW"]
        self.rsa = self.by_kind["rsa-4096", "RSA-OAEP-256"]

    def run(self, peer):
        lacking = {}
        for key in self.keys:
            why = peer.lacks(kinds=[key.kind], algs=[key.alg])
            if why:
                lacking[f"{key.kind} {key.alg}"] = why
        for what, why in lacking.items():
            # An algorithm that the peer was not made with is a gap in what this suite shows, so it is counted.
            self.tally.skip(peer.name, f"{what}: it {why}")
        usable = [key for key in self.keys if f"{key.kind} {key.alg}" not in lacking]
        for direction in (self.they_seal, self.we_seal, self.must_refuse):
            direction(peer, usable)

    # The peer seals, `privy open` opens.
    def they_seal(self, peer, usable):
        group = f"{peer.name} seals, privy opens"

        def case(label, value, key, enc, form, recipients=None):
            if peer.lacks(form=form, enc=enc, recipients=len(recipients or [key])):
                return

            def act():
                sealed_for = [one.public for one in recipients or [key]]
                envelope = peer.seal(value, key.alg, enc, form, sealed_for)
                self.has_form(envelope, form, peer)
                same(self.privy.open(envelope, key.private_file, "--allow-unbound"), value)

            self.tally.check(group, f"{label}, {key.alg} {key.kind} {enc} {form}", act)

        for key in usable:
            for form in FORMS:
                for enc in ENCODINGS:
                    case("all bytes", BYTES, key, enc, form)
        for key in usable[:1]:
            for enc in RARE_ENCODINGS:
                case("all bytes", BYTES, key, enc, "compact")
        for key in (usable[0], usable[-1]):
            for label, value in VALUES.items():
                case(label, value, key, "A256GCM", "compact")
                case(label, value, key, "A128CBC-HS256", "flattened")
        for pair in self.pairs(usable):
            for mine in pair:
                case("two recipients", BYTES, mine, "A256GCM", "general", pair)
        self.tally.close(group)

    # `privy seal` seals, the peer opens.
    def we_seal(self, peer, usable):
        group = f"privy seals, {peer.name} opens"

        def case(label, value, key, form, recipients=None):
            recipients = recipients or [key]
            if peer.lacks(form=form, recipients=len(recipients)):
                return

            def act():
                envelope = self.privy.seal(value, recipients, form)
                same(peer.open(envelope, key.private), value)

            self.tally.check(group, f"{label}, {key.alg} {key.kind} {form}", act)

        for key in usable:
            for form in FORMS:
                case("all bytes", BYTES, key, form)
        for label, value in VALUES.items():
            why = peer.lacks(opens_nothing=not value)
            if why:
                self.tally.skip(peer.name, f"{label} value: it {why}")
                continue
            for key in (usable[0], usable[-1]):
                case(label, value, key, "compact")
        for pair in self.pairs(usable):
            for mine in pair:
                case("two recipients", BYTES, mine, "general", pair)
        self.tally.close(group)

    # What the peer can make, and nobody should open.
    def must_refuse(self, peer, usable):
        group = f"{peer.name} seals, privy refuses"
        key = usable[0]

        def case(label, codes, act):
            self.tally.check(group, label, lambda: refused(act, codes))

        def seal(**change):
            wanted = {"alg": key.alg, "enc": "A256GCM", "form": "compact", "keys": [key.public], **change}
            return peer.seal(BYTES, **wanted)

        def opened(envelope, *flags):
            return self.privy.open(envelope, key.private_file, *(flags or ["--allow-unbound"]))

        case("nothing says where it belongs", ["unbound", "foreign"], lambda: opened(seal(), "--for", PLACE))
        # With a `kid` it belongs to somebody else; without one our key is tried, and its tag fails.
        case("sealed for another key", ["foreign", "not-opened"], lambda: self.privy.open(
            seal(alg=self.p256.alg, keys=[self.stranger]), self.p256.private_file, "--allow-unbound"))
        for form in ("compact", "flattened"):
            case(f"one character altered, {form}", ["not-opened"], lambda form=form: opened(altered(seal(form=form))))
        if not peer.lacks(alg="RSA1_5"):
            old = {**self.rsa.public, "alg": "RSA1_5"}
            case("RSA1_5", ["unsupported", "wrong-key-algorithm"], lambda: self.privy.open(
                seal(alg="RSA1_5", keys=[old]), self.rsa.private_file, "--allow-unbound"))
        if not peer.lacks(alg="dir"):
            shared = {"kty": "oct", "k": key_pairs.encode(os.urandom(32)), "kid": key.public["kid"]}
            case("dir", ["foreign"], lambda: opened(seal(alg="dir", keys=[shared])))
        if not peer.lacks(protected={"zip": "DEF"}):
            case("zip", ["unsupported"], lambda: opened(seal(protected={"zip": "DEF"})))
            critical = {"crit": [peers.UNKNOWN], peers.UNKNOWN: True}
            if not peer.lacks(protected=critical):
                case("crit with an unknown name", ["unsupported"], lambda: opened(seal(protected=critical)))
            self.bound_by_the_peer(peer, group, case, seal, opened)
        self.tally.close(group)

    def bound_by_the_peer(self, peer, group, case, seal, opened):
        """A peer that lets its user add members makes envelopes that are bound like ours."""
        bind = {"bind": {"v": 1, "ns": "payments", "name": "db", "key": "password"}}
        self.tally.check(group, "bound by the peer, in its place",
                         lambda: same(opened(seal(protected=bind), "--for", PLACE), BYTES))
        for place in ("payments/db/username", "payments/other/password", "shop/db/password"):
            case(f"bound by the peer, at {place}", ["wrong-place"],
                 lambda place=place: opened(seal(protected=bind), "--for", place))

    def pairs(self, usable):
        """Two recipients of one kind, and of two kinds."""
        return [pair for pair in ([self.p256, self.p384], [self.rsa, self.p256]) if all(key in usable for key in pair)]

    @staticmethod
    def has_form(envelope, form, peer):
        """That a peer did what it was asked; for one recipient, general and flattened are the peer's choice."""
        is_json = envelope.lstrip().startswith("{")
        assert is_json == (form != "compact"), f"{peer.name} was asked for {form} and wrote {envelope[:16]!r}…"


def main(program, names):
    unknown = [name for name in names if name not in peers.ALL]
    if unknown:
        print(f"no peer is called {unknown[0]}; there are: {' '.join(peers.ALL)}", file=sys.stderr)
        return 2
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        suite = Suite(Privy(program), key_pairs.make(program, folder), key_pairs.stranger(program, folder), tally)
        for name in names or peers.ALL:
            try:
                peer = peers.ALL[name]()
            except peers.Missing as missing:
                tally.skip(name, str(missing))
                continue
            suite.run(peer)
            if name in signatures.PEERS:
                signatures.run(peer, program, folder, tally)
            peer.close()
    failed = tally.failed.total()
    print(f"{tally.passed.total()} passed, {failed} failed, {tally.skipped.total()} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(str(Path(sys.argv[1]).resolve()), sys.argv[2:]))
