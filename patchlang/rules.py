"""Every kind of finding, by stage.

PL0xx YAML, PL1xx shape, PL2xx expressions, PL3xx advice, PL4xx apply, PL5xx input.
"""

from .diagnostics import Rule

UNREADABLE = Rule("PL001", "unreadable-file")
NOT_UTF8 = Rule("PL002", "not-utf8")
BAD_YAML = Rule("PL003", "bad-yaml")
FILE_TOO_BIG = Rule("PL004", "file-too-big")
DUPLICATE_KEY = Rule("PL005", "duplicate-key")
YAML_LIMIT = Rule("PL006", "yaml-limit")
YAML_FEATURE = Rule("PL007", "yaml-feature")
NO_DOCUMENT = Rule("PL008", "no-document")

UNKNOWN_KEY = Rule("PL101", "unknown-key")
MISSING_KEY = Rule("PL102", "missing-key")
WRONG_TYPE = Rule("PL103", "wrong-type")
BAD_VALUE = Rule("PL104", "bad-value")
UNKNOWN_KIND = Rule("PL105", "unknown-kind")
DUPLICATE_NAME = Rule("PL106", "duplicate-name")
UNKNOWN_OP = Rule("PL107", "unknown-op")
AMBIGUOUS_SCALAR = Rule("PL108", "ambiguous-scalar")
KEY_CONFLICT = Rule("PL109", "key-conflict")

BAD_XPATH = Rule("PL201", "bad-xpath")
BAD_EXPRESSION = Rule("PL202", "bad-expression")
BAD_TEMPLATE = Rule("PL203", "bad-template")
BAD_FRAGMENT = Rule("PL204", "bad-fragment")
BAD_POINTER = Rule("PL205", "bad-pointer")
UNKNOWN_NAME = Rule("PL206", "unknown-name")
BAD_ENSURE_PATH = Rule("PL207", "bad-ensure-path")
COSTLY_XPATH = Rule("PL208", "costly-xpath")
UNKNOWN_PREFIX = Rule("PL209", "unknown-prefix")

MATCH_COUNT = Rule("PL401", "match-count")
WRONG_NODE = Rule("PL402", "wrong-node")
EVALUATION = Rule("PL403", "evaluation-failed")
TEST_FAILED = Rule("PL404", "test-failed")
PROTECTED = Rule("PL405", "protected-node")
UNUSABLE_TEXT = Rule("PL406", "unusable-text")
NOT_TEXT = Rule("PL407", "not-a-text-element")
AMBIGUOUS = Rule("PL408", "ambiguous-target")
WRONG_RESULT = Rule("PL409", "wrong-result-type")
OPERATION = Rule("PL410", "operation-failed")
FORMAT = Rule("PL411", "user-data-format")
UNUSABLE_RESULT = Rule("PL412", "unusable-result")
LIMIT = Rule("PL413", "limit-reached")
DEADLINE = Rule("PL414", "deadline-passed")
IGNORED = Rule("PL415", "document-ignored")

BAD_DOMAIN = Rule("PL501", "bad-domain-xml")
DOCTYPE = Rule("PL502", "doctype-refused")
WRONG_ROOT = Rule("PL503", "wrong-root")
BAD_VMI = Rule("PL504", "bad-vmi")
BAD_CLOUD_INIT = Rule("PL505", "bad-cloud-init-data")
INPUT_TOO_BIG = Rule("PL506", "input-too-big")
