"""Microsoft's own client against the double: arguments are the vault, a key, its enabled version, and a folder with ca.pem."""

import sys
import time

from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm

vault, name, version, folder = sys.argv[1:5]


class Credential:
    """Stands for an identity: the double takes this token."""

    asked_for: list = []

    def get_token(self, *scopes, **_):
        self.asked_for.append(scopes)
        return AccessToken("the-token-of-the-test", int(time.time()) + 3600)


options = {"connection_verify": f"{folder}/ca.pem", "verify_challenge_resource": False, "retry_total": 0}
credential = Credential()
client = KeyClient(vault, credential, **options)


def fails(error, call):
    try:
        call()
    except error:
        return
    raise AssertionError(f"{error.__name__} was expected")


key = client.get_key(name, version)
assert key.id == f"{vault}/keys/{name}/{version}", key.id
assert key.properties.enabled and "unwrapKey" in key.key_operations
# The client found out by the challenge what to ask a token for.
assert credential.asked_for[0] == ("https://vault.fake.test/.default",), credential.asked_for
assert client.get_key(name).properties.version == version, "the newest one"

versions = list(client.list_properties_of_key_versions(name))
assert {v.version: v.enabled for v in versions} == {f"{1:032x}": False, version: True}

secret = b"0123456789abcdef0123456789abcdef"
crypto = CryptographyClient(key, credential, **options)
for algorithm in (KeyWrapAlgorithm.rsa_oaep_256, KeyWrapAlgorithm.rsa_oaep):
    wrapped = crypto.wrap_key(algorithm, secret)
    unwrapped = crypto.unwrap_key(algorithm, wrapped.encrypted_key)
    assert unwrapped.key == secret
    assert unwrapped.key_id == key.id

damaged = wrapped.encrypted_key[:-1] + bytes([wrapped.encrypted_key[-1] ^ 1])
fails(HttpResponseError, lambda: crypto.unwrap_key(KeyWrapAlgorithm.rsa_oaep, damaged))
fails(ResourceNotFoundError, lambda: client.get_key("absent"))
old = CryptographyClient(f"{vault}/keys/{name}/{1:032x}", credential, **options)
fails(HttpResponseError, lambda: old.unwrap_key(KeyWrapAlgorithm.rsa_oaep, wrapped.encrypted_key))
print("azure-keyvault-keys works with the double unchanged")
