# mypy: ignore-errors
"""Writes the ONNX files of this folder from MediaPipe's TensorFlow Lite files. Not needed to use facewire.

    pip install onnx tflite
    python convert.py face_detection_short_range.tflite blazeface_short_range.onnx

Knows just the ten operators that BlazeFace uses. Weights stay in float16, with a Cast that ONNX Runtime folds away at
load.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
import tflite
from onnx import TensorProto, helper, numpy_helper

DTYPES = {0: np.float32, 1: np.float16, 2: np.int32}
OPERATORS = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}


def options_of(operator, kind):
    """An operator's options table as its own class."""
    table, result = operator.BuiltinOptions(), kind()
    result.Init(table.Bytes, table.Pos)
    return result


class Converter:
    """One subgraph, operator by operator; activations go from NHWC to NCHW."""

    def __init__(self, data):
        self.model = tflite.Model.GetRootAs(data, 0)
        self.graph = self.model.Subgraphs(0)
        self.nodes, self.initialisers, self.shapes, self.constants = [], [], {}, {}
        for i in range(self.graph.TensorsLength()):
            tensor = self.graph.Tensors(i)
            self.shapes[i] = [int(n) for n in tensor.ShapeAsNumpy()] if tensor.ShapeLength() else []
            raw = self.model.Buffers(tensor.Buffer()).DataAsNumpy()
            if not isinstance(raw, int) and len(raw):
                self.constants[i] = np.frombuffer(raw.tobytes(), DTYPES[tensor.Type()]).reshape(self.shapes[i])

    def node(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))

    def constant(self, name, array):
        self.initialisers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def weight(self, name, array):
        self.node("Cast", [self.constant(name + "_half", array.astype(np.float16))], name, to=TensorProto.FLOAT)
        return name

    def activate(self, kind, name, output):
        self.node({0: "Identity", 1: "Relu"}[kind], [name], output)

    def convert(self):
        given = self.graph.Inputs(0)
        self.node("Transpose", ["image"], f"t{given}", perm=[0, 3, 1, 2])
        for i in range(self.graph.OperatorsLength()):
            self.operator(self.graph.Operators(i))
        outputs = [int(self.graph.Outputs(i)) for i in range(2)]
        values = []
        for i, name in zip(outputs, ("boxes", "scores"), strict=True):
            self.node("Identity", [f"t{i}"], name)
            values.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, self.shapes[i]))
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, self.shapes[given])
        graph = helper.make_graph(self.nodes, "blazeface", [image], values, self.initialisers)
        about = "MediaPipe BlazeFace, (c) Google, Apache-2.0, converted from TensorFlow Lite"
        opset = [helper.make_opsetid("", 17)]
        return helper.make_model(graph, opset_imports=opset, ir_version=8, producer_name="facewire", doc_string=about)

    def operator(self, op):
        code = self.model.OperatorCodes(op.OpcodeIndex())
        kind = OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        ins, target = [int(n) for n in op.InputsAsNumpy()], int(op.Outputs(0))
        names, out = [f"t{i}" for i in ins], f"t{target}"
        if kind == "DEQUANTIZE":
            self.constants[target] = self.constants[ins[0]].astype(np.float32)
        elif kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            self.convolution(op, kind == "DEPTHWISE_CONV_2D", ins, names, out)
        elif kind == "RELU":
            self.node("Relu", names, out)
        elif kind == "ADD":
            self.node("Add", names, out + "_sum")
            self.activate(options_of(op, tflite.AddOptions).FusedActivationFunction(), out + "_sum", out)
        elif kind == "PAD":
            pads = self.constants[ins[1]][[0, 3, 1, 2]]
            both = np.concatenate([pads[:, 0], pads[:, 1]]).astype(np.int64)
            self.node("Pad", [names[0], self.constant(out + "_pads", both)], out)
        elif kind == "MAX_POOL_2D":
            pool = options_of(op, tflite.Pool2DOptions)
            size, stride = [pool.FilterHeight(), pool.FilterWidth()], [pool.StrideH(), pool.StrideW()]
            self.node("MaxPool", names, out, kernel_shape=size, strides=stride, auto_pad=padding(pool))
        elif kind == "RESIZE_BILINEAR":
            resize = options_of(op, tflite.ResizeBilinearOptions)
            mode = "half_pixel" if resize.HalfPixelCenters() else "asymmetric"
            mode = "align_corners" if resize.AlignCorners() else mode
            n, h, w, c = self.shapes[target]
            size = self.constant(out + "_size", np.array([n, c, h, w], np.int64))
            self.node("Resize", [names[0], "", "", size], out, mode="linear", coordinate_transformation_mode=mode)
        elif kind == "RESHAPE":
            self.node("Transpose", names[:1], out + "_last", perm=[0, 2, 3, 1])
            shape = self.constant(out + "_shape", np.array(self.shapes[target], np.int64))
            self.node("Reshape", [out + "_last", shape], out)
        elif kind == "CONCATENATION":
            self.node("Concat", names, out, axis=1)
        else:
            raise SystemExit(f"operator {kind} is not one of BlazeFace's")

    def convolution(self, op, depthwise, ins, names, out):
        conv = options_of(op, tflite.DepthwiseConv2DOptions if depthwise else tflite.Conv2DOptions)
        weight = np.transpose(self.constants[ins[1]], (3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
        bias = self.constants[ins[2]]
        self.node(
            "Conv",
            [names[0], self.weight(out + "_weight", weight), self.weight(out + "_bias", bias)],
            out + "_conv",
            kernel_shape=list(weight.shape[2:]),
            strides=[conv.StrideH(), conv.StrideW()],
            group=weight.shape[0] if depthwise else 1,
            auto_pad=padding(conv),
        )
        self.activate(conv.FusedActivationFunction(), out + "_conv", out)


def padding(options):
    return "SAME_UPPER" if options.Padding() == 0 else "VALID"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tflite", type=Path)
    parser.add_argument("onnx", type=Path)
    arguments = parser.parse_args()
    model = Converter(arguments.tflite.read_bytes()).convert()
    onnx.checker.check_model(model)
    onnx.save(model, arguments.onnx)


if __name__ == "__main__":
    main()
