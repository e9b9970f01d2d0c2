"""models and inspect, compared with torchvision."""
import json

import pytest
import torch
import torchvision


def read_json(done):
    assert (done.status, done.err) == (0, "")
    return json.loads(done.out)


def test_the_catalogue_as_a_document(classifyd, tmp_path):
    document = read_json(classifyd("models", "--json", "--model-dirs", f"{tmp_path}:/nowhere"))
    assert document["model_dirs"] == [str(tmp_path), "/nowhere"]
    models = document["models"]
    assert len(models) == 17
    assert not any(model["here"] or "path" in model for model in models)
    names = {(model["model"], model["weights"]) for model in models}
    assert ("resnet50", "V2") in names and ("resnet18", "V1") in names
    defaults = [model["model"] for model in models if model["default"]]
    assert len(defaults) == len(set(defaults)) == 10


def test_a_file_that_is_here(classifyd, tmp_path):
    models = read_json(classifyd("models", "--json"))["models"]
    resnet18 = next(model for model in models if model["model"] == "resnet18")
    path = tmp_path / resnet18["file"]
    path.write_bytes(b"weights")
    listed = read_json(classifyd("models", "--json", "--model-dirs", f"/nowhere:{tmp_path}"))
    here = [model for model in listed["models"] if model["here"]]
    assert [(model["model"], model["path"]) for model in here] == [("resnet18", str(path))]
    environment = {"CLASSIFYD_MODEL_DIRS": str(tmp_path)}
    assert read_json(classifyd("models", "--json", env=environment))["model_dirs"] == [str(tmp_path)]
    assert str(path) in classifyd("models", env=environment).out


def test_where_files_are_looked_for(classifyd, tmp_path):
    folders = lambda **env: read_json(classifyd("models", "--json", env=env))["model_dirs"]
    home = tmp_path / "home"
    assert folders() == [f"{home}/.local/share/classifyd/models",
                         f"{home}/.cache/torch/hub/checkpoints",
                         "/usr/local/share/classifyd/models"]
    assert folders(XDG_DATA_HOME="/x", TORCH_HOME="/t")[:2] == ["/x/classifyd/models",
                                                               "/t/hub/checkpoints"]


def test_the_table_and_the_names(classifyd):
    table = classifyd("models")
    names = classifyd("models", "--names").out.split()
    assert (table.status, table.err) == (0, "")
    assert names[0] == "demo" and len(names) == len(set(names)) == 1 + 10 + 17
    for name in names[1:]:
        assert f"\n{name.partition(':')[0]} " in table.out


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2"])
def test_a_network_layer_by_layer(classifyd, name):
    """Parameters, output shapes and multiply-adds, counted by hooks in torchvision's own module."""
    model = getattr(torchvision.models, name)(weights=None).eval()
    expected, handles = {}, []

    def note(path, module):
        def hook(_, __, output):
            macs = 0
            if isinstance(module, torch.nn.Conv2d):
                macs = output[0].numel() * module.weight[0].numel()
            elif isinstance(module, torch.nn.Linear):
                macs = module.weight.numel()
            shape = list(output.shape[1:]) + [1] * (4 - output.dim())
            expected[path] = (shape, macs)
        handles.append(module.register_forward_hook(hook))

    for path, module in model.named_modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear, torch.nn.MaxPool2d,
                               torch.nn.AdaptiveAvgPool2d)):
            note(path, module)
    with torch.no_grad():
        model(torch.zeros(1, 3, 224, 224))

    document = read_json(classifyd("inspect", "--json", f"random:{name}"))
    found = {layer["name"]: (layer["output"], layer["macs"]) for layer in document["layers"]}
    assert found == expected
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert document["parameters"] == parameters
    assert sum(layer["parameters"] for layer in document["layers"]) == parameters
    assert document["macs"] == sum(macs for _, macs in expected.values())
    assert document["family"] == name and document["classes"] == 1000
    best = next(line for line in classifyd("--version").out.splitlines() if line.startswith("kernels"))
    assert best.split(maxsplit=1)[1] == f"{document['kernels']['set']}: {document['kernels']['description']}"


def test_the_table_of_a_network(classifyd):
    document = read_json(classifyd("inspect", "--json"))
    done = classifyd("inspect")
    assert (done.status, done.err) == (0, "")
    for layer in document["layers"]:
        line = next(line for line in done.out.splitlines() if line.startswith(layer["name"] + " "))
        assert "x".join(map(str, layer["output"])) in line
        assert str(layer["parameters"]) in line.split()
    assert document["model"]["name"] == "demo" and "demo model" in document["model"]["note"]
    assert str(document["parameters"]) in done.out
