"""The same network for the peers: export.py NAME WEIGHTS IMAGES FOLDER

NAME is a ResNet of torchvision, WEIGHTS its state dict, IMAGES a folder of photographs. Writes into FOLDER
  NAME.inputs.f32     the first 16 photographs, prepared, raw float32 [16, 3, 224, 224]
  NAME.onnx           float32, BatchNorm folded
  NAME.int8.onnx      static quantization as QuantizeLinear and DequantizeLinear around every operation: weights s8,
                      symmetric, a scale an output channel; activations u8, a scale and a zero point a tensor, from the
                      extremes over the 16 photographs behind the inputs
  NAME.int8-wzp.onnx  the same numbers with 1 as the weights' zero point, for which ONNX Runtime uses other kernels: its
                      general int8 product instead of its symmetric convolution

The graph is written node by node from the modules; each activation's range is taken where torch computes it."""
import os
import pathlib
import sys

import numpy
import onnx
import torch
import torchvision
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

INPUTS, CALIBRATION = 16, 16
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")


def prepare(folder, first, count):
    """By name in byte order, as classifyd takes them; the same pixels."""
    transforms = torchvision.transforms
    chain = transforms.Compose([
        transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    files = sorted((file for file in pathlib.Path(folder).iterdir() if file.suffix.lower() in ENDINGS),
                   key=lambda file: os.fsencode(file.name))[first:first + count]
    if len(files) < count:
        sys.exit(f"{folder}: {first + count} photographs are needed")
    return torch.stack([chain(Image.open(file).convert("RGB")) for file in files])


def fold(convolution, norm):
    return torch.nn.utils.fusion.fuse_conv_bn_eval(convolution, norm)


class FloatWriter:
    """Nodes of float32. Each method computes with torch, too, and returns (name, activation)."""

    def __init__(self):
        self.nodes, self.initializers, self.count = [], [], 0

    def constant(self, hint, array):
        name = f"{hint}_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(numpy.array(array, order="C"), name))
        return name

    def node(self, kind, inputs, **attributes):
        self.count += 1
        name = f"{kind.lower()}_{self.count}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def input(self, value):
        return "x", value

    def weights(self, module, _):
        return [self.constant("weight", module.weight.numpy()), self.constant("bias", module.bias.numpy())]

    def end(self, name, value, is_same_scale_as=None):
        """What becomes of an operation's output."""
        return name, value

    def take(self, value):
        """An operation's input."""
        return value[0]

    def convolution(self, value, module, has_relu):
        pad = module.padding[0]
        name = self.node("Conv", [self.take(value)] + self.weights(module, value), kernel_shape=module.kernel_size,
                         strides=module.stride, pads=[pad] * 4, group=module.groups)
        result = module(value[1])
        return self.end(*self.relu(name, result, has_relu))

    def relu(self, name, result, has_relu):
        if not has_relu:
            return name, result
        return self.node("Relu", [name]), torch.relu(result)

    def add(self, left, right):
        name = self.node("Add", [self.take(left), self.take(right)])
        return self.end(*self.relu(name, left[1] + right[1], True))

    def max_pool(self, value):
        name = self.node("MaxPool", [self.take(value)], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
        return self.end(name, torch.max_pool2d(value[1], 3, 2, 1), value)

    def average_pool(self, value):
        name = self.node("GlobalAveragePool", [self.take(value)])
        return self.end(name, value[1].mean((2, 3), keepdim=True))

    def flatten(self, value):
        name = self.node("Flatten", [self.take(value)], axis=1)
        return self.end(name, value[1].flatten(1), value)

    def linear(self, value, module):
        """The logits stay float32."""
        name = self.node("Gemm", [self.take(value)] + self.weights(module, value), transB=1)
        return name, module(value[1])

    def save(self, output, path):
        self.nodes.append(helper.make_node("Identity", [output], ["y"], name="y"))
        graph = helper.make_graph(
            self.nodes, "network", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 224, 224])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1000])], self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        onnx.save(model, path)


class Int8Writer(FloatWriter):
    """The same with every tensor quantized: a value is (name of its u8 tensor, activation, scale, names of scale and
    zero point)."""

    def __init__(self, weight_zero_point):
        super().__init__()
        self.weight_zero_point = weight_zero_point

    def quantize(self, name, value, same):
        if same is None:
            low, high = min(0.0, float(value.min())), max(1e-6, float(value.max()))
            scale = numpy.float32((high - low) / 255)
            zero = numpy.uint8(round(-low / float(scale)))
            parameters = [self.constant("scale", scale), self.constant("zero", zero)]
        else:
            scale, parameters = same[2:]
        return self.node("QuantizeLinear", [name] + parameters), value, scale, parameters

    def input(self, value):
        return self.quantize("x", value, None)

    def end(self, name, value, is_same_scale_as=None):
        return self.quantize(name, value, is_same_scale_as)

    def relu(self, name, result, has_relu):
        """Saturation at a zero point of 0 is a ReLU."""
        return name, torch.relu(result) if has_relu else result

    def take(self, value):
        return self.node("DequantizeLinear", [value[0]] + value[3])

    def weights(self, module, value):
        weight, zero = module.weight.numpy(), self.weight_zero_point
        largest = numpy.abs(weight.reshape(len(weight), -1)).max(1)
        scale = (numpy.maximum(largest, 1e-8) / (127 - zero)).astype(numpy.float32)
        steps = numpy.rint(weight / scale.reshape(-1, *[1] * (weight.ndim - 1))) + zero
        bias_scale = (scale * value[2]).astype(numpy.float32)
        return [self.dequantize(steps.clip(-127, 127).astype(numpy.int8), scale, zero),
                self.dequantize(numpy.rint(module.bias.numpy() / bias_scale).astype(numpy.int32), bias_scale, 0)]

    def dequantize(self, steps, scale, zero):
        zeros = numpy.full(len(scale), zero, steps.dtype)
        return self.node("DequantizeLinear", [self.constant("steps", steps), self.constant("scale", scale),
                                              self.constant("zero", zeros)], axis=0)


def add_block(writer, block, value):
    shortcut = value
    if block.downsample is not None:
        shortcut = writer.convolution(value, fold(block.downsample[0], block.downsample[1]), False)
    pairs = [(block.conv1, block.bn1), (block.conv2, block.bn2)]
    if hasattr(block, "conv3"):
        pairs.append((block.conv3, block.bn3))
    for i, (convolution, norm) in enumerate(pairs):
        value = writer.convolution(value, fold(convolution, norm), i + 1 < len(pairs))
    return writer.add(value, shortcut)


def write(writer, network, images, path):
    value = writer.convolution(writer.input(images), fold(network.conv1, network.bn1), True)
    value = writer.max_pool(value)
    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        for block in stage:
            value = add_block(writer, block, value)
    value = writer.flatten(writer.average_pool(value))
    writer.save(writer.linear(value, network.fc)[0], path)


def export(name, weights, images, folder):
    network = getattr(torchvision.models, name)(weights=None)
    network.load_state_dict(torch.load(weights, map_location="cpu"))
    network.eval().requires_grad_(False)
    base = os.path.join(folder, name)
    inputs = prepare(images, 0, INPUTS)
    calibration = prepare(images, INPUTS, CALIBRATION)
    with torch.inference_mode():
        write(FloatWriter(), network, inputs[:1], base + ".onnx")
        write(Int8Writer(0), network, calibration, base + ".int8.onnx")
        write(Int8Writer(1), network, calibration, base + ".int8-wzp.onnx")
    # Last: whoever finds this file finds all of them.
    inputs.numpy().astype("<f4").tofile(base + ".inputs.f32")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    export(*sys.argv[1:])
