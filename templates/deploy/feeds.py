"""What a caller hands over, checked: arrays by input name, samples first, then the shape."""

import numpy as np


def checked(x, inputs):
    """Arrays by input name, and whether samples came without the model's own batch axis of one.

    Errors: TypeError or ValueError that says what was needed and what was got.
    """
    if not isinstance(x, dict):
        if len(inputs) != 1:
            names = ", ".join(repr(i["name"]) for i in inputs)
            raise TypeError(f"this network has {len(inputs)} inputs: give a dict of {names}")
        x = {inputs[0]["name"]: x}
    unknown = set(x) - {i["name"] for i in inputs}
    missing = [i["name"] for i in inputs if i["name"] not in x]
    if unknown or missing:
        raise ValueError(f"inputs missing: {missing}, not known: {sorted(unknown)}")
    found = {i["name"]: _shaped(np.asarray(x[i["name"]]), i) for i in inputs}
    feeds = {name: feed for name, (feed, _) in found.items()}
    counts = {name: len(feed) for name, feed in feeds.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"inputs differ in their number of samples: {counts}")
    return feeds, all(bare for _, bare in found.values())


def _shaped(x, of):
    """(samples, *shape), and whether a batch axis of one was added."""
    name, shape = of["name"], tuple(of["shape"])
    _check_type(x, of)
    bare = x.ndim == len(shape) and shape[:1] == (1,) and x.shape[1:] == shape[1:]
    if (not bare and x.shape[1:] != shape) or x.ndim == 0:
        raise ValueError(f"input {name!r} needs shape {('samples', *shape)}, got {x.shape}")
    if len(x) == 0:
        raise ValueError(f"input {name!r} holds no samples")
    return x.reshape(len(x), *shape), bare


def _check_type(x, of):
    name, dtype = of["name"], of["dtype"]
    whole = not dtype.startswith(("float", "bfloat"))
    if x.dtype.kind not in ("biu" if whole else "biuf"):
        raise TypeError(f"input {name!r} needs {dtype}, got {x.dtype}")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise ValueError(f"input {name!r} holds NaN or infinity")
    if whole and x.size:
        lowest, highest = of["codes"]
        if int(x.min()) < lowest or int(x.max()) > highest:
            got = f"{x.min()} to {x.max()}"
            raise ValueError(f"input {name!r} needs {lowest} to {highest} ({dtype}), got {got}")
