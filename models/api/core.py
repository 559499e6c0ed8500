"""Structs of API group core, generated from the schema of Kubernetes 1.36 by `python -m callboard.models.codegen`."""

from __future__ import annotations

from typing import Any, ClassVar
import msgspec


from callboard.models.api import meta
from callboard.models.base import EMPTY_MAP, FrozenMap, Kind, Model

__all__ = ["AWSElasticBlockStoreVolumeSource", "Affinity", "AppArmorProfile", "AttachedVolume", "AzureDiskVolumeSource", "AzureFileVolumeSource", "CSIVolumeSource", "Capabilities", "CephFSVolumeSource", "CinderVolumeSource", "ClientIPConfig", "ClusterTrustBundleProjection", "ConfigMap", "ConfigMapEnvSource", "ConfigMapKeySelector", "ConfigMapNodeConfigSource", "ConfigMapProjection", "ConfigMapVolumeSource", "Container", "ContainerExtendedResourceRequest", "ContainerImage", "ContainerPort", "ContainerResizePolicy", "ContainerRestartRule", "ContainerRestartRuleOnExitCodes", "ContainerState", "ContainerStateRunning", "ContainerStateTerminated", "ContainerStateWaiting", "ContainerStatus", "ContainerUser", "DaemonEndpoint", "DownwardAPIProjection", "DownwardAPIVolumeFile", "DownwardAPIVolumeSource", "EmptyDirVolumeSource", "EnvFromSource", "EnvVar", "EnvVarSource", "EphemeralContainer", "EphemeralVolumeSource", "Event", "EventSeries", "EventSource", "ExecAction", "FCVolumeSource", "FileKeySelector", "FlexVolumeSource", "FlockerVolumeSource", "GCEPersistentDiskVolumeSource", "GRPCAction", "GitRepoVolumeSource", "GlusterfsVolumeSource", "HTTPGetAction", "HTTPHeader", "HostAlias", "HostIP", "HostPathVolumeSource", "ISCSIVolumeSource", "ImageVolumeSource", "ImageVolumeStatus", "KeyToPath", "Lifecycle", "LifecycleHandler", "LinuxContainerUser", "LoadBalancerIngress", "LoadBalancerStatus", "LocalObjectReference", "NFSVolumeSource", "Namespace", "NamespaceCondition", "NamespaceSpec", "NamespaceStatus", "Node", "NodeAddress", "NodeAffinity", "NodeAllocatableResourceClaimStatus", "NodeCondition", "NodeConfigSource", "NodeConfigStatus", "NodeDaemonEndpoints", "NodeFeatures", "NodeRuntimeHandler", "NodeRuntimeHandlerFeatures", "NodeSelector", "NodeSelectorRequirement", "NodeSelectorTerm", "NodeSpec", "NodeStatus", "NodeSwapStatus", "NodeSystemInfo", "ObjectFieldSelector", "ObjectReference", "PersistentVolumeClaimSpec", "PersistentVolumeClaimTemplate", "PersistentVolumeClaimVolumeSource", "PhotonPersistentDiskVolumeSource", "Pod", "PodAffinity", "PodAffinityTerm", "PodAntiAffinity", "PodCertificateProjection", "PodCondition", "PodDNSConfig", "PodDNSConfigOption", "PodExtendedResourceClaimStatus", "PodIP", "PodOS", "PodReadinessGate", "PodResourceClaim", "PodResourceClaimStatus", "PodSchedulingGate", "PodSchedulingGroup", "PodSecurityContext", "PodSpec", "PodStatus", "PodTemplateSpec", "PortStatus", "PortworxVolumeSource", "PreferredSchedulingTerm", "Probe", "ProjectedVolumeSource", "QuobyteVolumeSource", "RBDVolumeSource", "ResourceClaim", "ResourceFieldSelector", "ResourceHealth", "ResourceRequirements", "ResourceStatus", "SELinuxOptions", "ScaleIOVolumeSource", "SeccompProfile", "Secret", "SecretEnvSource", "SecretKeySelector", "SecretProjection", "SecretVolumeSource", "SecurityContext", "Service", "ServiceAccount", "ServiceAccountTokenProjection", "ServicePort", "ServiceSpec", "ServiceStatus", "SessionAffinityConfig", "SleepAction", "StorageOSVolumeSource", "Sysctl", "TCPSocketAction", "Taint", "Toleration", "TopologySpreadConstraint", "TypedLocalObjectReference", "TypedObjectReference", "Volume", "VolumeDevice", "VolumeMount", "VolumeMountStatus", "VolumeProjection", "VolumeResourceRequirements", "VolumeStatus", "VsphereVirtualDiskVolumeSource", "WeightedPodAffinityTerm", "WindowsSecurityContextOptions"]


class NodeSelectorRequirement(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()


class NodeSelectorTerm(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    match_expressions: tuple[NodeSelectorRequirement, ...] = ()
    match_fields: tuple[NodeSelectorRequirement, ...] = ()


class PreferredSchedulingTerm(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    preference: NodeSelectorTerm | None = None
    weight: int | None = None


class NodeSelector(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    node_selector_terms: tuple[NodeSelectorTerm, ...] = ()


class NodeAffinity(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredSchedulingTerm, ...] = ()
    required_during_scheduling_ignored_during_execution: NodeSelector | None = None


class PodAffinityTerm(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    label_selector: meta.LabelSelector | None = None
    match_label_keys: tuple[str, ...] = ()
    mismatch_label_keys: tuple[str, ...] = ()
    namespace_selector: meta.LabelSelector | None = None
    namespaces: tuple[str, ...] = ()
    topology_key: str = ""


class WeightedPodAffinityTerm(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    pod_affinity_term: PodAffinityTerm | None = None
    weight: int | None = None


class PodAffinity(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    preferred_during_scheduling_ignored_during_execution: tuple[WeightedPodAffinityTerm, ...] = ()
    required_during_scheduling_ignored_during_execution: tuple[PodAffinityTerm, ...] = ()


class PodAntiAffinity(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    preferred_during_scheduling_ignored_during_execution: tuple[WeightedPodAffinityTerm, ...] = ()
    required_during_scheduling_ignored_during_execution: tuple[PodAffinityTerm, ...] = ()


class Affinity(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAntiAffinity | None = None


class ConfigMapKeySelector(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    key: str = ""
    name: str = ""
    optional: bool | None = None


class ObjectFieldSelector(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    api_version: str = ""
    field_path: str = ""


class FileKeySelector(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    key: str = ""
    optional: bool | None = None
    path: str = ""
    volume_name: str = ""


class ResourceFieldSelector(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    container_name: str = ""
    divisor: str | int | float | None = None
    resource: str = ""


class SecretKeySelector(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    key: str = ""
    name: str = ""
    optional: bool | None = None


class EnvVarSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    config_map_key_ref: ConfigMapKeySelector | None = None
    field_ref: ObjectFieldSelector | None = None
    file_key_ref: FileKeySelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    secret_key_ref: SecretKeySelector | None = None


class EnvVar(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    name: str = ""
    value: str = ""
    value_from: EnvVarSource | None = None


class ConfigMapEnvSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    name: str = ""
    optional: bool | None = None


class SecretEnvSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    name: str = ""
    optional: bool | None = None


class EnvFromSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    config_map_ref: ConfigMapEnvSource | None = None
    prefix: str = ""
    secret_ref: SecretEnvSource | None = None


class ExecAction(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    command: tuple[str, ...] = ()


class HTTPHeader(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    name: str = ""
    value: str = ""


class HTTPGetAction(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    host: str = ""
    http_headers: tuple[HTTPHeader, ...] = ()
    path: str = ""
    port: int | str | None = None
    scheme: str = ""


class SleepAction(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    seconds: int | None = None


class TCPSocketAction(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    host: str = ""
    port: int | str | None = None


class LifecycleHandler(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    sleep: SleepAction | None = None
    tcp_socket: TCPSocketAction | None = None


class Lifecycle(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None
    stop_signal: str = ""


class GRPCAction(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    port: int | None = None
    service: str = ""


class Probe(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    exec: ExecAction | None = None
    failure_threshold: int | None = None
    grpc: GRPCAction | None = None
    http_get: HTTPGetAction | None = None
    initial_delay_seconds: int | None = None
    period_seconds: int | None = None
    success_threshold: int | None = None
    tcp_socket: TCPSocketAction | None = None
    termination_grace_period_seconds: int | None = None
    timeout_seconds: int | None = None


class ContainerPort(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    container_port: int | None = None
    host_ip: str = ""
    host_port: int | None = None
    name: str = ""
    protocol: str = ""


class ContainerResizePolicy(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    resource_name: str = ""
    restart_policy: str = ""


class ResourceClaim(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    name: str = ""
    request: str = ""


class ResourceRequirements(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    claims: tuple[ResourceClaim, ...] = ()
    limits: FrozenMap = EMPTY_MAP
    requests: FrozenMap = EMPTY_MAP


class ContainerRestartRuleOnExitCodes(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    operator: str = ""
    values: tuple[int, ...] = ()


class ContainerRestartRule(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    action: str = ""
    exit_codes: ContainerRestartRuleOnExitCodes | None = None


class AppArmorProfile(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    localhost_profile: str = ""
    type: str = ""


class Capabilities(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


class SELinuxOptions(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    level: str = ""
    role: str = ""
    type: str = ""
    user: str = ""


class SeccompProfile(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    localhost_profile: str = ""
    type: str = ""


class WindowsSecurityContextOptions(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    gmsa_credential_spec: str = ""
    gmsa_credential_spec_name: str = ""
    host_process: bool | None = None
    run_as_user_name: str = ""


class SecurityContext(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    allow_privilege_escalation: bool | None = None
    app_armor_profile: AppArmorProfile | None = None
    capabilities: Capabilities | None = None
    privileged: bool | None = None
    proc_mount: str = ""
    read_only_root_filesystem: bool | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    run_as_user: int | None = None
    se_linux_options: SELinuxOptions | None = None
    seccomp_profile: SeccompProfile | None = None
    windows_options: WindowsSecurityContextOptions | None = None


class VolumeDevice(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    device_path: str = ""
    name: str = ""


class VolumeMount(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    mount_path: str = ""
    mount_propagation: str = ""
    name: str = ""
    read_only: bool | None = None
    recursive_read_only: str = ""
    sub_path: str = ""
    sub_path_expr: str = ""


class Container(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    args: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFromSource, ...] = ()
    image: str = ""
    image_pull_policy: str = ""
    lifecycle: Lifecycle | None = None
    liveness_probe: Probe | None = None
    name: str = ""
    ports: tuple[ContainerPort, ...] = ()
    readiness_probe: Probe | None = None
    resize_policy: tuple[ContainerResizePolicy, ...] = ()
    resources: ResourceRequirements | None = None
    restart_policy: str = ""
    restart_policy_rules: tuple[ContainerRestartRule, ...] = ()
    security_context: SecurityContext | None = None
    startup_probe: Probe | None = None
    stdin: bool | None = None
    stdin_once: bool | None = None
    termination_message_path: str = ""
    termination_message_policy: str = ""
    tty: bool | None = None
    volume_devices: tuple[VolumeDevice, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    working_dir: str = ""


class PodDNSConfigOption(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    name: str = ""
    value: str = ""


class PodDNSConfig(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    nameservers: tuple[str, ...] = ()
    options: tuple[PodDNSConfigOption, ...] = ()
    searches: tuple[str, ...] = ()


class EphemeralContainer(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    args: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFromSource, ...] = ()
    image: str = ""
    image_pull_policy: str = ""
    lifecycle: Lifecycle | None = None
    liveness_probe: Probe | None = None
    name: str = ""
    ports: tuple[ContainerPort, ...] = ()
    readiness_probe: Probe | None = None
    resize_policy: tuple[ContainerResizePolicy, ...] = ()
    resources: ResourceRequirements | None = None
    restart_policy: str = ""
    restart_policy_rules: tuple[ContainerRestartRule, ...] = ()
    security_context: SecurityContext | None = None
    startup_probe: Probe | None = None
    stdin: bool | None = None
    stdin_once: bool | None = None
    target_container_name: str = ""
    termination_message_path: str = ""
    termination_message_policy: str = ""
    tty: bool | None = None
    volume_devices: tuple[VolumeDevice, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    working_dir: str = ""


class HostAlias(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    hostnames: tuple[str, ...] = ()
    ip: str = ""


class LocalObjectReference(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    name: str = ""


class PodOS(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    name: str = ""


class PodReadinessGate(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    condition_type: str = ""


class PodResourceClaim(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    name: str = ""
    resource_claim_name: str = ""
    resource_claim_template_name: str = ""


class PodSchedulingGate(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    name: str = ""


class PodSchedulingGroup(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    pod_group_name: str = ""


class Sysctl(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    name: str = ""
    value: str = ""


class PodSecurityContext(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    app_armor_profile: AppArmorProfile | None = None
    fs_group: int | None = None
    fs_group_change_policy: str = ""
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    run_as_user: int | None = None
    se_linux_change_policy: str = ""
    se_linux_options: SELinuxOptions | None = None
    seccomp_profile: SeccompProfile | None = None
    supplemental_groups: tuple[int, ...] = ()
    supplemental_groups_policy: str = ""
    sysctls: tuple[Sysctl, ...] = ()
    windows_options: WindowsSecurityContextOptions | None = None


class Toleration(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    effect: str = ""
    key: str = ""
    operator: str = ""
    toleration_seconds: int | None = None
    value: str = ""


class TopologySpreadConstraint(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    label_selector: meta.LabelSelector | None = None
    match_label_keys: tuple[str, ...] = ()
    max_skew: int | None = None
    min_domains: int | None = None
    node_affinity_policy: str = ""
    node_taints_policy: str = ""
    topology_key: str = ""
    when_unsatisfiable: str = ""


class AWSElasticBlockStoreVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    fs_type: str = ""
    partition: int | None = None
    read_only: bool | None = None
    volume_id: str = ""


class AzureDiskVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    caching_mode: str = ""
    disk_name: str = ""
    disk_uri: str = ""
    fs_type: str = ""
    kind: str = ""
    read_only: bool | None = None


class AzureFileVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    read_only: bool | None = None
    secret_name: str = ""
    share_name: str = ""


class CephFSVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    monitors: tuple[str, ...] = ()
    path: str = ""
    read_only: bool | None = None
    secret_file: str = ""
    secret_ref: LocalObjectReference | None = None
    user: str = ""


class CinderVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    fs_type: str = ""
    read_only: bool | None = None
    secret_ref: LocalObjectReference | None = None
    volume_id: str = ""


class KeyToPath(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    key: str = ""
    mode: int | None = None
    path: str = ""


class ConfigMapVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    default_mode: int | None = None
    items: tuple[KeyToPath, ...] = ()
    name: str = ""
    optional: bool | None = None


class CSIVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    driver: str = ""
    fs_type: str = ""
    node_publish_secret_ref: LocalObjectReference | None = None
    read_only: bool | None = None
    volume_attributes: FrozenMap = EMPTY_MAP


class DownwardAPIVolumeFile(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    field_ref: ObjectFieldSelector | None = None
    mode: int | None = None
    path: str = ""
    resource_field_ref: ResourceFieldSelector | None = None


class DownwardAPIVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    default_mode: int | None = None
    items: tuple[DownwardAPIVolumeFile, ...] = ()


class EmptyDirVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    medium: str = ""
    size_limit: str | int | float | None = None


class TypedLocalObjectReference(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    api_group: str = ""
    kind: str = ""
    name: str = ""


class TypedObjectReference(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    api_group: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""


class VolumeResourceRequirements(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    limits: FrozenMap = EMPTY_MAP
    requests: FrozenMap = EMPTY_MAP


class PersistentVolumeClaimSpec(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    access_modes: tuple[str, ...] = ()
    data_source: TypedLocalObjectReference | None = None
    data_source_ref: TypedObjectReference | None = None
    resources: VolumeResourceRequirements | None = None
    selector: meta.LabelSelector | None = None
    storage_class_name: str = ""
    volume_attributes_class_name: str = ""
    volume_mode: str = ""
    volume_name: str = ""


class PersistentVolumeClaimTemplate(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    metadata: meta.ObjectMeta | None = None
    spec: PersistentVolumeClaimSpec | None = None


class EphemeralVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    volume_claim_template: PersistentVolumeClaimTemplate | None = None


class FCVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    fs_type: str = ""
    lun: int | None = None
    read_only: bool | None = None
    target_wwns: tuple[str, ...] = ()
    wwids: tuple[str, ...] = ()


class FlexVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    driver: str = ""
    fs_type: str = ""
    options: FrozenMap = EMPTY_MAP
    read_only: bool | None = None
    secret_ref: LocalObjectReference | None = None


class FlockerVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    dataset_name: str = ""
    dataset_uuid: str = ""


class GCEPersistentDiskVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    fs_type: str = ""
    partition: int | None = None
    pd_name: str = ""
    read_only: bool | None = None


class GitRepoVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    directory: str = ""
    repository: str = ""
    revision: str = ""


class GlusterfsVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    endpoints: str = ""
    path: str = ""
    read_only: bool | None = None


class HostPathVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    path: str = ""
    type: str = ""


class ImageVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    pull_policy: str = ""
    reference: str = ""


class ISCSIVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    chap_auth_discovery: bool | None = None
    chap_auth_session: bool | None = None
    fs_type: str = ""
    initiator_name: str = ""
    iqn: str = ""
    iscsi_interface: str = ""
    lun: int | None = None
    portals: tuple[str, ...] = ()
    read_only: bool | None = None
    secret_ref: LocalObjectReference | None = None
    target_portal: str = ""


class NFSVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    path: str = ""
    read_only: bool | None = None
    server: str = ""


class PersistentVolumeClaimVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    claim_name: str = ""
    read_only: bool | None = None


class PhotonPersistentDiskVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    fs_type: str = ""
    pd_id: str = ""


class PortworxVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    fs_type: str = ""
    read_only: bool | None = None
    volume_id: str = ""


class ClusterTrustBundleProjection(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    label_selector: meta.LabelSelector | None = None
    name: str = ""
    optional: bool | None = None
    path: str = ""
    signer_name: str = ""


class ConfigMapProjection(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    items: tuple[KeyToPath, ...] = ()
    name: str = ""
    optional: bool | None = None


class DownwardAPIProjection(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    items: tuple[DownwardAPIVolumeFile, ...] = ()


class PodCertificateProjection(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    certificate_chain_path: str = ""
    credential_bundle_path: str = ""
    key_path: str = ""
    key_type: str = ""
    max_expiration_seconds: int | None = None
    signer_name: str = ""
    user_annotations: FrozenMap = EMPTY_MAP


class SecretProjection(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    items: tuple[KeyToPath, ...] = ()
    name: str = ""
    optional: bool | None = None


class ServiceAccountTokenProjection(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    audience: str = ""
    expiration_seconds: int | None = None
    path: str = ""


class VolumeProjection(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    cluster_trust_bundle: ClusterTrustBundleProjection | None = None
    config_map: ConfigMapProjection | None = None
    downward_api: DownwardAPIProjection | None = None
    pod_certificate: PodCertificateProjection | None = None
    secret: SecretProjection | None = None
    service_account_token: ServiceAccountTokenProjection | None = None


class ProjectedVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    default_mode: int | None = None
    sources: tuple[VolumeProjection, ...] = ()


class QuobyteVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    group: str = ""
    read_only: bool | None = None
    registry: str = ""
    tenant: str = ""
    user: str = ""
    volume: str = ""


class RBDVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    fs_type: str = ""
    image: str = ""
    keyring: str = ""
    monitors: tuple[str, ...] = ()
    pool: str = ""
    read_only: bool | None = None
    secret_ref: LocalObjectReference | None = None
    user: str = ""


class ScaleIOVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    fs_type: str = ""
    gateway: str = ""
    protection_domain: str = ""
    read_only: bool | None = None
    secret_ref: LocalObjectReference | None = None
    ssl_enabled: bool | None = None
    storage_mode: str = ""
    storage_pool: str = ""
    system: str = ""
    volume_name: str = ""


class SecretVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    default_mode: int | None = None
    items: tuple[KeyToPath, ...] = ()
    optional: bool | None = None
    secret_name: str = ""


class StorageOSVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    fs_type: str = ""
    read_only: bool | None = None
    secret_ref: LocalObjectReference | None = None
    volume_name: str = ""
    volume_namespace: str = ""


class VsphereVirtualDiskVolumeSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    fs_type: str = ""
    storage_policy_id: str = ""
    storage_policy_name: str = ""
    volume_path: str = ""


class Volume(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    aws_elastic_block_store: AWSElasticBlockStoreVolumeSource | None = None
    azure_disk: AzureDiskVolumeSource | None = None
    azure_file: AzureFileVolumeSource | None = None
    cephfs: CephFSVolumeSource | None = None
    cinder: CinderVolumeSource | None = None
    config_map: ConfigMapVolumeSource | None = None
    csi: CSIVolumeSource | None = None
    downward_api: DownwardAPIVolumeSource | None = None
    empty_dir: EmptyDirVolumeSource | None = None
    ephemeral: EphemeralVolumeSource | None = None
    fc: FCVolumeSource | None = None
    flex_volume: FlexVolumeSource | None = None
    flocker: FlockerVolumeSource | None = None
    gce_persistent_disk: GCEPersistentDiskVolumeSource | None = None
    git_repo: GitRepoVolumeSource | None = None
    glusterfs: GlusterfsVolumeSource | None = None
    host_path: HostPathVolumeSource | None = None
    image: ImageVolumeSource | None = None
    iscsi: ISCSIVolumeSource | None = None
    name: str = ""
    nfs: NFSVolumeSource | None = None
    persistent_volume_claim: PersistentVolumeClaimVolumeSource | None = None
    photon_persistent_disk: PhotonPersistentDiskVolumeSource | None = None
    portworx_volume: PortworxVolumeSource | None = None
    projected: ProjectedVolumeSource | None = None
    quobyte: QuobyteVolumeSource | None = None
    rbd: RBDVolumeSource | None = None
    scale_io: ScaleIOVolumeSource | None = None
    secret: SecretVolumeSource | None = None
    storageos: StorageOSVolumeSource | None = None
    vsphere_volume: VsphereVirtualDiskVolumeSource | None = None


class PodSpec(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    active_deadline_seconds: int | None = None
    affinity: Affinity | None = None
    automount_service_account_token: bool | None = None
    containers: tuple[Container, ...] = ()
    dns_config: PodDNSConfig | None = None
    dns_policy: str = ""
    enable_service_links: bool | None = None
    ephemeral_containers: tuple[EphemeralContainer, ...] = ()
    host_aliases: tuple[HostAlias, ...] = ()
    host_ipc: bool | None = None
    host_network: bool | None = None
    host_pid: bool | None = None
    host_users: bool | None = None
    hostname: str = ""
    hostname_override: str = ""
    image_pull_secrets: tuple[LocalObjectReference, ...] = ()
    init_containers: tuple[Container, ...] = ()
    node_name: str = ""
    node_selector: FrozenMap = EMPTY_MAP
    os: PodOS | None = None
    overhead: FrozenMap = EMPTY_MAP
    preemption_policy: str = ""
    priority: int | None = None
    priority_class_name: str = ""
    readiness_gates: tuple[PodReadinessGate, ...] = ()
    resource_claims: tuple[PodResourceClaim, ...] = ()
    resources: ResourceRequirements | None = None
    restart_policy: str = ""
    runtime_class_name: str = ""
    scheduler_name: str = ""
    scheduling_gates: tuple[PodSchedulingGate, ...] = ()
    scheduling_group: PodSchedulingGroup | None = None
    security_context: PodSecurityContext | None = None
    service_account: str = ""
    service_account_name: str = ""
    set_hostname_as_fqdn: bool | None = None
    share_process_namespace: bool | None = None
    subdomain: str = ""
    termination_grace_period_seconds: int | None = None
    tolerations: tuple[Toleration, ...] = ()
    topology_spread_constraints: tuple[TopologySpreadConstraint, ...] = ()
    volumes: tuple[Volume, ...] = ()


class PodCondition(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    last_probe_time: str = ""
    last_transition_time: str = ""
    message: str = ""
    observed_generation: int | None = None
    reason: str = ""
    status: str = ""
    type: str = ""


class ResourceHealth(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    health: str = ""
    message: str = ""
    resource_id: str = ""


class ResourceStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    name: str = ""
    resources: tuple[ResourceHealth, ...] = ()


class ContainerStateRunning(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    started_at: str = ""


class ContainerStateTerminated(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    container_id: str = ""
    exit_code: int | None = None
    finished_at: str = ""
    message: str = ""
    reason: str = ""
    signal: int | None = None
    started_at: str = ""


class ContainerStateWaiting(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    message: str = ""
    reason: str = ""


class ContainerState(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None
    waiting: ContainerStateWaiting | None = None


class LinuxContainerUser(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    gid: int | None = None
    supplemental_groups: tuple[int, ...] = ()
    uid: int | None = None


class ContainerUser(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    linux: LinuxContainerUser | None = None


class ImageVolumeStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    image_ref: str = ""


class VolumeStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    image: ImageVolumeStatus | None = None


class VolumeMountStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    mount_path: str = ""
    name: str = ""
    read_only: bool | None = None
    recursive_read_only: str = ""
    volume_status: VolumeStatus | None = None


class ContainerStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    allocated_resources: FrozenMap = EMPTY_MAP
    allocated_resources_status: tuple[ResourceStatus, ...] = ()
    container_id: str = ""
    image: str = ""
    image_id: str = ""
    last_state: ContainerState | None = None
    name: str = ""
    ready: bool | None = None
    resources: ResourceRequirements | None = None
    restart_count: int | None = None
    started: bool | None = None
    state: ContainerState | None = None
    stop_signal: str = ""
    user: ContainerUser | None = None
    volume_mounts: tuple[VolumeMountStatus, ...] = ()


class ContainerExtendedResourceRequest(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    container_name: str = ""
    request_name: str = ""
    resource_name: str = ""


class PodExtendedResourceClaimStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    request_mappings: tuple[ContainerExtendedResourceRequest, ...] = ()
    resource_claim_name: str = ""


class HostIP(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    ip: str = ""


class NodeAllocatableResourceClaimStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    containers: tuple[str, ...] = ()
    resource_claim_name: str = ""
    resources: FrozenMap = EMPTY_MAP


class PodIP(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    ip: str = ""


class PodResourceClaimStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    name: str = ""
    resource_claim_name: str = ""


class PodStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    allocated_resources: FrozenMap = EMPTY_MAP
    conditions: tuple[PodCondition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    ephemeral_container_statuses: tuple[ContainerStatus, ...] = ()
    extended_resource_claim_status: PodExtendedResourceClaimStatus | None = None
    host_ip: str = ""
    host_ips: tuple[HostIP, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    message: str = ""
    node_allocatable_resource_claim_statuses: tuple[NodeAllocatableResourceClaimStatus, ...] = ()
    nominated_node_name: str = ""
    observed_generation: int | None = None
    phase: str = ""
    pod_ip: str = ""
    pod_ips: tuple[PodIP, ...] = ()
    qos_class: str = ""
    reason: str = ""
    resize: str = ""
    resource_claim_statuses: tuple[PodResourceClaimStatus, ...] = ()
    resources: ResourceRequirements | None = None
    start_time: str = ""


class Pod(Kind, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    API_VERSION: ClassVar[str] = "v1"
    KIND: ClassVar[str] = "Pod"
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    spec: PodSpec | None = None
    status: PodStatus | None = None


class ConfigMapNodeConfigSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    kubelet_config_key: str = ""
    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    uid: str = ""


class NodeConfigSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    config_map: ConfigMapNodeConfigSource | None = None


class Taint(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    effect: str = ""
    key: str = ""
    time_added: str = ""
    value: str = ""


class NodeSpec(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    config_source: NodeConfigSource | None = None
    external_id: str = ""
    pod_cidr: str = ""
    pod_cidrs: tuple[str, ...] = ()
    provider_id: str = ""
    taints: tuple[Taint, ...] = ()
    unschedulable: bool | None = None


class NodeAddress(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    address: str = ""
    type: str = ""


class NodeCondition(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    last_heartbeat_time: str = ""
    last_transition_time: str = ""
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class NodeConfigStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    active: NodeConfigSource | None = None
    assigned: NodeConfigSource | None = None
    error: str = ""
    last_known_good: NodeConfigSource | None = None


class DaemonEndpoint(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    port: int | None = msgspec.field(default=None, name="Port")


class NodeDaemonEndpoints(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    kubelet_endpoint: DaemonEndpoint | None = None


class NodeFeatures(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    supplemental_groups_policy: bool | None = None


class ContainerImage(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    names: tuple[str, ...] = ()
    size_bytes: int | None = None


class NodeSwapStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    capacity: int | None = None


class NodeSystemInfo(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    architecture: str = ""
    boot_id: str = ""
    container_runtime_version: str = ""
    kernel_version: str = ""
    kube_proxy_version: str = ""
    kubelet_version: str = ""
    machine_id: str = ""
    operating_system: str = ""
    os_image: str = ""
    swap: NodeSwapStatus | None = None
    system_uuid: str = ""


class NodeRuntimeHandlerFeatures(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    recursive_read_only_mounts: bool | None = None
    user_namespaces: bool | None = None


class NodeRuntimeHandler(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    features: NodeRuntimeHandlerFeatures | None = None
    name: str = ""


class AttachedVolume(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    device_path: str = ""
    name: str = ""


class NodeStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    addresses: tuple[NodeAddress, ...] = ()
    allocatable: FrozenMap = EMPTY_MAP
    capacity: FrozenMap = EMPTY_MAP
    conditions: tuple[NodeCondition, ...] = ()
    config: NodeConfigStatus | None = None
    daemon_endpoints: NodeDaemonEndpoints | None = None
    declared_features: tuple[str, ...] = ()
    features: NodeFeatures | None = None
    images: tuple[ContainerImage, ...] = ()
    node_info: NodeSystemInfo | None = None
    phase: str = ""
    runtime_handlers: tuple[NodeRuntimeHandler, ...] = ()
    volumes_attached: tuple[AttachedVolume, ...] = ()
    volumes_in_use: tuple[str, ...] = ()


class Node(Kind, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    API_VERSION: ClassVar[str] = "v1"
    KIND: ClassVar[str] = "Node"
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    spec: NodeSpec | None = None
    status: NodeStatus | None = None


class ServicePort(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    app_protocol: str = ""
    name: str = ""
    node_port: int | None = None
    port: int | None = None
    protocol: str = ""
    target_port: int | str | None = None


class ClientIPConfig(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    timeout_seconds: int | None = None


class SessionAffinityConfig(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    client_ip: ClientIPConfig | None = None


class ServiceSpec(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    allocate_load_balancer_node_ports: bool | None = None
    cluster_ip: str = ""
    cluster_ips: tuple[str, ...] = ()
    external_ips: tuple[str, ...] = ()
    external_name: str = ""
    external_traffic_policy: str = ""
    health_check_node_port: int | None = None
    internal_traffic_policy: str = ""
    ip_families: tuple[str, ...] = ()
    ip_family_policy: str = ""
    load_balancer_class: str = ""
    load_balancer_ip: str = ""
    load_balancer_source_ranges: tuple[str, ...] = ()
    ports: tuple[ServicePort, ...] = ()
    publish_not_ready_addresses: bool | None = None
    selector: FrozenMap = EMPTY_MAP
    session_affinity: str = ""
    session_affinity_config: SessionAffinityConfig | None = None
    traffic_distribution: str = ""
    type: str = ""


class PortStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    error: str = ""
    port: int | None = None
    protocol: str = ""


class LoadBalancerIngress(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    hostname: str = ""
    ip: str = ""
    ip_mode: str = ""
    ports: tuple[PortStatus, ...] = ()


class LoadBalancerStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    ingress: tuple[LoadBalancerIngress, ...] = ()


class ServiceStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    conditions: tuple[meta.Condition, ...] = ()
    load_balancer: LoadBalancerStatus | None = None


class Service(Kind, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    API_VERSION: ClassVar[str] = "v1"
    KIND: ClassVar[str] = "Service"
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    spec: ServiceSpec | None = None
    status: ServiceStatus | None = None


class ConfigMap(Kind, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    API_VERSION: ClassVar[str] = "v1"
    KIND: ClassVar[str] = "ConfigMap"
    binary_data: FrozenMap = EMPTY_MAP
    data: FrozenMap = EMPTY_MAP
    immutable: bool | None = None
    metadata: meta.ObjectMeta = meta.ObjectMeta()


class Secret(Kind, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    API_VERSION: ClassVar[str] = "v1"
    KIND: ClassVar[str] = "Secret"
    data: FrozenMap = EMPTY_MAP
    immutable: bool | None = None
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    string_data: FrozenMap = EMPTY_MAP
    type: str = ""


class NamespaceSpec(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    finalizers: tuple[str, ...] = ()


class NamespaceCondition(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    last_transition_time: str = ""
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class NamespaceStatus(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    conditions: tuple[NamespaceCondition, ...] = ()
    phase: str = ""


class Namespace(Kind, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    API_VERSION: ClassVar[str] = "v1"
    KIND: ClassVar[str] = "Namespace"
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    spec: NamespaceSpec | None = None
    status: NamespaceStatus | None = None


class ObjectReference(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    api_version: str = ""
    field_path: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    uid: str = ""


class EventSeries(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    count: int | None = None
    last_observed_time: str = ""


class EventSource(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    component: str = ""
    host: str = ""


class Event(Kind, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    API_VERSION: ClassVar[str] = "v1"
    KIND: ClassVar[str] = "Event"
    action: str = ""
    count: int | None = None
    event_time: str = ""
    first_timestamp: str = ""
    involved_object: ObjectReference | None = None
    last_timestamp: str = ""
    message: str = ""
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    reason: str = ""
    related: ObjectReference | None = None
    reporting_component: str = ""
    reporting_instance: str = ""
    series: EventSeries | None = None
    source: EventSource | None = None
    type: str = ""


class ServiceAccount(Kind, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    API_VERSION: ClassVar[str] = "v1"
    KIND: ClassVar[str] = "ServiceAccount"
    automount_service_account_token: bool | None = None
    image_pull_secrets: tuple[LocalObjectReference, ...] = ()
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    secrets: tuple[ObjectReference, ...] = ()


class PodTemplateSpec(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    metadata: meta.ObjectMeta | None = None
    spec: PodSpec | None = None
