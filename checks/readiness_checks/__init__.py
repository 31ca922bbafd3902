"""The vendor's Prerequisites page as checks, one module for each of its sections, in the page's order."""

from __future__ import annotations

from readiness.plan import AnyCheck
from readiness_checks.bootstrap import DockerThere, LinuxThere, PipThere, RecentPython, SshToVms
from readiness_checks.connectivity import (
    ExasReachable,
    ExcpReachable,
    ExcsReachable,
    ReachesBackupStatServer,
    ReachesConfigDb,
    ReachesExcsApi,
    ReachesGenesysCloud,
    ReachesLogging,
    ReachesPrimaryStatServer,
    ReachesRedis,
    ReachesRegistry,
    ReachesSipServers,
)
from readiness_checks.engage import (
    ConfigDbRuns,
    EngageVersions,
    Inventory,
    ReadOnlyAccount,
    SipServersRun,
    StatServersRun,
)
from readiness_checks.genesys_cloud import NotIntercepted, OAuthClientWorks, OrganizationPlanned, RoleAssigned
from readiness_checks.network import DockerOverlap, Interconnect, NameResolution, OneSegment
from readiness_checks.optional import ContainerMonitoringRuns, GrafanaRuns, LoggingRuns, PrometheusRuns
from readiness_checks.planning import LimitationsReviewed
from readiness_checks.recording import (
    ExrpRows,
    LoadBalancerReachesExcp,
    LoadBalancerStands,
    McpReachesLoadBalancer,
    McpReachesWebDav,
    WebDavHasRoom,
)
from readiness_checks.redis import (
    RedisClusterModeOff,
    RedisDataProtected,
    RedisEnterpriseEdition,
    RedisMemorySuffices,
    RedisOwnedByDbas,
    RedisResilient,
    RedisScalable,
    RedisVersion6,
)
from readiness_checks.redis_beyond import RedisNear, RedisNeverEvicts, RedisSecured
from readiness_checks.redis_place import RedisOutsideDocker
from readiness_checks.registry import RegistryImages, RegistryReachable, RegistryTrustedByVms
from readiness_checks.vm import (
    ComposeThere,
    DockerEngine,
    OneComponentEach,
    PortFree,
    RecentKernel,
    RolesPlanned,
    SixtyFourBitLinux,
)
from readiness_checks.vm_size import EnoughCpu, EnoughDisk, EnoughMemory
from readiness_checks.vm_time import ClockOffset, TimeSynchronised

PACK: tuple[type[AnyCheck], ...] = (
    # Before anything else
    LimitationsReviewed,
    # Redis Cache
    RedisVersion6,
    RedisEnterpriseEdition,
    RedisClusterModeOff,
    RedisMemorySuffices,
    RedisOutsideDocker,
    RedisScalable,
    RedisResilient,
    RedisDataProtected,
    RedisOwnedByDbas,
    RedisSecured,
    RedisNeverEvicts,
    RedisNear,
    # Container Registry
    RegistryReachable,
    RegistryImages,
    RegistryTrustedByVms,
    # Virtual Machines for the EXEC Components
    RolesPlanned,
    OneComponentEach,
    SixtyFourBitLinux,
    RecentKernel,
    EnoughCpu,
    EnoughMemory,
    EnoughDisk,
    DockerEngine,
    ComposeThere,
    TimeSynchronised,
    ClockOffset,
    PortFree,
    # Virtual Machines: their network
    OneSegment,
    Interconnect,
    NameResolution,
    DockerOverlap,
    # The connectivity table, row by row
    ReachesConfigDb,
    ReachesPrimaryStatServer,
    ReachesBackupStatServer,
    ReachesSipServers,
    ReachesExcsApi,
    ExcsReachable,
    ExasReachable,
    ExcpReachable,
    ReachesRedis,
    ReachesLogging,
    ReachesGenesysCloud,
    ReachesRegistry,
    # Bootstrap Virtual Machine
    LinuxThere,
    DockerThere,
    RecentPython,
    PipThere,
    SshToVms,
    # Genesys Cloud EX Organization
    OrganizationPlanned,
    OAuthClientWorks,
    RoleAssigned,
    NotIntercepted,
    # Engage Environment
    ConfigDbRuns,
    StatServersRun,
    SipServersRun,
    EngageVersions,
    Inventory,
    ReadOnlyAccount,
    # Optional Environment Elements
    PrometheusRuns,
    GrafanaRuns,
    LoggingRuns,
    ContainerMonitoringRuns,
    # What the revision with recording adds
    WebDavHasRoom,
    LoadBalancerStands,
    McpReachesWebDav,
    McpReachesLoadBalancer,
    LoadBalancerReachesExcp,
    ExrpRows,
)
"""Every check of this pack. What is not named here does not exist for an audit."""
