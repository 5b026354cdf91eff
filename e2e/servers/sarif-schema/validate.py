"""Holds SARIF logs to the published schema: validate.py SCHEMA LOG…; says every fault, exit 1 where there is one."""

import json
import sys

from jsonschema import Draft7Validator


def main(schema_path, logs):
    with open(schema_path, encoding="utf-8") as file:
        schema = json.load(file)
    Draft7Validator.check_schema(schema)
    validator = Draft7Validator(schema, format_checker=Draft7Validator.FORMAT_CHECKER)
    faults = 0
    for path in logs:
        with open(path, encoding="utf-8") as file:
            log = json.load(file)
        for error in validator.iter_errors(log):
            faults += 1
            where = "/".join(str(part) for part in error.absolute_path)
            print(f"{path}: /{where}: {error.message[:300]}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
