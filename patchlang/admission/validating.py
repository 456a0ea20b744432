"""A ValidatingAdmissionPolicy that admits only the reviewed texts of KubeVirt's annotation, byte for byte.

On an update the previous text may stay: KubeVirt's controllers update running VMs all the time.

Such a policy cannot parse JSON. A pattern could be bypassed: Go reads the keys of an object in any case, uses the
last of several, and knows escapes. So the policy compares the whole text.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..manifests.documents import MACHINES
from ..manifests.machines import ANNOTATION
from .quoting import in_lines, quoted

NAME = "hook-sidecars"
PLACES = tuple(sorted({(*template, "metadata") for template in MACHINES.values()}, key=len))
"""Where the metadata of a VirtualMachineInstance is, in each kind."""

_RULES = {
    "kubevirt.io": "virtualmachines, virtualmachineinstances, virtualmachineinstancereplicasets",
    "pool.kubevirt.io": "virtualmachinepools",
}


def policy(admitted: Iterable[str]) -> str:
    """The policy and its binding as YAML documents. ``admitted`` are the texts of the annotation."""
    listed = "".join(f"          {in_lines(text, ' ' * 12)},\n" for text in dict.fromkeys(admitted))
    rules = "".join(
        f"      - apiGroups: [{group}]\n"
        f'        apiVersions: ["*"]\n        operations: [CREATE, UPDATE]\n        resources: [{resources}]\n'
        for group, resources in _RULES.items()
    )
    return f"""\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {NAME}
spec:
  failurePolicy: Fail
  matchConstraints:
    matchPolicy: Equivalent
    resourceRules:
{rules}\
  variables:
    # The reviewed values of {ANNOTATION}.
    - name: admitted
      expression: |
        [
{listed}\
        ]
    # The annotation at each of these places, empty if missing: now, and before an update.
    - name: texts
      expression: |
        [dyn(object), oldObject == null ? dyn({{}}) : dyn(oldObject)].map(o, [
{_texts("o")}\
        ])
  validations:
    - expression: |
        [{", ".join(map(str, range(len(PLACES))))}].all(i,
          variables.texts[0][i] == '' || variables.texts[0][i] in variables.admitted ||
          variables.texts[0][i] == variables.texts[1][i])
      message: >-
        {ANNOTATION} must match, byte for byte, a value that the policy {NAME} lists
      reason: Forbidden
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {NAME}
spec:
  policyName: {NAME}
  validationActions: [Deny]
"""


def _texts(root: str) -> str:
    return "".join(f"          {_text(root, place)},\n" for place in PLACES)


def _text(root: str, place: tuple[str, ...]) -> str:
    """The expression for the annotation's text at a place where anything may be missing or null."""
    asked, at = [], root
    for name in (*place, "annotations"):
        at = f"{at}.{name}"
        asked += [f"has({at})", f"{at} != null"]
    key = quoted(ANNOTATION)
    conditions = " &&\n            ".join([*asked, f"{key} in {at}"])
    return f"{conditions} ?\n            {at}[{key}] : ''"
