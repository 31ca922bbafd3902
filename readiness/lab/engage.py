"""What stands in Demo Harbour's Config DB: the servers, agents and virtual queues of its contact centre.

Tables, columns and codes are those that are publicly known; the numbers fit what the site file declares.
"""

from __future__ import annotations

from collections.abc import Mapping

from readiness.lab.postgres import PgTable, Value

AGENTS = 1487
"""Enabled agents, a few less than the site is planned for."""

VIRTUAL_QUEUES = 212

_ENABLED, _DISABLED = 1, 2
_YES, _NO = 2, 1
_T_SERVER, _STAT_SERVER, _CONFIGURATION_SERVER, _INTERACTION_ROUTER = 1, 2, 21, 15
_EXTENSION, _VIRTUAL_QUEUE = 1, 5
_SIP_SWITCH = 63

_HOSTS = (
    (101, "cfgdb", "10.20.50.10"),
    (102, "stat-a", "10.20.50.21"),
    (103, "stat-b", "10.20.50.22"),
    (104, "sip-a", "10.20.50.31"),
    (105, "sip-b", "10.20.50.32"),
)
_SERVERS = (
    (201, "confserv_p", _CONFIGURATION_SERVER, "8.5.101.42", 101),
    (202, "stat_exec_p", _STAT_SERVER, "8.5.110.02", 102),
    (203, "stat_exec_b", _STAT_SERVER, "8.5.110.02", 103),
    (204, "sip_harbour_a", _T_SERVER, "8.1.102.59", 104),
    (205, "sip_harbour_b", _T_SERVER, "8.1.102.59", 105),
    (206, "urs_p", _INTERACTION_ROUTER, "8.1.400.39", 102),
)


def tables(domain: str) -> Mapping[str, PgTable]:
    """The Config DB's tables; hosts are named within ``domain``."""
    return {
        "cfg_application": _table(
            "dbid name type version state is_server",
            [(dbid, name, kind, version, _ENABLED, _YES) for dbid, name, kind, version, _ in _SERVERS],
        ),
        "cfg_server": _table("app_dbid host_dbid", [(dbid, host) for dbid, _, _, _, host in _SERVERS]),
        "cfg_host": _table(
            "dbid name ip_address lca_port",
            [(dbid, f"{name}.{domain}", address, "4999") for dbid, name, address in _HOSTS],
        ),
        "cfg_switch": _table("dbid type name", [(301, _SIP_SWITCH, "sip_harbour")]),
        "cfg_dn": _table("dbid switch_dbid type number_", [*_dns()]),
        "cfg_person": _table("dbid user_name employee_id is_agent state", [*_persons()]),
        "cfg_flex_prop": _table("object_dbid object_type prop_name prop_value parent_dbid", []),
        "cfg_app_option": _table("object_dbid section opt val", []),
        "cfg_locale": _table(
            "lc_type lc_subtype lc_value", [(1, _SIP_SWITCH, "SIP Switch"), (1, 2, "Nortel Meridian 1")]
        ),
    }


def _table(columns: str, rows: list[tuple[Value, ...]]) -> PgTable:
    return PgTable(columns=tuple(columns.split()), rows=rows)


def _dns() -> list[tuple[Value, ...]]:
    queues = [(1000 + at, 301, _VIRTUAL_QUEUE, f"VQ_harbour_{at:03}") for at in range(VIRTUAL_QUEUES)]
    return [*queues, *((5000 + at, 301, _EXTENSION, f"{7000 + at}") for at in range(300))]


def _persons() -> list[tuple[Value, ...]]:
    agents = [(10000 + at, f"agent{at:04}", f"E{at:05}", _YES, _ENABLED) for at in range(AGENTS)]
    left = [(20000 + at, f"left{at:04}", f"L{at:05}", _YES, _DISABLED) for at in range(64)]
    return [*agents, *left, (30001, "default", "default", _NO, _ENABLED)]
