"""Whether a machine's container engine would accept a registry: by its certificate, or because it was told to.

An engine trusts the machine's own store of authorities and what lies in ``/etc/docker/certs.d/<registry>``
(https://docs.docker.com/engine/security/certificates/); plain HTTP, and any certificate, where the registry is named
under ``insecure-registries`` (https://docs.docker.com/reference/cli/dockerd/#insecure-registries).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address, ip_network
from typing import ClassVar

from readiness.host_script import Part, parts
from readiness.model import Cause, ProbeError
from readiness.probe import Probe
from readiness.probes.tls import one_line
from readiness.site import Endpoint
from readiness.vantage import Limits, Vantages

SECONDS = 8
"""Seconds that one verification on the machine may take."""


class Trust(StrEnum):
    """How a verification on the machine ended."""

    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"
    UNREACHED = "unreached"
    UNTRIED = "untried"


@dataclass(frozen=True, kw_only=True)
class Verification:
    """One verification of the served chain; ``tool`` did it, ``said`` are its own words."""

    trust: Trust
    tool: str = ""
    said: str = ""


@dataclass(frozen=True, kw_only=True)
class RegistryTrust:
    """What a machine's engine would make of a registry.

    ``store``: verified with the machine's own authorities. ``folder``: with each certificate file in the engine's
    folder for this registry, by its path; ``hidden`` where a folder cannot be read. ``insecure``: whether the engine
    is told to accept the registry without verifying it, ``None`` where its settings are hidden.
    """

    vantage: str
    store: Verification
    folder: Mapping[str, Verification]
    hidden: bool
    insecure: bool | None

    @property
    def tools(self) -> str:
        return self.store.tool or next((one.tool for one in self.folder.values() if one.tool), "")


@dataclass(frozen=True)
class ReadRegistryTrust(Probe[RegistryTrust]):
    """Have the machine itself verify the registry's certificate, and read what its engine is told."""

    vantage: str
    registry: Endpoint
    tls: bool

    method: ClassVar[str] = "verification on the VM"

    @property
    def vantages(self) -> tuple[str, ...]:
        return (self.vantage,)

    def describe(self) -> str:
        how = "verify the certificate of" if self.tls else "see whether the engine accepts plain HTTP from"
        return f"{how} {self.registry} on {self.vantage}"

    def limit(self, limits: Limits) -> float:
        return 3 * (limits.script + SECONDS) + limits.conversation

    async def read(self, vantages: Vantages) -> str:
        vantage, limits = vantages[self.vantage], vantages.limits
        resolution = await vantage.resolve(self.registry.host)
        script = _script(self.registry, self.tls)

        async def told(*, privileged: bool) -> str:
            done = await vantage.run(script, limit=limits.script + SECONDS, privileged=privileged)
            output = done.out.decode(errors="replace")[: 64 * 1024]
            return json.dumps({"addresses": list(resolution.addresses), "output": output})

        response = await told(privileged=False)
        if vantage.can_sudo and self._lacks(self.parse(response)):
            response = await told(privileged=True)
        return response

    def _lacks(self, trust: RegistryTrust) -> bool:
        """Whether something decisive is hidden from an ordinary user."""
        if not self.tls:
            return trust.insecure is None
        return trust.hidden and trust.store.trust is Trust.UNTRUSTED

    def parse(self, response: str) -> RegistryTrust:
        try:
            recorded = json.loads(response)
            found = parts(str(recorded["output"]))
            addresses = tuple(str(address) for address in recorded["addresses"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ProbeError(Cause.PARSE, "the recorded trust in the registry makes no sense") from None
        if "end" not in found:
            raise ProbeError(
                Cause.TIMEOUT,
                "the machine did not finish looking at the registry's certificate",
                enable=f"Run on {self.vantage}: curl -v https://{self.registry}/v2/",
            )
        return RegistryTrust(
            vantage=self.vantage,
            store=_verification(found.get("store")),
            folder={
                name.removeprefix("folder "): _verification(part)
                for name, part in found.items()
                if name.startswith("folder ")
            },
            hidden="hidden" in found,
            insecure=_insecure(found, self.registry, addresses),
        )


_SCRIPT = r"""
LC_ALL=C; export LC_ALL; PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
unset CURL_CA_BUNDLE SSL_CERT_FILE SSL_CERT_DIR
at='@AT@' tool='' hidden='' trust=''
within() { if command -v timeout >/dev/null 2>&1; then timeout @SECONDS@ "$@"; else "$@"; fi; }
by_curl() {
  within curl -q -sS -o /dev/null --noproxy '*' --max-time @SECONDS@ ${1:+--cacert "$1"} "https://$at/v2/"
}
by_openssl() {
  within openssl s_client -connect "$at" @NAMED@ -verify_return_error ${1:+-partial_chain -CAfile "$1"}
}
by_python3() {
  within python3 -c '
import socket, ssl, sys
trust = ssl.create_default_context(cafile=sys.argv[3] or None)
try:
    plain = socket.create_connection((sys.argv[1], int(sys.argv[2])), @SECONDS@)
except Exception as error:
    print(error)
    sys.exit(7)
try:
    trust.wrap_socket(plain, server_hostname=sys.argv[1])
except Exception as error:
    print(error)
    sys.exit(60 if isinstance(error, ssl.SSLError) else 56)
' '@HOST@' @PORT@ "$1"
}
for one in curl openssl python3; do
  [ "$tool" ] || { command -v "$one" >/dev/null 2>&1 && tool=$one; }
done
verify() {
  echo "=== $1"
  if [ "$tool" ]; then
    said=$("by_$tool" "$2" </dev/null 2>&1)
    trust=$?
    printf 'tool %s\n%s\n--- %s\n' "$tool" "$said" "$trust"
  else
    echo '--- missing'
  fi
}
if [ '@TLS@' = yes ]; then
  verify store ''
  for folder in @FOLDERS@; do
    [ -d "$folder" ] && ! [ -r "$folder" ] && hidden=yes
    for file in "$folder"/*.crt; do
      [ -e "$file" ] || continue
      if [ -r "$file" ]; then verify "folder $file" "$file"; else hidden=yes; fi
    done
  done
  for folder in /etc/docker /etc/docker/certs.d; do
    [ -d "$folder" ] && ! [ -x "$folder" ] && hidden=yes
  done
  [ "$hidden" ] && printf '=== hidden\n--- 0\n'
fi
if command -v docker >/dev/null 2>&1; then
  echo '=== engine'
  within docker info --format '{{json .RegistryConfig}}' </dev/null 2>/dev/null
  printf '\n--- %s\n' "$?"
fi
if [ -r /etc/docker/daemon.json ]; then
  echo '=== insecure'
  tr -d '\n' </etc/docker/daemon.json | sed -n 's/.*"insecure-registries"[^[]*\(\[[^]]*\]\).*/\1/p'
  printf '\n--- 0\n'
fi
printf '=== end\n--- 0\n'
"""


def _script(registry: Endpoint, tls: bool) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:-]+", registry.host):
        raise ProbeError(Cause.UNSUPPORTED, "the registry's host cannot stand in a script")
    folders = [f"/etc/docker/certs.d/{registry}"]
    if registry.port == 443:
        folders.append(f"/etc/docker/certs.d/{str(registry).rpartition(':')[0]}")
    literal = _is_address(registry.host)
    filled = {
        "AT": str(registry),
        "HOST": registry.host,
        "PORT": str(registry.port),
        "SECONDS": str(SECONDS),
        "NAMED": (
            f"-verify_ip {registry.host}"
            if literal
            else f"-servername {registry.host} -verify_hostname {registry.host}"
        ),
        "FOLDERS": " ".join(f"'{folder}'" for folder in folders),
        "TLS": "yes" if tls else "no",
    }
    return re.sub(r"@([A-Z]+)@", lambda slot: filled[slot[1]], _SCRIPT).lstrip()


_UNREACHED = frozenset({124, 137, 143})
"""Statuses of timeout(1) and of what it killed."""


def _verification(part: Part | None) -> Verification:
    if part is None or part.status is None:
        return Verification(trust=Trust.UNTRIED)
    first, _, rest = part.text.partition("\n")
    tool = first.removeprefix("tool ")
    if part.status in _UNREACHED:
        return Verification(trust=Trust.UNREACHED, tool=tool, said=f"no answer within {SECONDS} s")
    if tool == "openssl":
        return _by_openssl(rest)
    said = one_line(rest, 160)
    return Verification(trust=_by_status(tool, part.status, rest), tool=tool, said=said)


def _by_status(tool: str, status: int, said: str) -> Trust:
    """curl's exit statuses (curl(1), EXIT CODES), which the python3 stand-in borrows."""
    if status == 0:
        return Trust.TRUSTED
    if status == 77:
        return Trust.UNTRIED
    if status == 51 or (status == 60 and (tool == "curl" or "CERTIFICATE_VERIFY_FAILED" in said)):
        return Trust.UNTRUSTED
    return Trust.UNREACHED


def _by_openssl(said: str) -> Verification:
    """What openssl-s_client(1) prints of a handshake; its exit status depends on its release."""
    error = re.search(r"^verify error:num=\d+:(.+)$", said, re.MULTILINE)
    if error:
        return Verification(trust=Trust.UNTRUSTED, tool="openssl", said=one_line(error[1], 160))
    verdict = re.search(r"Verify return code: (\d+) \((.*)\)", said)
    if verdict and "BEGIN CERTIFICATE" in said:
        trust = Trust.TRUSTED if verdict[1] == "0" else Trust.UNTRUSTED
        return Verification(trust=trust, tool="openssl", said=one_line(verdict[2], 160))
    last = next((line for line in said.splitlines() if "errno" in line or "error:" in line), "no handshake")
    return Verification(trust=Trust.UNREACHED, tool="openssl", said=one_line(last, 160))


def _insecure(found: Mapping[str, Part], registry: Endpoint, addresses: tuple[str, ...]) -> bool | None:
    engine = found.get("engine")
    if engine is not None and engine.answered:
        try:
            told = json.loads(engine.text)
            named = {name for name, index in (told["IndexConfigs"] or {}).items() if not index["Secure"]}
            ranges = [str(one) for one in told["InsecureRegistryCIDRs"] or ()]
            return _names(registry, named) or _covers(ranges, (registry.host, *addresses))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass
    listed = found.get("insecure")
    try:
        entries = [str(one) for one in json.loads(listed.text)] if listed is not None and listed.text.strip() else []
    except (ValueError, TypeError, RecursionError):
        entries = []
    # That a file does not name it proves nothing: the engine's command line may.
    return True if _names(registry, set(entries)) or _covers(entries, (registry.host, *addresses)) else None


def _names(registry: Endpoint, named: set[str]) -> bool:
    bare = str(registry).rpartition(":")[0]
    return str(registry) in named or (registry.port in (80, 443) and bare in named)


def _covers(ranges: list[str], hosts: tuple[str, ...]) -> bool:
    for text in ranges:
        try:
            network = ip_network(text)
        except ValueError:
            continue
        if any(_is_address(host) and ip_address(host) in network for host in hosts):
            return True
    return False


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
