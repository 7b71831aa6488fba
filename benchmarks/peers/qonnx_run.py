"""qonnx's executor on one model. Prints one line of JSON.

Arguments: model.onnx inputs.npz samples repeat.
"""

from __future__ import annotations

import json
import sys
import time

try:
    import numpy as np
    import qonnx
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.util.cleanup import cleanup_model
except ImportError as error:
    sys.exit(f"qonnx skipped ({error}): pip install 'hlsgen[bench]' in a venv of its own")


def main() -> None:
    path, inputs, samples, repeat = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    model = cleanup_model(ModelWrapper(path))
    name = model.graph.input[0].name
    x = next(iter(np.load(inputs).values())).astype(np.float32)
    best = float("inf")
    for _ in range(repeat):
        start = time.process_time()
        for j in range(samples):
            execute_onnx(model, {name: x[j % len(x)]})
        best = min(best, time.process_time() - start)
    version = getattr(qonnx, "__version__", "1.0.0")
    print(json.dumps({"version": version, "rate": samples / best}))


main()
