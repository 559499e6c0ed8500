"""ConfigMaps and Secrets in a container's environment and as volumes: there, absent, and changing."""

from __future__ import annotations

from typing import Any

from callboard.models.api.core import (
    ConfigMapEnvSource,
    ConfigMapKeySelector,
    ConfigMapVolumeSource,
    DownwardAPIVolumeFile,
    DownwardAPIVolumeSource,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    ObjectFieldSelector,
    ResourceFieldSelector,
    ResourceRequirements,
    SecretKeySelector,
    Volume,
)
from callboard.models.base import FrozenMap, replace
from callboard.models.messages.api import DeleteObject
from callboard.models.messages.runtime import RunSandbox, StartContainer, UpdateVolumes
from tests.actors.kubelet.kit import NODE, World, config_map, container, pod, secret


def from_map(name: str, key: str, optional: bool | None = None) -> EnvVarSource:
    return EnvVarSource(config_map_key_ref=ConfigMapKeySelector(name=name, key=key, optional=optional))


class Listening(World):
    """A world that remembers what the kubelet asked of the runtime."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.asked: list[Any] = []
        self.system.links.drop("kubelet/*", "runtime/*", self._listen)

    def _listen(self, _passage: Any, message: Any) -> bool:
        self.asked.append(message)
        return False

    def environment(self) -> dict[str, str]:
        """The variables of the container that was started last."""
        started = [message for message in self.asked if isinstance(message, StartContainer)]
        return dict(started[-1].env)


def test_variables_come_from_values_fields_configs_and_resources() -> None:
    world = Listening()
    world.create(config_map("settings", mode="fast", level="3"), "configmaps")
    world.create(secret("keys", token="c2VjcmV0"), "secrets")
    variables = (
        EnvVar(name="LEVEL", value="overridden"),
        EnvVar(name="NAME", value_from=EnvVarSource(field_ref=ObjectFieldSelector(field_path="metadata.name"))),
        EnvVar(name="TEAM", value_from=EnvVarSource(field_ref=ObjectFieldSelector(field_path="metadata.labels['team']"))),
        EnvVar(name="IP", value_from=EnvVarSource(field_ref=ObjectFieldSelector(field_path="status.podIP"))),
        EnvVar(name="HOST", value_from=EnvVarSource(field_ref=ObjectFieldSelector(field_path="spec.nodeName"))),
        EnvVar(name="MODE", value_from=from_map("settings", "mode")),
        EnvVar(name="TOKEN", value_from=EnvVarSource(secret_key_ref=SecretKeySelector(name="keys", key="token"))),
        EnvVar(name="ABSENT", value_from=from_map("settings", "nothing", optional=True)),
        EnvVar(name="CPU", value_from=EnvVarSource(resource_field_ref=ResourceFieldSelector(resource="limits.cpu", divisor="1m"))),
        EnvVar(name="MEMORY", value_from=EnvVarSource(resource_field_ref=ResourceFieldSelector(resource="limits.memory", divisor="1Mi"))),
        EnvVar(name="URL", value="http://$(IP)/$(NAME)?$$(NAME)&$(UNKNOWN)"),
    )
    resources = ResourceRequirements(limits=FrozenMap({"cpu": "250m"}))
    everything = (EnvFromSource(config_map_ref=ConfigMapEnvSource(name="settings"), prefix="S_"),)
    made = pod("web", container(env=variables, env_from=everything, resources=resources))
    world.create(replace(made, metadata=replace(made.metadata, labels=FrozenMap({"team": "red"}))))
    world.run(1)
    assert world.environment() == {
        "S_mode": "fast",
        "S_level": "3",
        "LEVEL": "overridden",
        "NAME": "web",
        "TEAM": "red",
        "IP": "10.128.0.2",
        "HOST": NODE,
        "MODE": "fast",
        "TOKEN": "secret",
        "CPU": "250",
        "MEMORY": "8192",
        "URL": "http://10.128.0.2/web?$(NAME)&$(UNKNOWN)",
    }


def test_a_container_waits_for_a_config_that_is_absent_and_starts_when_it_is_there() -> None:
    world = World()
    world.create(pod("web", container(env=(EnvVar(name="MODE", value_from=from_map("later", "mode")),))))
    world.run(3)
    waiting = world.status().state
    assert waiting is not None
    assert waiting.waiting is not None
    assert (waiting.waiting.reason, waiting.waiting.message) == ("CreateContainerConfigError", 'configmap "later" not found')
    assert world.phase() == "Pending"
    assert [one.message for one in world.events("Failed")] == ['Error: configmap "later" not found']
    world.create(config_map("later", other="x"), "configmaps")
    world.wait(lambda: "find key mode in ConfigMap default/later" in str(world.status().state), 120)
    world.update(replace(world.find("later", "configmaps"), data=FrozenMap({"mode": "x"})), "configmaps")
    world.wait(lambda: world.phase() == "Running", 120)
    assert world.status().restart_count == 0


def test_a_volume_waits_for_its_config() -> None:
    world = World()
    volume = Volume(name="page", config_map=ConfigMapVolumeSource(name="page"))
    world.create(pod(volumes=(volume,)))
    world.run(3)
    waiting = world.status().state
    assert waiting is not None
    assert waiting.waiting is not None
    assert waiting.waiting.reason == "ContainerCreating"
    assert [one.message for one in world.events("FailedMount")] == [
        'MountVolume.SetUp failed for volume "page" : configmap "page" not found'
    ]
    world.create(config_map("page", text="hello"), "configmaps")
    world.wait(lambda: world.phase() == "Running", 20)


def test_a_pod_that_waits_for_a_config_can_be_deleted() -> None:
    world = World()
    world.create(pod(volumes=(Volume(name="page", config_map=ConfigMapVolumeSource(name="page")),)))
    world.run(3)
    world.delete("web")
    world.wait(lambda: world.find("web") is None, 5)
    assert world.kubelet.pods == {}


def test_a_world_in_which_a_pod_waits_for_ever_comes_to_rest() -> None:
    world = World()
    world.create(pod(volumes=(Volume(name="page", config_map=ConfigMapVolumeSource(name="page")),)))
    world.system.settle(timeout_s=120)
    assert world.phase() == "Pending"


def test_optional_configs_need_not_be_there() -> None:
    world = Listening()
    volume = Volume(name="page", config_map=ConfigMapVolumeSource(name="page", optional=True))
    variables = (EnvVar(name="MODE", value_from=from_map("later", "mode", optional=True)),)
    everything = (EnvFromSource(config_map_ref=ConfigMapEnvSource(name="more", optional=True)),)
    world.create(pod("web", container(env=variables, env_from=everything), volumes=(volume,)))
    world.run(2)
    assert world.phase() == "Running"
    assert world.environment() == {}


def test_volumes_follow_their_configs() -> None:
    world = Listening()
    world.create(config_map("page", text="old"), "configmaps")
    world.create(pod(volumes=(Volume(name="page", config_map=ConfigMapVolumeSource(name="page")),)))
    world.run(2)
    world.update(replace(world.find("page", "configmaps"), data=FrozenMap({"text": "new"})), "configmaps")
    world.run(61)
    updates = [message for message in world.asked if isinstance(message, UpdateVolumes)]
    assert [dict(update.configs)["configmaps/default/page"].data["text"] for update in updates] == ["new"]
    world.run(130)
    assert len([message for message in world.asked if isinstance(message, UpdateVolumes)]) == 1


def test_volumes_of_the_downward_api_follow_labels_and_annotations() -> None:
    world = Listening()
    items = (DownwardAPIVolumeFile(path="labels", field_ref=ObjectFieldSelector(field_path="metadata.labels")),)
    world.create(pod("web", container(), volumes=(Volume(name="me", downward_api=DownwardAPIVolumeSource(items=items)),)))
    world.run(2)
    (made,) = [one for one in world.asked if isinstance(one, RunSandbox)]
    assert made.configs == (("downward/default/me", {"labels": ""}),)
    running = world.pod()
    world.update(replace(running, metadata=replace(running.metadata, labels=FrozenMap({"app": "web"}))), "pods")
    world.run(2)
    (told,) = [one for one in world.asked if isinstance(one, UpdateVolumes)]
    assert told.configs == (("downward/default/me", {"labels": 'app="web"'}),)


def test_an_immutable_config_is_not_read_again_for_the_pods_that_have_it() -> None:
    """Not even one of the same name in its place changes their volumes."""
    world = Listening()
    world.create(replace(config_map("page", text="old"), immutable=True), "configmaps")
    world.create(pod(volumes=(Volume(name="page", config_map=ConfigMapVolumeSource(name="page")),)))
    world.run(2)
    world.ask(DeleteObject, resource="configmaps", namespace="default", name="page")
    world.create(config_map("page", text="new"), "configmaps")
    world.run(130)
    assert [message for message in world.asked if isinstance(message, UpdateVolumes)] == []
