"""jwcrypto as a peer: one request per line in, one answer per line out, both JSON.

seal: {"do", "alg", "enc", "form", "value", "keys": [public JWK], "protected": more members}  ->  {"envelope"}
open: {"do", "envelope", "key": private JWK}  ->  {"value"}
sign: {"do", "header", "payload", "pem": private}  ->  {"jws"}, its payload detached
verify: {"do", "jws", "payload", "pem": public}  ->  {"header"}
What the library raises is answered as {"error"}.
"""

import base64
import json
import sys

from jwcrypto import jwe, jwk, jws
from jwcrypto.common import JWSEHeaderParameter

# The library refuses to write a `crit` that it does not understand itself; we make it believe.
REGISTRY = {"urn:example:unknown": JWSEHeaderParameter("unknown", True, True, None)}
ALGORITHMS = jwe.default_allowed_algs + ["RSA1_5", "dir"]


def seal(request):
    keys = [jwk.JWK(**key) for key in request["keys"]]
    several = request["form"] == "general"
    protected = {"enc": request["enc"], **request.get("protected", {})}
    if not several:
        protected["alg"] = request["alg"]
    token = jwe.JWE(
        base64.b64decode(request["value"]),
        protected=json.dumps(protected),
        algs=ALGORITHMS,
        header_registry=REGISTRY,
    )
    for key, public in zip(keys, request["keys"]):
        header = {"alg": public["alg"], "kid": public["kid"]} if several else None
        token.add_recipient(key, header=json.dumps(header) if header else None)
    return {"envelope": token.serialize(compact=request["form"] == "compact")}


def open_(request):
    token = jwe.JWE(algs=ALGORITHMS)
    token.deserialize(request["envelope"], jwk.JWK(**request["key"]))
    return {"value": base64.b64encode(token.payload).decode()}


def sign(request):
    token = jws.JWS(base64.b64decode(request["payload"]))
    header = request["header"]
    token.add_signature(jwk.JWK.from_pem(request["pem"].encode()), header["alg"], json.dumps(header))
    token.detach_payload()
    return {"jws": token.serialize(compact=True)}


def verify(request):
    token = jws.JWS()
    token.deserialize(request["jws"])
    token.verify(jwk.JWK.from_pem(request["pem"].encode()), detached_payload=base64.b64decode(request["payload"]))
    return {"header": token.jose_header}


ACTS = {"open": open_, "seal": seal, "sign": sign, "verify": verify}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = ACTS[request["do"]](request)
    except Exception as error:  # whatever it is, it is the answer
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
