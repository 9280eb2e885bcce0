"""Exports a PyTorch network for `unlazy train --model file:net.pt2`.

pip install torch==2.11.0          (2.9 to 2.12; nothing else)

    export_network.py my_package.my_module:make --out net.pt2 --input 3,32,32
    export_network.py my_file.py:make --out net.pt2 --classes 10 --reference net.safetensors
    unlazy model check net.pt2 --reference net.safetensors

`make` is a function, or a class, that returns a torch.nn.Module from images [B, C, H, W] to logits [B, K]; --classes is
given to it as num_classes. If the network returns several tensors, the first is taken for the logits. The weights that
`make` leaves are those that training starts with. As a function:

    from export_network import export_network
    export_network(model, "net.pt2", input_shape=(3, 32, 32), reference="net.safetensors")

The archive is that of torch.export.save, of the network in training mode with a batch of any size. Where evaluation is
not the same graph with `training` off (random depth, attention with dropout), a second graph lies in extra/eval.json.
The reference holds what Python computes with this network, in both modes: outputs, the gradient of the cross-entropy, a
forward derivative, the buffers after a step, and the losses of five steps of SGD.
"""
import argparse
import copy
import ctypes
import importlib
import importlib.util
import io
import json
import operator
import struct
import sys
import zipfile
from pathlib import Path

import torch
import torch.autograd.forward_ad as forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel

SWITCHES = {"training": False, "train": False, "dropout_p": 0.0, "use_input_stats": False}
REFERENCE_BATCH = 4
REFERENCE_STEPS = 5
REFERENCE_LR = 0.05


def exported(model, images):
    batch = torch.export.Dim("batch", min=2, max=1 << 20)
    program = torch.export.export(model, (images,), dynamic_shapes=({0: batch},))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # your file names are nobody's business
    return program


def arguments(node):
    """Name in the operator's schema -> argument."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return dict(enumerate(node.args))
    named = {wanted.name: wanted.default_value for wanted in node.target._schema.arguments if wanted.has_default_value()}
    named.update(node.kwargs)
    for wanted, given in zip(node.target._schema.arguments, node.args):
        named[wanted.name] = given
    return named


def lines_of(program, switched_off):
    """The graph as text. `switched_off`: with its switches off and without the nodes that only change a buffer, which is
    what unlazy runs in evaluation when there is one graph."""
    buffers = set(program.graph_signature.inputs_to_buffers)
    names, lines = {}, []
    for node in program.graph.nodes:
        if node.op in ("placeholder", "get_attr"):
            names[node] = node.name
        if node.op not in ("call_function", "output"):
            continue
        given = arguments(node)
        first = node.args[0] if node.args else None
        schema = getattr(node.target, "_schema", None)
        writes = schema and schema.arguments and schema.arguments[0].alias_info and schema.arguments[0].alias_info.is_write
        if switched_off and writes and names.get(first) in buffers:
            names[node] = names[first]
            continue
        if switched_off and not ("running_mean" in given and given["running_mean"] is None):
            for name, value in SWITCHES.items():
                if name in given:
                    given[name] = value
        named = torch.fx.node.map_arg(given, lambda n: names[n])
        names[node] = f"value{len(lines)}"
        lines.append((str(node.target), sorted((str(k), str(v)) for k, v in named.items())))
    return lines


def draws_always(program):
    """Does the graph draw random numbers without a switch that is off?"""
    for node in program.graph.nodes:
        if isinstance(node.target, torch._ops.OpOverload) and torch.Tag.nondeterministic_seeded in node.target.tags:
            given = arguments(node)
            if given.get("p") != 0 and not any(name in given and given[name] == value for name, value in SWITCHES.items()):
                return True
    return False


def graph_json(program):
    file = io.BytesIO()
    torch.export.save(program, file)
    with zipfile.ZipFile(file) as archive:
        name = next(n for n in archive.namelist() if n.endswith("models/model.json"))
        return archive.read(name).decode()


def export_network(model, path, input_shape=(3, 32, 32), reference=None):
    """Writes `model` to `path`; with `reference`, also what Python computes with it. A network in training mode is taken
    as it is, with layers that you have put into evaluation mode; one in evaluation mode is put into training mode. The
    mode of each layer is restored."""
    modes = {module: module.training for module in model.modules()}
    in_training = {module: mode or not model.training for module, mode in modes.items()}
    images = torch.randn(REFERENCE_BATCH, *input_shape)
    model.eval()
    evaluation = exported(model, images)
    set_modes(in_training)
    training = exported(model, images)
    extra = {"mode": "training"}
    if lines_of(training, switched_off=True) != lines_of(evaluation, switched_off=False) or draws_always(evaluation):
        extra["eval.json"] = graph_json(evaluation)
    unfinished = f"{path}.writing.pt2"
    torch.export.save(training, unfinished, extra_files=extra)
    Path(unfinished).replace(path)
    if reference:
        write_reference(model, reference, input_shape)
    set_modes(modes)


def set_modes(modes):
    for module, mode in modes.items():
        module.training = mode


def logits_of(outputs):
    while not isinstance(outputs, torch.Tensor):
        outputs = next(iter(outputs.values() if isinstance(outputs, dict) else outputs))
    return outputs


def one_mode(model, images, targets, directions, prefix):
    """Outputs, gradients and forward derivative; in training mode of a copy, since buffers change."""
    tensors = {}
    model = copy.deepcopy(model)
    torch.manual_seed(0)
    outputs = logits_of(model(images))
    tensors[prefix + "outputs"] = outputs
    loss = torch.nn.functional.cross_entropy(outputs, targets)
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    for (name, parameter), gradient in zip(parameters.items(), gradients):
        tensors[prefix + "gradient." + name] = torch.zeros_like(parameter) if gradient is None else gradient
    if model.training:
        for name, buffer in model.named_buffers():
            if name in model.state_dict():
                tensors[prefix + "buffer." + name] = buffer.clone()
    torch.manual_seed(0)
    try:
        # Without gradients, as unlazy does it: with them PyTorch takes other formulas, of silu for one, that round otherwise.
        with torch.no_grad(), forward_ad.dual_level(), sdpa_kernel(SDPBackend.MATH):
            dual = {name: forward_ad.make_dual(p, directions[name]) for name, p in parameters.items()}
            tangent = forward_ad.unpack_dual(logits_of(torch.func.functional_call(model, dual, (images,)))).tangent
            tensors[prefix + "derivative"] = torch.zeros_like(outputs) if tangent is None else tangent.detach()
    except NotImplementedError as error:
        print(f"no forward derivative in the reference: {error}".splitlines()[0])
    return tensors


def losses(model, images, targets):
    model = copy.deepcopy(model)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=REFERENCE_LR)
    values = []
    for step in range(REFERENCE_STEPS):
        torch.manual_seed(step)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(logits_of(model(images)), targets)
        loss.backward()
        optimizer.step()
        values.append(loss.detach())
    return torch.stack(values)


def write_reference(model, path, input_shape=(3, 32, 32)):
    """Of a network in training mode, and in evaluation mode. On one thread, since sums depend on their number; `unlazy
    model check` takes one as well."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(REFERENCE_BATCH, *input_shape, generator=generator)
    in_training = {module: module.training for module in model.modules()}
    model.eval()
    with torch.no_grad():
        classes = logits_of(model(images)).shape[1]
    targets = torch.arange(REFERENCE_BATCH) % classes
    directions = {name: torch.randn(p.shape, generator=generator) for name, p in model.named_parameters() if p.requires_grad}
    tensors = {"images": images, "targets": targets}
    tensors.update({"direction." + name: d for name, d in directions.items()})
    tensors.update(one_mode(model, images, targets, directions, "eval."))
    set_modes(in_training)
    tensors.update(one_mode(model, images, targets, directions, "train."))
    tensors["train.losses"] = losses(model, images, targets)
    metadata = {"format": "pt", "torch": torch.__version__, "lr": str(REFERENCE_LR)}
    save_safetensors(tensors, path, metadata)
    torch.set_num_threads(threads)


def save_safetensors(tensors, path, metadata):
    """https://huggingface.co/docs/safetensors, without the package."""
    types = {torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.int64: "I64", torch.int32: "I32",
             torch.bool: "BOOL", torch.uint8: "U8", torch.int8: "I8", torch.int16: "I16"}
    # Wide ones first, so that each begins at a multiple of its size.
    items = sorted(tensors.items(), key=lambda item: -item[1].element_size())
    header, offset, blocks = {"__metadata__": metadata}, 0, []
    for name, tensor in items:
        flat = tensor.detach().cpu().contiguous()
        size = flat.numel() * flat.element_size()
        header[name] = {"dtype": types[flat.dtype], "shape": list(flat.shape), "data_offsets": [offset, offset + size]}
        blocks.append(ctypes.string_at(flat.data_ptr(), size) if size else b"")
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blocks))


def load_maker(name):
    place, _, function = name.rpartition(":")
    if not place:
        sys.exit(f"'{name}': write MODULE:FUNCTION, such as my_package.networks:make or networks.py:make")
    if place.endswith(".py"):
        sys.path.insert(0, str(Path(place).resolve().parent))
        spec = importlib.util.spec_from_file_location(Path(place).stem, place)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        sys.path.insert(0, ".")
        module = importlib.import_module(place)
    return operator.attrgetter(function)(module)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("maker", help="MODULE:FUNCTION or FILE.py:FUNCTION that returns the network")
    parser.add_argument("--out", required=True, help="the archive to write, NAME.pt2")
    parser.add_argument("--input", default="3,32,32", help="channels, height and width of an image (3,32,32)")
    parser.add_argument("--classes", type=int, help="given to the function as num_classes")
    parser.add_argument("--seed", type=int, default=0, help="torch.manual_seed before the network is made (0)")
    parser.add_argument("--reference", help="also write what Python computes, for `unlazy model check`")
    parser.add_argument("--overwrite", action="store_true", help="replace the archive; runs that were made with it cannot go on")
    options = parser.parse_args()
    if Path(options.out).exists() and not options.overwrite:
        sys.exit(f"{options.out} exists, and runs that were made with it need it as it is; choose another --out, or give --overwrite")
    shape = tuple(int(size) for size in options.input.split(","))
    torch.manual_seed(options.seed)
    model = load_maker(options.maker)(**({} if options.classes is None else {"num_classes": options.classes}))
    export_network(model, options.out, shape, options.reference)
    count = sum(p.numel() for p in model.parameters())
    print(f"{options.out}: {count} parameters, images {list(shape)}")


if __name__ == "__main__":
    main()
