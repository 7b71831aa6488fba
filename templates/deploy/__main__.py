"""python -m deploy [self-test | throughput]: on the board, beside this folder."""

import sys
from pathlib import Path

from .accelerator import Accelerator

accelerator = Accelerator(Path(__file__).parent)
if sys.argv[1:] in ([], ["self-test"]):
    print(f"{accelerator.self_test()} vectors equal")
elif sys.argv[1:] == ["throughput"]:
    for name, value in accelerator.throughput().items():
        print(f"{name}: {value:,.0f}")
else:
    sys.exit(__doc__)
