"""Measures how the work of `privy` grows; see `run` beside this file."""

import base64
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

MOST_GROWTH = 2.3
# Differences below this are the noise of hash maps and of the allocator, not growth.
NOISE = 1_500_000

HEAD = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: payments\n"


def url64(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def envelope(number, first="enc"):
    """A well-formed envelope, each with a ciphertext of its own; nothing here opens it."""
    members = {"enc": "A256GCM", "alg": "RSA-OAEP-256", "kid": "k",
               "bind": {"v": 1, "ns": "payments", "name": "db"}}
    members = {first: members[first], **members}
    header = json.dumps(members, separators=(",", ":"))
    tail = url64(f"{number:012d}")
    return f"{url64(header)}.AAAA.AAAAAAAAAAAAAAAA.{tail}.AAAAAAAAAAAAAAAAAAAAAA"


def fields(n, value):
    return "".join(f"  k{i}: {value(i)}\n" for i in range(n))


def secret(n, value, section="stringData", annotations=""):
    metadata = f"  annotations:\n{annotations}" if annotations else ""
    return f"{HEAD}{metadata}{section}:\n{fields(n, value)}"


def plain(i):
    return f"hunter{i}x"


def plain64(i):
    return base64.b64encode(plain(i).encode()).decode()


def one_file(text):
    return {"case.yaml": text}


def documents(n):
    return "".join(f"---\n{HEAD.replace('name: db', f'name: db{i}')}stringData:\n  k: {plain(i)}\n" for i in range(n))


def json_line(n):
    data = {f"k{i}": plain(i) for i in range(n)}
    return {"case.json": json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "p"},
                                     "stringData": data})}


def json_list(n):
    item = lambda i: {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"n{i}", "namespace": "p"},
                      "stringData": {"k": envelope(i, "kid")}}
    others = {f"m{i}": i for i in range(n)}
    return {"case.json": json.dumps({"apiVersion": "v1", "kind": "List", **others, "items": [item(i) for i in range(n)]})}


def annotated(n, prefix, value):
    return "".join(f"    {prefix}k{i}: {value(i)}\n" for i in range(n))


def kustomization(n, **members):
    return "".join(f"{name}:\n" + "".join(f"- {value(i)}\n" for i in range(n)) for name, value in members.items())


def files(n, name="f{}.yaml", text=None):
    text = text or (lambda i: secret(1, plain))
    return {name.format(i): text(i) for i in range(n)}


def overlays(n):
    """Each level draws on the one below it by two ways: there are 2**n ways and n folders."""
    tree = {}
    for i in range(n):
        below = f"resources: [../a{i + 1}, ../b{i + 1}]\n" if i + 1 < n else "resources: [db.yaml]\n"
        tree[f"a{i}/kustomization.yaml"] = below
        tree[f"b{i}/kustomization.yaml"] = below
        tree[f"a{i}/db.yaml"] = tree[f"b{i}/db.yaml"] = secret(1, plain)
    return tree


def generators(n):
    made = "".join(f"- name: g{i}\n  literals: [a=hunter2]\n" for i in range(n))
    return {"base/kustomization.yaml": f"secretGenerator:\n{made}",
            "over/kustomization.yaml": "namePrefix: p-\nresources: [../base]\n"}


def rules(n, allow=0):
    rule = "".join(f"- paths: ['no{i}/**']\n  key: payments.card.json\n" for i in range(n))
    text = f"version: 1\nrules:\n{rule}- paths: ['**']\n  key: payments.card.json\n"
    if allow:
        entry = "".join(f"  - rule: plaintext\n    paths: ['no{i}/**']\n    reason: x\n" for i in range(allow))
        text += f"lint:\n  allow:\n{entry}"
    return {".privy.yaml": text}


def sides(before, after):
    return {**{f"before/{name}": text for name, text in before.items()},
            **{f"after/{name}": text for name, text in after.items()}}


def nested(n):
    text = "x: " + "[" * n + "]" * n
    return one_file(f"kind: ConfigMap\n# Secret\n{text}\n---\n{secret(1, plain)}")


def policy(keys=1, namespaces=1, signers=0, submitters=0, rules=0, owners=0):
    """The webhook's configuration with so many of each, and a Secret that it is asked about."""
    lines = ["version: 1", "keys:"]
    for i in range(keys):
        lines += [f"  - name: key{i}", f"    publicKey: ../key{i}.card.json", f'    unwrap: ["file:absent{i}.pem"]',
                  "    namespaces: [" + ", ".join(["payments"] + [f"n{i}" for i in range(namespaces)]) + "]"]
    if signers:
        lines += ["signers:"] + [f"  - {{name: s{i}, publicKey: ../signer{i}.pub.pem}}" for i in range(signers)]
    lines += ["policy:", "  widest: anywhere"]
    if signers:
        lines += ["  onlyFrom: [" + ", ".join(f"s{i}" for i in range(signers)) + "]"]
    if submitters:
        lines += ["  submitters: [" + ", ".join(f'"user:u{i}"' for i in range(submitters)) + "]"]
    if rules:
        lines += ["  namespaces:"] + [f"    - {{match: [r{i}], widest: secret}}" for i in range(rules)]
    if owners:
        lines += ["  owners:"] + [f"    - {{match: [o{i}], file: owner{i}.yaml}}" for i in range(owners)]
    made = {f"owner{i}.yaml": "version: 1\nwidest: secret\n" for i in range(owners)}
    return {"webhook.yaml": "\n".join(lines) + "\n", **made, **one_file(secret(20, envelope))}


LINT = ["lint", "case"]
BY_POLICY = ["lint", "--policy", "case/webhook.yaml", "case/case.yaml"]
KEY = ["--key", "payments.card.json"]
REWRITE = ["seal", "--rewrite", "case"]
SEAL = ["seal", "-i", *KEY, "case"]

# name: (command, smallest size, input of size n, exit codes)
DIMENSIONS = {
    "lint fields of data": (LINT, 500, lambda n: one_file(secret(n, plain64, "data")), (1,)),
    "lint fields of stringData": (LINT, 500, lambda n: one_file(secret(n, plain)), (1,)),
    "lint fields in both sections": (
        LINT, 300, lambda n: one_file(secret(n, plain64, "data") + "stringData:\n" + fields(n, plain)), (1,)),
    "lint sealed fields": (LINT, 300, lambda n: one_file(secret(n, envelope)), (0, 1)),
    "lint fields of a type": (LINT, 300, lambda n: one_file(
        secret(n, envelope) + "type: kubernetes.io/tls\n"), (0, 1)),
    "lint fields that cannot be read": (LINT, 500, lambda n: one_file(secret(n, lambda i: i)), (1,)),
    "lint fields on one line": (LINT, 500, json_line, (1,)),
    "lint items and members of a list": (LINT, 250, json_list, (0, 1)),
    "lint documents": (LINT, 250, lambda n: one_file(documents(n)), (1,)),
    "lint lines": (LINT, 4000, lambda n: one_file("# x\n" * n + secret(1, plain)), (1,)),
    "lint lines of a value": (
        LINT, 4000, lambda n: one_file(f"{HEAD}stringData:\n  k: |\n" + "    hunter2\n" * n), (1,)),
    "lint nesting": (LINT, 30, nested, (1,)),
    "lint bytes of a value": (LINT, 20_000, lambda n: one_file(secret(1, lambda i: "hunter2x" * n)), (1,)),
    "lint bytes that look like envelopes": (LINT, 4000, lambda n: one_file(secret(1, lambda i: "eyJ" * n)), (1,)),
    "lint words that look like base64": (
        LINT, 2000, lambda n: one_file(secret(1, lambda i: "ZXlKhbGciOiJSU0EtT0FFUC0yNTYiLC" * n)), (1,)),
    "lint sealed annotations": (
        LINT, 300, lambda n: one_file(secret(1, plain, annotations=annotated(n, "privyseal.dev/data.", envelope))), (1,)),
    "lint annotations beside fields": (
        LINT, 300, lambda n: one_file(secret(n, plain, annotations=annotated(n, "privyseal.dev/data.", envelope))), (1,)),
    "lint signatures": (
        LINT, 300, lambda n: one_file(secret(n, plain, annotations=annotated(n, "privyseal.dev/sig.", plain))), (1,)),
    "lint names in leave": (LINT, 500, lambda n: one_file(secret(n, plain, annotations="    privyseal.dev/leave: "
                            + ",".join(f"k{i}" for i in range(n)) + "\n")), (1,)),
    "lint files": (LINT, 100, lambda n: files(n), (1,)),
    "lint folders": (LINT, 60, lambda n: files(n, "d{}/f.yaml"), (1,)),
    "lint nested folders": (LINT, 15, lambda n: {"/".join(["d"] * n) + "/f.yaml": secret(1, plain)}, (1,)),
    "lint repositories": (LINT, 40, lambda n: {
        **files(n, "d{}/f.yaml"), **files(n, "d{}/.privy.yaml", lambda i: rules(1)[".privy.yaml"].replace(
            "payments.card.json", "../../payments.card.json"))}, (1,)),
    "lint resources of a kustomization": (LINT, 100, lambda n: {
        **files(n), "kustomization.yaml": kustomization(n, resources="f{}.yaml".format)}, (1,)),
    "lint kustomizations of a base": (LINT, 60, lambda n: {
        "base/kustomization.yaml": "resources: [db.yaml]\n", "base/db.yaml": secret(1, envelope),
        **files(n, "o{}/kustomization.yaml", lambda i: f"namePrefix: o{i}-\nresources: [../base]\n")}, (0, 1)),
    "lint overlays of overlays": (LINT, 7, overlays, (1,)),
    "lint generators": (LINT, 150, generators, (1,)),
    "lint literals of a generator": (LINT, 300, lambda n: {
        "kustomization.yaml": "secretGenerator:\n- name: g\n  literals:\n" + "".join(f"  - k{i}=hunter2\n" for i in range(n))}, (1,)),
    "lint env files of a generator": (LINT, 200, lambda n: {
        "kustomization.yaml": "secretGenerator:\n- name: g\n  envs:\n" + "  - a.env\n" * n,
        "a.env": "".join(f"K{i}=hunter2\n" for i in range(n))}, (1,)),
    "lint rules": (LINT, 200, lambda n: {**one_file(secret(1, plain)), **rules(n)}, (1,)),
    "lint suppressions": (LINT, 200, lambda n: {**one_file(secret(n, plain)), **rules(1, n)}, (1,)),
    "inspect fields": (["inspect", "case/case.yaml"], 300, lambda n: one_file(secret(n, envelope)), (0, 1)),
    "inspect annotations": (["inspect", "case/case.yaml"], 300, lambda n: one_file(
        secret(1, plain, annotations=annotated(n, "privyseal.dev/data.", envelope))), (0, 1)),
    "inspect documents": (["inspect", "case/case.yaml"], 250, lambda n: one_file(documents(n)), (0, 1)),
    "diff fields": (["diff", "case/before", "case/after"], 300, lambda n: sides(
        one_file(secret(n, envelope)), one_file(secret(n, lambda i: envelope(i + n)))), (0, 1)),
    "diff moved envelopes": (["diff", "case/before", "case/after"], 300, lambda n: sides(
        one_file(secret(n, envelope)), one_file(secret(n, envelope).replace("name: db", "name: other"))), (0, 1)),
    "diff files with one Secret": (["diff", "case/before", "case/after"], 100, lambda n: sides(
        files(n, "f{}.yaml", lambda i: secret(1, envelope)), files(n, "g{}.yaml", lambda i: secret(1, envelope))), (0, 1)),
    "diff files that cannot be read": (["diff", "case/before", "case/after"], 150, lambda n: sides(
        files(n, "f{}.yaml", lambda i: "kind: Secret\n  x: [\n"), files(1)), (0, 1, 2)),
    "rewrite fields": (REWRITE, 250, lambda n: one_file(secret(n, lambda i: envelope(i, "kid"))), (0,)),
    "rewrite items and members of a list": (REWRITE, 200, json_list, (0,)),
    "rewrite annotations": (REWRITE, 250, lambda n: one_file(
        secret(1, plain, annotations=annotated(n, "privyseal.dev/data.", lambda i: f"'  {envelope(i)}'"))), (0,)),
    "rewrite documents": (REWRITE, 200, lambda n: one_file(
        documents(n).replace("k: hunter", f"k: {envelope(1, 'kid')}#")), (0, 1)),
    "rewrite files": (REWRITE, 60, lambda n: files(n, text=lambda i: secret(1, lambda i: envelope(i, "kid"))), (0,)),
    "seal fields": (SEAL, 250, lambda n: one_file(secret(n, plain)), (0,)),
    "seal fields into annotations": (["seal", "-i", *KEY, "--layout", "annotation", "case"], 60,
                                     lambda n: one_file(secret(n, plain)), (0,)),
    "seal beside annotations": (SEAL, 60, lambda n: one_file(
        secret(n, plain, annotations=annotated(n, "privyseal.dev/data.", envelope))), (0,)),
    "seal documents": (SEAL, 100, lambda n: one_file(documents(n)), (0,)),
    "seal fields on one line": (SEAL, 250, json_line, (0,)),
    "seal files": (SEAL, 40, lambda n: files(n), (0,)),
    "set beside fields": (["set", "case/case.yaml", "k1", *KEY], 500, lambda n: one_file(secret(n, plain)), (0,)),
    "sign fields": (["sign", "case/case.yaml", "--key", "me.pem"], 60, lambda n: one_file(secret(n, envelope)), (0,)),
    "edit fields": (["edit", "case/case.yaml", *KEY], 250, lambda n: one_file(secret(n, envelope)), (0,)),
    "keys of the configuration": (BY_POLICY, 8, lambda n: policy(keys=n), (0, 1)),
    "namespaces of a key": (BY_POLICY, 300, lambda n: policy(namespaces=n), (0, 1)),
    "rules of namespaces": (BY_POLICY, 200, lambda n: policy(rules=n), (0, 1)),
    "signers": (BY_POLICY, 8, lambda n: policy(signers=n), (0, 1)),
    "submitters": (BY_POLICY, 300, lambda n: policy(submitters=n), (0, 1)),
    "owners' files": (BY_POLICY, 60, lambda n: policy(owners=n), (0, 1)),
    "check a card": (["key", "show", "case/card.json"], 8, None, (0,)),
}


def instructions(privy, folder, command):
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PRIVY_CONFIG_DIR": str(folder / ".config"),
                   "EDITOR": "true", "NO_COLOR": "1"}
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--log-file=" + str(folder / "log"), privy]
    ended = subprocess.run([*valgrind, *command], cwd=folder, env=environment, input=b"hunter2", capture_output=True)
    found = re.search(r"Collected : (\d+)", (folder / "log").read_text())
    return ended.returncode, int(found[1]) if found else 0, ended.stderr.decode(errors="replace")


def card(shared, n):
    """A card with n keys: those of the shared folder."""
    keys = [json.loads((shared / f"key{i}.card.json").read_text())["keys"][0] for i in range(n)]
    for key in keys[1:]:
        key["privy"]["status"] = "retired"
    return {"card.json": json.dumps({"keys": keys})}


def verdict(name, counts):
    """Whether the second doubling added little more than twice what the first one added."""
    first, second = counts[1] - counts[0], counts[2] - counts[1]
    grown = second / max(first, 1)
    fits = second <= MOST_GROWTH * max(first, 0) + NOISE
    shown = ", ".join(f"{count / 1e6:.1f}" for count in counts)
    return name, fits, f"{grown:5.2f} times ({shown} million instructions)"


def measure_review(program, name):
    """One review with n of something, answered by the webhook's code in a process of its own."""
    counts = []
    for n in (1000, 2000, 4000):
        with tempfile.TemporaryDirectory(prefix="growth-") as folder:
            code, count, said = instructions(program, pathlib.Path(folder), [name, str(n)])
            if code != 0 or not count:
                return f"review: {name}", False, f"exit code {code}: {said[-400:]}"
            counts.append(count)
    return verdict(f"review: {name}", counts)


def measure(privy, shared, name):
    command, smallest, make, codes = DIMENSIONS[name]
    if command[-1] == "case" and command[0] == "lint" and ".privy.yaml" not in (make(smallest) if make else {}):
        command = [*command, "--allow", "no-namespace"]
    counts = []
    for n in (smallest, 2 * smallest, 4 * smallest):
        with tempfile.TemporaryDirectory(prefix="growth-") as folder:
            folder = pathlib.Path(folder)
            for file in ("payments.card.json", "me.pem"):
                shutil.copy(shared / file, folder / file)
            for path, text in (make(n) if make else card(shared, n)).items():
                file = folder / "case" / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            if "--policy" in command:
                for file in [*shared.glob("key*.card.json"), *shared.glob("signer*.pub.pem")]:
                    shutil.copy(file, folder / file.name)
            if (folder / "case/.privy.yaml").exists():
                shutil.copy(shared / "payments.card.json", folder / "case/payments.card.json")
            code, count, said = instructions(privy, folder, command)
            if code not in codes or not count:
                return name, False, f"exit code {code}: {said[-400:]}"
            counts.append(count)
    return verdict(name, counts)


def main():
    privy, review_once, filters = sys.argv[1], sys.argv[2], sys.argv[3:]
    wanted = lambda name: not filters or any(word in name for word in filters)
    names = [name for name in DIMENSIONS if wanted(name)]
    listed = subprocess.run([review_once, "--list"], check=True, capture_output=True, text=True).stdout.splitlines()
    reviews = [name for name in listed if wanted(f"review: {name}")]
    passed = 0
    with tempfile.TemporaryDirectory(prefix="growth-") as shared:
        shared = pathlib.Path(shared)
        generate = [privy, "key", "generate", "--out"]
        for arguments in (
            ["payments.pem", "--kind", "p256", "--name", "payments", "--card", "payments.card.json"],
            ["me.pem", "--kind", "ed25519"],
            *(["key{}.pem".format(i), "--kind", "p256", "--name", f"key{i}", "--card", f"key{i}.card.json"]
              for i in range(32)),
        ):
            subprocess.run([*generate, *arguments], cwd=shared, check=True, capture_output=True)
        for i in range(32):
            subprocess.run([*generate, f"signer{i}.pem", "--kind", "ed25519"], cwd=shared, check=True, capture_output=True)
            shown = subprocess.run([privy, "key", "show", f"signer{i}.pem", "--output", "pem"], cwd=shared, check=True,
                                   capture_output=True)
            (shared / f"signer{i}.pub.pem").write_bytes(shown.stdout)
        with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("PRIVY_E2E_JOBS", "2"))) as pool:
            jobs = [lambda name=name: measure(privy, shared, name) for name in names]
            jobs += [lambda name=name: measure_review(review_once, name) for name in reviews]
            for name, fits, words in pool.map(lambda job: job(), jobs):
                passed += fits
                print(f"{'ok     ' if fits else 'FAILED '} {name}: {words}", flush=True)
    print(f"{passed} passed, {len(jobs) - passed} failed, 0 skipped")
    return 0 if passed == len(jobs) else 1


if __name__ == "__main__":
    sys.exit(main())
