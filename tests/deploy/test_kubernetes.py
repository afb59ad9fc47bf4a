"""The Kubernetes recipes: against the API's schemas, against each other, and their pods' commands run here."""

from __future__ import annotations

import json
import re
import subprocess
import uuid
from typing import TYPE_CHECKING, Any

import pytest

import cloudquery_cli as cli
import inventory_sync as inventory
import recipes
from recipes import DEPLOY, TOOLS

if TYPE_CHECKING:
    from pathlib import Path

KUSTOMIZE = DEPLOY / "kubernetes" / "kustomize"
CHART = DEPLOY / "kubernetes" / "helm"
OVERLAYS = ["sharded", "scheduled", "sidecar"]
RELEASES = {"sharded": [], "scheduled": ["--set", "schedule=15 3 * * *"]}


def kustomized(overlay: str) -> str:
    """What `kubectl apply -k` would send."""
    return recipes.said_nothing_wrong(recipes.run(recipes.tool("kustomize"), "build", KUSTOMIZE / overlay))


def released(*flags: str) -> str:
    """What `helm install cloudquery` would send."""
    command = [recipes.tool("helm"), "template", "cloudquery", CHART, "--kube-version", "1.34", *flags]
    return recipes.said_nothing_wrong(recipes.run(*command))


def assert_valid(manifests: str) -> None:
    """The manifests fit the API's schemas, and no field is unknown to them."""
    schemas = f"{TOOLS}/kubernetes-schemas/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    command = [recipes.tool("kubeconform"), "-strict", "-schema-location", schemas]
    done = subprocess.run(command, input=manifests, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kustomize_overlays_fit_the_api(overlay: str) -> None:
    """Each overlay is what the Kubernetes API takes, without an unknown field."""
    assert_valid(kustomized(overlay))


@pytest.mark.parametrize("release", RELEASES)
def test_the_chart_fits_the_api(release: str) -> None:
    """Both ways to install the chart give what the Kubernetes API takes, and Helm finds nothing to complain of."""
    flags = ["--set", "serviceAccounts.sync.roleArn=arn:aws:iam::123456789012:role/a", *RELEASES[release]]
    assert_valid(released(*flags))
    recipes.said_nothing_wrong(recipes.run(recipes.tool("helm"), "lint", "--strict", CHART))


def test_what_kubeconform_would_not_let_pass() -> None:
    """The check that the tests above rely on finds a field that Kubernetes does not know."""
    with pytest.raises(AssertionError, match="restartPolicee"):
        assert_valid(kustomized("sidecar").replace("restartPolicy: Always", "restartPolicee: Always"))


def test_the_charts_values_are_checked() -> None:
    """A misspelt value, and an id that is no UUID, keep the chart from being installed."""
    for wrong in ("shard=4", "syncId=tonight"):
        done = recipes.run(recipes.tool("helm"), "template", CHART, "--kube-version", "1.34", "--set", wrong)
        assert done.returncode != 0, wrong


def comparable(manifests: str) -> dict[str, Any]:
    """The Jobs' specs by name, without what a chart has that an overlay has not: the release's labels and names."""
    found = {}
    for job in recipes.documents(manifests):
        if job["kind"] not in ("Job", "CronJob"):
            continue
        nested = job["spec"].get("jobTemplate", job)
        nested["spec"]["template"].pop("metadata", None)
        if job["kind"] == "CronJob":
            nested.pop("metadata", None)
        pod = nested["spec"]["template"]["spec"]
        for container in pod["containers"] + pod.get("initContainers", []):
            container.pop("imagePullPolicy", None)
            container["args"] = [" ".join(argument.split()) for argument in container["args"]]
            names = {variable["name"]: variable for variable in container.get("env", [])}
            names.pop("SYNC_ID", None)  # of a ConfigMap there, of the template here
            container["env"] = names
            container["envFrom"] = [one for one in container.get("envFrom", []) if "secretRef" in one]
            container["volumeMounts"] = {
                mount["name"]: mount for mount in container["volumeMounts"] if mount["name"] != "source"
            }
        pod["volumes"] = sorted(volume["name"] for volume in pod["volumes"] if volume["name"] != "source")
        found[job["metadata"]["name"]] = job["spec"]
    return found


@pytest.mark.parametrize("release", RELEASES)
def test_chart_and_overlay_are_the_same(release: str) -> None:
    """The chart's Jobs are the overlay's: what is mended in one is mended in the other."""
    assert comparable(released(*RELEASES[release])) == comparable(kustomized(release))


def test_the_number_of_shards_is_the_same_everywhere() -> None:
    """Pods, shards and the parts to publish are as many, in the overlay and with any number in the chart."""
    for manifests, shards in ((kustomized("sharded"), "4"), (released("--set", "shards=7"), "7")):
        sync, publish = (jobs(manifests)[name] for name in ("cloudquery-sync", "cloudquery-publish"))
        assert str(sync["completions"]) == str(sync["parallelism"]) == shards
        for job in (sync, publish):
            (container,) = job["template"]["spec"]["containers"]
            assert {"name": "SHARDS", "value": shards} in container["env"]


def test_the_sync_ids_of_a_release_agree() -> None:
    """The pods that sync and the one that publishes have the same id, another one at each install."""
    ids = []
    for _ in range(2):
        containers = [job["template"]["spec"]["containers"][0] for job in jobs(released()).values()]
        (one,) = {v["value"] for container in containers for v in container["env"] if v["name"] == "SYNC_ID"}
        ids.append(str(uuid.UUID(one)))
    assert ids[0] != ids[1]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_destinations_can_work(overlay: str, tmp_path: Path) -> None:
    """`cloudquery-s3 check` finds no problem in the destination of any overlay."""
    recipes.check_spec((KUSTOMIZE / overlay / "s3.yml").read_text(), tmp_path, JOB_COMPLETION_INDEX="0")


def jobs(manifests: str) -> dict[str, Any]:
    """The Jobs' specs by name."""
    found = recipes.of_kind(recipes.documents(manifests), "Job")
    return {job["metadata"]["name"]: job["spec"] for job in found}


def configured(manifests: str, name: str) -> str:
    """The one file of the ConfigMap whose name begins so."""
    maps = recipes.of_kind(recipes.documents(manifests), "ConfigMap")
    (data,) = (one["data"] for one in maps if one["metadata"]["name"].startswith(name))
    (text,) = data.values()
    return str(text)


@pytest.mark.slow
@pytest.mark.cli
def test_the_pods_sync_what_one_would(tmp_path: Path) -> None:
    """The pods' own commands, each with its index, publish what one sync brings, row by row, once all are through."""
    manifests = kustomized("sharded")
    pods, publishing = jobs(manifests)["cloudquery-sync"], jobs(manifests)["cloudquery-publish"]
    sync_id = str(uuid.uuid4())
    with inventory.aws() as api:
        whole, shared = api.new_bucket(), api.new_bucket()
        recipes.write_config(
            tmp_path / "config", api, recipes.pointed_at(configured(manifests, "cloudquery-destination"), shared)
        )
        done = cli.run("sync", inventory.source(api), inventory.destination(whole), folder=tmp_path)
        assert done.status == 0, done.output

        def pod(job: dict[str, Any], **variables: str) -> subprocess.CompletedProcess[str]:
            folder = tmp_path / str(uuid.uuid4())
            folder.mkdir()
            (container,) = job["template"]["spec"]["containers"]
            of_the_pod = {v["name"]: v["value"] for v in container["env"]} | {"SYNC_ID": sync_id}
            (script,) = container["args"]
            script = re.sub("--cq-dir [^ ]+", "--cq-dir cq", script).replace("/config", str(tmp_path / "config"))
            environment = {**of_the_pod, **recipes.environment(folder), **variables}
            return recipes.run(*container["command"], script, folder=folder, environment=environment)

        for index in range(pods["completions"]):
            early = pod(publishing)
            assert early.returncode != 0, early.stdout
            recipes.said_nothing_wrong(pod(pods, JOB_COMPLETION_INDEX=str(index)))
        recipes.said_nothing_wrong(pod(publishing))
        expected, found = inventory.rows(whole), inventory.published(shared)
    assert expected.keys() == found.keys()
    assert all(found[table].equals(rows) for table, rows in expected.items())


def test_a_chart_quotes_the_shard() -> None:
    """The shard stays a text once its variable is replaced: `part: 0` would be a number."""
    text = configured(released(), "cloudquery-destination").replace("${JOB_COMPLETION_INDEX}", "0")
    assert json.loads(text)["spec"]["spec"]["manifest"]["part"] == "0"
