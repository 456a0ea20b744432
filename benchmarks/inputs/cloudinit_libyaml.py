#!/usr/bin/env python3
import json
import sys

import yaml

data = json.loads(sys.argv[4])
config = yaml.load(data["UserData"], yaml.CSafeLoader)
config.setdefault("bootcmd", []).append(["echo", "patched"])
data["UserData"] = "#cloud-config\n" + yaml.dump(config, Dumper=yaml.CSafeDumper, sort_keys=False)
print(json.dumps(data))
