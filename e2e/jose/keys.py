"""Key pairs made by `privy key generate`, as every peer wants them: JSON Web Keys."""

import base64
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

KINDS = ("rsa-4096", "p256", "p384", "p521", "x25519")


@dataclass
class Key:
    """One key pair under one algorithm."""

    kind: str
    alg: str
    public: dict
    private: dict
    public_file: Path
    private_file: Path


def make(privy, folder):
    """A pair of each kind; the RSA pair a second time, for RSA-OAEP with SHA-1."""
    keys = []
    for kind in KINDS:
        pem, card = folder / f"{kind}.pem", folder / f"{kind}.card.json"
        subprocess.run([privy, "key", "generate", "--kind", kind, "--out", pem, "--card", card], check=True, capture_output=True)
        shown = subprocess.run([privy, "key", "show", "--output", "jwk", card], check=True, capture_output=True)
        public = json.loads(shown.stdout)
        private_members = private_part(kind, pem.read_text())
        keys.append(pair(folder, kind, public["alg"], public, private_members))
        if kind.startswith("rsa"):
            keys.append(pair(folder, kind, "RSA-OAEP", public, private_members))
    return keys


def stranger(privy, folder):
    """A public key whose private half nobody in this suite has."""
    pem, card = folder / "stranger.pem", folder / "stranger.card.json"
    subprocess.run([privy, "key", "generate", "--kind", "p256", "--out", pem, "--card", card], check=True, capture_output=True)
    pem.unlink()
    return json.loads(subprocess.run([privy, "key", "show", "--output", "jwk", card], check=True, capture_output=True).stdout)


def pair(folder, kind, alg, public, private_members):
    # The bare key: what else a card says is for us alone.
    bare = {name: public[name] for name in ("kty", "crv", "n", "e", "x", "y") if name in public}
    public = {**bare, "kid": public["kid"], "alg": alg, "use": "enc"}
    private = {**public, **private_members}
    key = Key(kind, alg, public, private, folder / f"{kind}.{alg}.pub.jwk", folder / f"{kind}.{alg}.jwk")
    key.public_file.write_text(json.dumps(public))
    key.private_file.touch(mode=0o600)
    key.private_file.write_text(json.dumps(private))
    return key


def private_part(kind, pem):
    """The private members of the JWK, out of PKCS#8 (RFC 5958)."""
    body = "".join(line for line in pem.splitlines() if not line.startswith("-"))
    [(_, outer)] = elements(base64.b64decode(body))
    _version, _algorithm, (_, inner), *_ = elements(outer)
    if kind.startswith("rsa"):
        [(_, sequence)] = elements(inner)
        numbers = [number.lstrip(b"\0") for _, number in elements(sequence)]
        return {name: encode(number) for name, number in zip(("d", "p", "q", "dp", "dq", "qi"), numbers[3:])}
    if kind == "x25519":
        [(_, scalar)] = elements(inner)
        return {"d": encode(scalar)}
    [(_, sequence)] = elements(inner)
    _version, (_, scalar), *_ = elements(sequence)
    return {"d": encode(scalar)}


def elements(der):
    """Tag and content of each DER element in a row."""
    found = []
    while der:
        tag, length, start = der[0], der[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(der[2:start], "big")
        found.append((tag, der[start : start + length]))
        der = der[start + length :]
    return found


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
