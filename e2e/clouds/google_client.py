"""Google's own client against the double: arguments are its endpoint and a key's name."""

import sys
from urllib.parse import urlsplit

import google_crc32c
import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import kms
from google.cloud.kms_v1.services.key_management_service.transports import (
    KeyManagementServiceRestTransport,
)

endpoint, key = sys.argv[1:3]
transport = KeyManagementServiceRestTransport(
    host=urlsplit(endpoint).netloc, url_scheme="http", credentials=AnonymousCredentials()
)
client = kms.KeyManagementServiceClient(transport=transport)


def checksum(data: bytes) -> int:
    return int.from_bytes(google_crc32c.Checksum(data).digest(), "big")


def fails(error, call):
    try:
        call()
    except error:
        return
    raise AssertionError(f"{error.__name__} was expected")


versions = list(client.list_crypto_key_versions(request={"parent": key}))
states = [version.state.name for version in versions]
assert states == ["DISABLED", "ENABLED"], states
enabled = versions[1].name
filtered = client.list_crypto_key_versions(request={"parent": key, "filter": "state=ENABLED"})
assert [version.name for version in filtered] == [enabled]

public = client.get_public_key(request={"name": enabled})
assert public.name == enabled
assert public.algorithm.name == "RSA_DECRYPT_OAEP_3072_SHA256"
assert public.pem_crc32c == checksum(public.pem.encode())

rsa = serialization.load_pem_public_key(public.pem.encode())
oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
secret = b"0123456789abcdef0123456789abcdef"
ciphertext = rsa.encrypt(secret, oaep)


def decrypt(name=enabled, data=ciphertext, crc=None):
    request = {"name": name, "ciphertext": data}
    if crc is not None:
        request["ciphertext_crc32c"] = crc
    return client.asymmetric_decrypt(request=request)


answer = decrypt(crc=checksum(ciphertext))
assert answer.plaintext == secret
assert answer.verified_ciphertext_crc32c
assert answer.plaintext_crc32c == checksum(secret)
assert not decrypt().verified_ciphertext_crc32c, "nothing was sent to verify"

fails(exceptions.BadRequest, lambda: decrypt(crc=checksum(ciphertext) ^ 1))
fails(exceptions.BadRequest, lambda: decrypt(data=ciphertext[:-1] + bytes([ciphertext[-1] ^ 1])))
fails(exceptions.BadRequest, lambda: decrypt(name=versions[0].name))
fails(exceptions.NotFound, lambda: decrypt(name=f"{key}/cryptoKeyVersions/9"))

# The metadata server, as google.auth reads it.
token = requests.get(
    f"{endpoint}/computeMetadata/v1/instance/service-accounts/default/token",
    headers={"Metadata-Flavor": "Google"},
    timeout=10,
)
assert token.json()["token_type"] == "Bearer" and token.headers["Metadata-Flavor"] == "Google"
assert requests.get(token.url, timeout=10).status_code == 403
print("google-cloud-kms works with the double unchanged")
