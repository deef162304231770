"""The integer model: made from a simulation, run, and compared with it.

    contract            the kinds of integer models, and what each promises
    +-- tflite_model        simulation -> fake-quant graph -> TFLite's converter -> `model.tflite`
    +-- tflite_inputs       images -> what the model takes
    +-- tflite_interpreter  `model.tflite` -> the network's outputs, by TFLite's integer kernels
    +-- tflite_tensors      what the file itself says: tensors, quantization parameters, ops
    +-- openvino_int8       simulation -> integer kernels of OpenVINO, which makes them itself
    +-- parameters          these against the encodings of the simulation, tensor by tensor
    exchange            inputs for a board, and what it left of them
"""

from quant_accuracy.base import before_tensorflow

before_tensorflow.set_up()
