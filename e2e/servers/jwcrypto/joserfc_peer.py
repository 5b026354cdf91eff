"""joserfc as a peer; requests and answers as in jwcrypto_peer.py."""

import base64
import json
import sys

from joserfc import jwe
from joserfc.jwk import JWKRegistry

# Everything that the library has: what may be refused is ours to refuse.
REGISTRY = jwe.JWERegistry(algorithms=list(jwe.JWERegistry.algorithms["alg"]) + list(jwe.JWERegistry.algorithms["enc"]) + ["DEF"], strict_check_header=False)


# Meant for tokens; a value of a Secret is longer.
REGISTRY.max_ciphertext_length = 2 * 1024 * 1024


def import_key(key):
    return JWKRegistry.import_key({name: member for name, member in key.items() if name != "alg"})


def seal(request):
    value = base64.b64decode(request["value"])
    keys = [import_key(key) for key in request["keys"]]
    protected = {"enc": request["enc"], **request.get("protected", {})}
    if request["form"] == "compact":
        return {"envelope": jwe.encrypt_compact({"alg": request["alg"], **protected}, value, keys[0], registry=REGISTRY)}
    if request["form"] == "flattened":
        token = jwe.FlattenedJSONEncryption(protected, value)
    else:
        token = jwe.GeneralJSONEncryption(protected, value)
    for key, public in zip(keys, request["keys"]):
        token.add_recipient({"alg": public["alg"], "kid": public["kid"]}, key)
    return {"envelope": json.dumps(jwe.encrypt_json(token, None, registry=REGISTRY))}


def open_(request):
    key = import_key(request["key"])
    if not request["envelope"].startswith("{"):
        value = jwe.decrypt_compact(request["envelope"], key, registry=REGISTRY).plaintext
    else:
        value = open_json(json.loads(request["envelope"]), request["key"]["kid"], key)
    return {"value": base64.b64encode(value).decode()}


def open_json(envelope, kid, key):
    """The library opens for every recipient or none, so a holder of one key looks for their own."""
    if "recipients" in envelope:
        mine = [one for one in envelope["recipients"] if one.get("header", {}).get("kid") in (None, kid)]
        envelope = {**envelope, "recipients": mine}
    return jwe.decrypt_json(envelope, key, registry=REGISTRY).plaintext


for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = seal(request) if request["do"] == "seal" else open_(request)
    except Exception as error:  # whatever it is, it is the answer
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
