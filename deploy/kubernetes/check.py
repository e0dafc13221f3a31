#!/usr/bin/env python3
"""Holds pytorchjob.yaml against the operator's own schema, as the API server would, and refuses unknown keys too.

    apt-get install python3-yaml python3-jsonschema
    curl -O https://raw.githubusercontent.com/kubeflow/training-operator/v1.9.0/manifests/base/crds/kubeflow.org_pytorchjobs.yaml
    python3 deploy/kubernetes/check.py kubeflow.org_pytorchjobs.yaml [JOB.yaml]
"""
import pathlib
import sys

import jsonschema
import yaml


def strict(schema):
    """Closes every object that lists its keys; Kubernetes' "a number or a text" becomes anything."""
    if isinstance(schema, list):
        for part in schema:
            strict(part)
    elif isinstance(schema, dict):
        if schema.get("x-kubernetes-int-or-string"):
            schema.pop("anyOf", None)
            schema.pop("type", None)
        if schema.get("type") == "object" and "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
        for part in list(schema.values()):
            strict(part)


if len(sys.argv) not in (2, 3):
    sys.exit(__doc__)
crd = yaml.safe_load(open(sys.argv[1]))
path = sys.argv[2] if len(sys.argv) == 3 else pathlib.Path(__file__).with_name("pytorchjob.yaml")
job = yaml.safe_load(open(path))
group, version = job["apiVersion"].split("/")
if (group, job["kind"]) != (crd["spec"]["group"], crd["spec"]["names"]["kind"]):
    sys.exit(f"{path} is a {group} {job['kind']}, the schema is of {crd['spec']['group']} {crd['spec']['names']['kind']}")
schema = next(v for v in crd["spec"]["versions"] if v["name"] == version)["schema"]["openAPIV3Schema"]
strict(schema)
schema["properties"]["metadata"] = {"type": "object"}  # the API server's own
errors = list(jsonschema.Draft7Validator(schema).iter_errors(job))
for error in errors:
    print("/".join(map(str, error.path)) + ": " + error.message)
sys.exit(f"{path}: {len(errors)} errors" if errors else print(f"{path} fits {group}/{version}"))
