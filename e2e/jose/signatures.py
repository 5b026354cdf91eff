"""A custodian's signature is an ordinary detached JWS: peers verify ours, and `privy` verifies theirs."""

import json
import os
import subprocess

import peers

PEERS = ("jwcrypto", "panva-jose")
KINDS = {"ed25519": "EdDSA", "p256": "ES256", "rsa-2048": "PS256"}
MANIFEST = """apiVersion: v1
kind: Secret
metadata:
  name: db
  namespace: payments
stringData:
  password: not-a-secret
"""


class Custodian:
    """Somebody with a key of one kind, a configuration of their own, and a manifest."""

    def __init__(self, program, folder, kind):
        self.program, self.folder = program, folder / f"custodian-{kind}"
        self.folder.mkdir(exist_ok=True)
        self.privy("key", "generate", "--kind", "p256", "--out", "payments.pem", "--card", "payments.card.json", "--force")
        self.privy("key", "generate", "--kind", kind, "--out", "me.pem", "--force")
        (self.folder / "me.pub.pem").write_text(self.privy("key", "show", "me.pem", "--output", "pem"))
        fingerprint = json.loads(self.privy("key", "show", "me.pub.pem", "--output", "json"))["fingerprint"]
        self.privy("key", "trust", "--replace", "--value-signer", "me.pub.pem", "--fingerprint", fingerprint)
        (self.folder / "db.yaml").write_text(MANIFEST)
        self.privy("seal", "-i", "db.yaml", "--key", "payments.card.json", "--sign", "me.pem")

    def privy(self, *arguments):
        environment = {**os.environ, "PRIVY_CONFIG_DIR": str(self.folder / "configuration")}
        ended = subprocess.run(
            [self.program, *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        if ended.returncode not in (0, 1):
            raise AssertionError(f"privy {' '.join(arguments)}: {ended.stderr}")
        return ended.stdout

    def pem(self, name):
        return (self.folder / name).read_text()

    def field(self):
        """What `privy inspect` says of the value."""
        report = json.loads(self.privy("inspect", "db.yaml", "--output", "json"))
        return report["inputs"][0]["secrets"][0]["fields"][0]

    def signature(self):
        [line] = [line for line in self.pem("db.yaml").splitlines() if "privyseal.dev/sig.password: " in line]
        return line.split(": ", 1)[1].strip()

    def put(self, signature):
        text = self.pem("db.yaml").replace(self.signature(), signature)
        (self.folder / "db.yaml").write_text(text)


def run(peer, program, folder, tally):
    group = f"signatures: {peer.name} and privy"
    for kind, alg in KINDS.items():
        custodian = Custodian(program, folder, kind)
        field = custodian.field()
        digest = bytes.fromhex(field["envelope"]["digest"].removeprefix("sha256:"))
        kid = field["signature"]["kid"]

        def they_verify(custodian=custodian, digest=digest, kid=kid, alg=alg):
            header = peer.verify(custodian.signature(), digest, custodian.pem("me.pub.pem"))
            assert (header["alg"], header["typ"], header["kid"]) == (alg, "privy-envelope", kid), header

        def they_refuse(custodian=custodian, digest=digest):
            other = bytes([digest[0] ^ 1]) + digest[1:]
            try:
                peer.verify(custodian.signature(), other, custodian.pem("me.pub.pem"))
            except peers.PeerError:
                return
            raise AssertionError("a signature of another envelope verified")

        def we_verify(custodian=custodian, digest=digest, kid=kid, alg=alg):
            header = {"alg": alg, "typ": "privy-envelope", "kid": kid, "iat": 1_800_000_000}
            custodian.put(peer.sign(header, digest, custodian.pem("me.pem")))
            signature = custodian.field()["signature"]
            assert signature["state"] == "good" and signature["signedAt"] == 1_800_000_000, signature

        def we_refuse(custodian=custodian, digest=digest, kid=kid, alg=alg):
            header = {"alg": alg, "typ": "JWT", "kid": kid, "iat": 1_800_000_000}
            custodian.put(peer.sign(header, digest, custodian.pem("me.pem")))
            assert custodian.field()["signature"]["state"] == "wrong"

        tally.check(group, f"they verify ours, {alg}", they_verify)
        tally.check(group, f"they refuse ours for another envelope, {alg}", they_refuse)
        tally.check(group, f"we verify theirs, {alg}", we_verify)
        tally.check(group, f"we refuse theirs of another type, {alg}", we_refuse)
    tally.close(group)
