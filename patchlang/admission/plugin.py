"""The manifests of a Plugin: the Plugin, and the MutatingAdmissionPolicy that adds its sidecar to pods."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..cel.syntax import chains
from ..manifests.arguments import DEFAULT_PATCHES
from ..manifests.writing import plain
from .check import FOLDER
from .reading import SOCKETS

PREFIX = "patchlang-"
_ON_THE_POD = (["metadata", "annotations"], ["metadata", "labels"])
_LIMITS = '{"cpu": "200m", "memory": "64M"}'
"""What KubeVirt gives a hook sidecar, as limits and requests; otherwise the pod would lose the Guaranteed class."""


def plugin(name: str, condition: str | None) -> str:
    """The Plugin as a YAML document."""
    asked = f"  condition: {_quoted(condition)}\n" if condition is not None else ""
    return f"""\
apiVersion: plugin.kubevirt.io/v1alpha1
kind: Plugin
metadata:
  name: {plain(name)}
spec:
{asked}\
  domainHooks:
    - sidecar:
        socketPath: {socket(name)}
"""


def socket(name: str) -> str:
    """Where the sidecar of a Plugin listens."""
    return f"{FOLDER}/{name}/hook.sock"


def of_pod(condition: str) -> str | None:
    """The condition as a test of the pod, which has the annotations and labels of its VMI; None if it reads more."""
    found = [chain for chain in chains(condition) if chain.root.text == "vmi"]
    if not all([token.text for token in chain.names[1:3]] in _ON_THE_POD for chain in found):
        return None
    for chain in reversed(found):
        condition = f"{condition[: chain.root.start]}object{condition[chain.root.end :]}"
    return f"has(object.metadata.annotations) && ({condition})"


def policy(name: str, image: str, config_map: str, key: str, condition: str | None, digest: str | None) -> str:
    """The policy that adds the container to the pods of virtual machines, and its binding, as YAML documents.

    ``condition`` is the Plugin's condition; it decides which pods get the container, as far as pods show what it reads.
    """
    args = ["--plugin-socket", socket(name), "--patches", f"{DEFAULT_PATCHES}/{key}"]
    args += ["--sha256", digest] if digest is not None else []
    asked = of_pod(condition) if condition is not None else None
    conditions = ""
    if asked is not None:
        conditions = f"  matchConditions:\n    - name: asked-for\n      expression: {_quoted(asked)}\n"
    elif condition is not None:
        conditions = "  # The Plugin's condition reads what a pod does not show, so each VM's pod gets the container.\n"
    return f"""\
apiVersion: admissionregistration.k8s.io/v1  # before Kubernetes 1.36: v1beta1
kind: MutatingAdmissionPolicy
metadata:
  name: {PREFIX}{name}
spec:
  failurePolicy: Fail
  reinvocationPolicy: Never
  matchConstraints:
    objectSelector: {{matchLabels: {{kubevirt.io: virt-launcher}}}}
    resourceRules:
      - {{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}}
{conditions}\
  mutations:
    - patchType: JSONPatch
      jsonPatch:
        expression: |
          [
            JSONPatch{{op: "add", path: "/spec/volumes/-", value: Object.spec.volumes{{
              name: "{PREFIX}{name}",
              configMap: Object.spec.volumes.configMap{{name: "{config_map}"}}
            }}}},
            JSONPatch{{op: "add", path: "/spec/containers/-", value: Object.spec.containers{{
              name: "{PREFIX}{name}",
              image: {_quoted(image)},
              args: {_list(args)},
              resources: Object.spec.containers.resources{{
                limits: {_LIMITS},
                requests: {_LIMITS}
              }},
              securityContext: Object.spec.containers.securityContext{{
                allowPrivilegeEscalation: false,
                runAsNonRoot: true,
                capabilities: Object.spec.containers.securityContext.capabilities{{drop: ["ALL"]}}
              }},
              volumeMounts: [
                Object.spec.containers.volumeMounts{{
                  name: "{SOCKETS}",
                  mountPath: "{FOLDER}/{name}/",
                  subPath: "{name}"
                }},
                Object.spec.containers.volumeMounts{{
                  name: "{PREFIX}{name}",
                  mountPath: "{DEFAULT_PATCHES}"
                }}
              ]
            }}}}
          ]
---
apiVersion: admissionregistration.k8s.io/v1  # before Kubernetes 1.36: v1beta1
kind: MutatingAdmissionPolicyBinding
metadata:
  name: {PREFIX}{name}
spec:
  policyName: {PREFIX}{name}
"""


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _list(args: Sequence[str]) -> str:
    """Flags with their values, one pair per line."""
    pairs = (", ".join(map(_quoted, args[at : at + 2])) for at in range(0, len(args), 2))
    return "[" + (",\n" + " " * 21).join(pairs) + "]"
