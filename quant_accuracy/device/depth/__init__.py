"""Where simulation and integer model part: the same inputs to each op of both, difference in steps of the encoding.

    kinds           which models can be listened to
    compare         images -> `Depth`: every op on its own inputs, and as the whole network leaves it
    +-- simulated_ops   the simulation, each op fed from outside
    +-- tflite_ops      TFLite's model, each op fed from outside
    |   +-- rewiring        a `model.tflite` with other inputs and outputs
    +-- openvino_ops    OpenVINO's integer kernels, likewise
    +-- counterparts    which tensor of the simulation a tensor of the model is
    +-- differences     values -> figures, in numpy
    +-- causes          what the model's own parameters say of an op that differs
    records         `Difference`, `Op`, `Depth`: what is told of it
"""
