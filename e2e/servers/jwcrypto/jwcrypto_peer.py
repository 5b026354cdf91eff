"""jwcrypto as a peer: one request per line in, one answer per line out, both JSON.

seal: {"do", "alg", "enc", "form", "value", "keys": [public JWK], "protected": more members}  ->  {"envelope"}
open: {"do", "envelope", "key": private JWK}  ->  {"value"}
What the library raises is answered as {"error"}.
"""

import base64
import json
import sys

from jwcrypto import jwe, jwk
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


for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = seal(request) if request["do"] == "seal" else open_(request)
    except Exception as error:  # whatever it is, it is the answer
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
