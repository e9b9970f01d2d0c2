"""The manifests: that they parse, agree with each other, and with the program's own defaults."""
import ipaddress

import pytest
import yaml

from conftest import ROOT, read_option_defaults
from service import Service

FOLDER = ROOT / "deploy" / "kubernetes"
# What `kubectl apply` refuses to do without, beside apiVersion, kind and metadata.name.
KINDS = {
    "Deployment": ("apps/v1", ["selector", "template"]),
    "Service": ("v1", ["selector", "ports"]),
    "HorizontalPodAutoscaler": ("autoscaling/v2", ["scaleTargetRef", "maxReplicas"]),
    "PodDisruptionBudget": ("policy/v1", ["selector", "maxUnavailable"]),
    "NetworkPolicy": ("networking.k8s.io/v1", ["podSelector", "policyTypes"]),
}


class Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, as kubectl does and PyYAML does not."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key stands twice: {node.start_mark}"
        return super().construct_mapping(node, deep)


def read(name):
    return yaml.load((FOLDER / name).read_text(), Loader)


RESOURCES = {resource["kind"]: resource
             for resource in map(read, read("kustomization.yaml")["resources"])}
TEMPLATE = RESOURCES["Deployment"]["spec"]["template"]
POD = TEMPLATE["spec"]
(CONTAINER,) = POD["containers"]
PROBES = {name: CONTAINER[name + "Probe"] for name in ("startup", "readiness", "liveness")}
LABELS = TEMPLATE["metadata"]["labels"]


def test_a_key_that_stands_twice_is_found():
    with pytest.raises(AssertionError):
        yaml.load("{a: 1, b: {c: 1, c: 2}}", Loader)


def test_every_file_is_listed_once():
    files = {path.name for path in FOLDER.iterdir()} - {"kustomization.yaml"}
    assert sorted(read("kustomization.yaml")["resources"]) == sorted(files)
    assert set(RESOURCES) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_required_fields(kind):
    version, fields = KINDS[kind]
    assert RESOURCES[kind]["apiVersion"] == version
    assert RESOURCES[kind]["metadata"]["name"] == "classifyd"
    assert set(fields) <= set(RESOURCES[kind]["spec"])


def test_selectors_find_the_pods():
    spreads = [spread["labelSelector"] for spread in POD["topologySpreadConstraints"]]
    selectors = [RESOURCES["Deployment"]["spec"]["selector"],
                 RESOURCES["PodDisruptionBudget"]["spec"]["selector"],
                 RESOURCES["NetworkPolicy"]["spec"]["podSelector"],
                 {"matchLabels": RESOURCES["Service"]["spec"]["selector"]}] + spreads
    for selector in selectors:
        assert selector["matchLabels"].items() <= LABELS.items()
        assert selector["matchLabels"]
    target = RESOURCES["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    deployment = RESOURCES["Deployment"]
    assert target == {"apiVersion": deployment["apiVersion"], "kind": "Deployment",
                      "name": deployment["metadata"]["name"]}


def test_ports_agree():
    (port,) = CONTAINER["ports"]
    assert port["containerPort"] == read_option_defaults()["server.port"]
    for probe in PROBES.values():
        assert probe["httpGet"]["port"] == port["name"]
    (service_port,) = RESOURCES["Service"]["spec"]["ports"]
    assert service_port["targetPort"] == port["name"]
    (ingress,) = RESOURCES["NetworkPolicy"]["spec"]["ingress"]
    assert [rule["port"] for rule in ingress["ports"]] == [port["name"]]
    annotations = TEMPLATE["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(port["containerPort"])


def test_probes():
    assert {name: probe["httpGet"]["path"] for name, probe in PROBES.items()} == {
        "startup": "/startupz", "readiness": "/readyz", "liveness": "/livez"}
    startup = PROBES["startup"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 120
    liveness = PROBES["liveness"]
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 30


def test_the_service_answers_where_it_is_probed_and_scraped():
    with Service() as service:
        for probe in PROBES.values():
            assert service.get(probe["httpGet"]["path"]).status == 200
        annotations = TEMPLATE["metadata"]["annotations"]
        assert b"classifyd_ready 1" in service.get(annotations["prometheus.io/path"]).body


def test_readiness_is_noticed_before_the_drain_delay_ends():
    delay_s = read_option_defaults()["server.drain_delay_ms"] / 1000
    probe = PROBES["readiness"]
    assert (probe["periodSeconds"] + probe["timeoutSeconds"]) * probe["failureThreshold"] < delay_s


def test_the_grace_period_is_longer_than_draining():
    options = read_option_defaults()
    drain_s = (options["server.drain_delay_ms"] + options["server.drain_timeout_ms"]) / 1000
    assert POD["terminationGracePeriodSeconds"] >= drain_s + 10


def parse_bytes(text):
    units = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
    return int(text[:-2]) * units[text[-2:]]


def test_memory_holds_what_the_limits_allow():
    options = read_option_defaults()
    bounded = options["limits.memory_bytes"] + options["limits.decode_memory_bytes"]
    resources = CONTAINER["resources"]
    # Beside it: the demo model, threads, and ResNet-50 with its packed weights.
    assert parse_bytes(resources["limits"]["memory"]) >= bounded + (512 << 20)
    assert parse_bytes(resources["requests"]["memory"]) <= parse_bytes(resources["limits"]["memory"])
    # A part of a CPU would be throttled however few the threads are.
    assert int(resources["limits"]["cpu"]) == int(resources["requests"]["cpu"])


def test_nothing_is_allowed_that_is_not_needed():
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert POD["automountServiceAccountToken"] is False
    # Variables like CLASSIFYD_PORT, which Kubernetes makes of a Service's name, look like options.
    assert POD["enableServiceLinks"] is False
    user = f"{POD['securityContext']['runAsUser']}:{POD['securityContext']['runAsGroup']}"
    assert f"\nUSER {user}\n" in (ROOT / "Dockerfile").read_text()
    own = CONTAINER["securityContext"]
    assert own == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                   "capabilities": {"drop": ["ALL"]}}
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        assert name not in POD


def test_the_image_has_a_version():
    name, tag = CONTAINER["image"].split(":")
    assert name == "classifyd"
    assert f'image.version="{tag}"' in (ROOT / "Dockerfile").read_text()


def test_models_lie_where_the_image_looks_for_them():
    (mount,) = CONTAINER["volumeMounts"]
    assert f"CLASSIFYD_MODEL_DIRS={mount['mountPath']}\n" in (ROOT / "Dockerfile").read_text()
    assert [volume["name"] for volume in POD["volumes"]] == [mount["name"]]


def test_scaling_and_disruption_leave_one():
    scaler = RESOURCES["HorizontalPodAutoscaler"]["spec"]
    assert "replicas" not in RESOURCES["Deployment"]["spec"]
    budget = RESOURCES["PodDisruptionBudget"]["spec"]
    assert 0 < budget["maxUnavailable"] < scaler["minReplicas"] < scaler["maxReplicas"]
    requested = CONTAINER["resources"]["requests"]
    for metric in scaler["metrics"]:
        assert metric["resource"]["name"] in requested  # utilization is a share of it


def test_only_public_addresses_can_be_fetched_from():
    policy = RESOURCES["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    dns, web = policy["egress"]
    assert sorted((rule["protocol"], rule["port"]) for rule in dns["ports"]) == [("TCP", 53),
                                                                                ("UDP", 53)]
    assert sorted(rule["port"] for rule in web["ports"]) == [80, 443]
    open_to, closed_to = [], []
    for block in (peer["ipBlock"] for peer in web["to"]):
        outer = ipaddress.ip_network(block["cidr"])
        inner = [ipaddress.ip_network(cidr) for cidr in block["except"]]
        assert all(network.subnet_of(outer) for network in inner)  # or Kubernetes refuses it
        open_to.append(outer)
        closed_to += inner
    assert [network.version for network in open_to] == [4, 6]

    def is_closed(address):
        address = ipaddress.ip_address(address)
        return (not any(address in network for network in open_to)
                or any(address in network for network in closed_to))

    # Python's own table of what is not global, at both ends of each range.
    private = [network for constants in (ipaddress._IPv4Constants, ipaddress._IPv6Constants)
               for network in constants._private_networks]
    assert len(private) > 20
    for network in private:
        for address in (network[0], network[-1]):
            assert is_closed(address), address
    for address in ("100.64.0.1", "169.254.169.254", "224.0.0.1", "255.255.255.255", "::1",
                    "64:ff9b::a00:1", "2002:a00:1::", "fe80::1", "fd00:ec2::254", "ff02::1"):
        assert is_closed(address), address
    for address in ("1.1.1.1", "93.184.216.34", "172.15.255.255", "172.32.0.0", "223.255.255.255",
                    "2606:4700:4700::1111", "2a00:1450::1"):
        assert not is_closed(address), address
