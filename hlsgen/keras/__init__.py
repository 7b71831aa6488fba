"""Files of Keras, QKeras and HGQ as ONNX models, read without TensorFlow.

`register` teaches a layer class, `QUANTISERS` takes quantisers by name.
"""

from hlsgen.keras.archive import SUFFIXES
from hlsgen.keras.call import LayerCall
from hlsgen.keras.convert import Imported, import_keras, register
from hlsgen.keras.network import Value
from hlsgen.keras.quantisers.quantiser import Quantiser
from hlsgen.keras.quantisers.spelling import QUANTISERS

__all__ = [
    "QUANTISERS",
    "SUFFIXES",
    "Imported",
    "LayerCall",
    "Quantiser",
    "Value",
    "import_keras",
    "register",
]
