#!/usr/bin/env python3
import json
import sys

import yaml

data = json.loads(sys.argv[4])
config = yaml.safe_load(data["UserData"])
config.setdefault("bootcmd", []).append(["echo", "patched"])
data["UserData"] = "#cloud-config\n" + yaml.safe_dump(config, sort_keys=False)
print(json.dumps(data))
