"""The commented site file that a new site begins with."""

from __future__ import annotations


def starter() -> str:
    """The text of a new site file: every ``<...>`` in it is a blank to fill in."""
    return _STARTER


_STARTER = """\
# The planned site of one EX Engage Connector (EXEC) deployment.
#
# Fill in every <blank>, delete what does not apply, then:
#   readiness validate THIS-FILE     tells every mistake, with its line
#   readiness hostkeys THIS-FILE     shows the host keys to confirm
#   readiness plan THIS-FILE         shows what an audit would do; touches nothing
#   readiness audit THIS-FILE        examines the site and writes the report
#
# Values are read as written: 8.10 stays 8.10. File names are relative to this file. A mandatory element that is left
# out stays unproven; one that will never be there is written as `none`, for example `backup: none`.
# `readiness schema site` prints the schema of this file for your editor.

site:
  name: <name of the site>
  # change_ticket: CHG0000000      # the change that this deployment belongs to
  environment: production          # or lab, which is spared what holds for production only

# The revision of the vendor's Prerequisites page to judge by: 2023-07-27, 2023-07-10 or recording.
page: {revision: 2023-07-27}

# What the contact centre is planned for: agents in all, and calls that arrive in a second at the busiest time.
capacity: {agents: 1000, caps: 5}

# How the audit logs in to all hosts. ~/.ssh/config and the agent are honoured as OpenSSH does.
# No secret ever stands in this file. Wherever one is needed, write one of
#   {env: NAME}    {file: PATH}    {command: [PROGRAM, ARGUMENT]}
ssh:
  user: <login on the VMs>
  # port: 22
  # identity_file: ~/.ssh/id_ed25519              # or password: {env: SSH_PASSWORD}
  # passphrase: {env: SSH_KEY_PASSPHRASE}         # where the key is encrypted
  # known_hosts: ~/.ssh/known_hosts               # unknown and changed host keys are refused
  # jump_host: bastion.example                    # or {host: bastion.example, port: 22, user: me}
  # sudo: false                                   # true: `sudo -n` for what needs it; {password: {env: SUDO_PASSWORD}}

# The VMs that carry EXEC. host: where SSH connects; leave it out while a VM is not built yet.
# address: what the other components use, if that differs from host. ssh: what differs for this VM.
vms:
  - {name: excs-1, role: excs, host: <host of the EXCS VM>}
  - {name: exas-1, role: exas, host: <host of the EXAS VM>}
  - {name: excp-1, role: excp, host: <host of the first EXCP VM>}
  - {name: excp-2, role: excp, host: <host of the second EXCP VM>}
  # - {name: excs-1, role: excs, host: 192.0.2.11, address: 198.51.100.11, port: 3640, ssh: {user: other}}

# The machine that runs the deployment script. Where the audit itself runs on it: {name: bootstrap, local: true}
bootstrap: {name: bootstrap, host: <host of the bootstrap VM>}

# The Redis database, by its master endpoint.
redis:
  host: <host of Redis>
  port: 6379
  # username: exec
  password: {env: REDIS_PASSWORD}
  tls: true                        # false, or {ca_file: ca.pem, server_name: redis.example}
  # The REST API of a Redis Enterprise cluster proves edition, memory, replication and backups.
  # enterprise_api: {url: "https://redis.example:9443", username: viewer, password: {env: REDIS_API_PASSWORD}}

# The registry that EXEC's images are pulled from. The URL has no path: a prefix belongs to the images.
registry:
  url: <https URL of the registry>
  username: <registry account that may pull>
  password: {env: REGISTRY_PASSWORD}
  # ca_file: ca.pem                # where its certificate comes from an authority of your own
  images:
    - <image of EXCS with its tag>
    - <image of EXAS with its tag>
    - <image of EXCP with its tag>

# The Engage Config DB and the account that EXCS reads it with.
config_db:
  engine: postgresql               # or mssql, oracle: these are tested up to TCP
  host: <host of the Config DB>
  port: 5432
  database: <name of the database>
  user: <read-only account>
  password: {env: CFGDB_PASSWORD}
  tls: true                        # false, or {mode: verify-full, ca_file: ca.pem}
  # schema: public                 # found by itself where it is left out

# The pair of Stat Servers that EXAS connects to.
stat_servers:
  primary: {host: <host of the primary Stat Server>, port: 2060}
  backup: {host: <host of the backup Stat Server>, port: 2060}      # or `backup: none`

# Every SIP Server that EXCP connects to.
sip_servers:
  - {host: <host of the SIP Server>, port: 8000}

# The EX organisation in Genesys Cloud and its OAuth client (grant type Client Credentials).
genesys_cloud:
  region: <domain of the region, such as mypurecloud.de>
  client_id: <id of the OAuth client>
  client_secret: {env: GC_CLIENT_SECRET}
  organization_id: <id of the EX organisation>
  # role: EX Integration
  # ca_file: proxy-ca.pem          # the authority of a proxy that opens TLS
  # proxy: http://proxy.example:3128

# The components' own ports, where they differ from the defaults.
# components: {excs: {port: 3640}, exas: {port: 3630}, excp: {port: 3650}}

# Optional elements: what is left out is skipped.
# logging: {url: "https://elastic.example:9200", username: exec, password: {env: ELASTIC_PASSWORD}, ca_file: ca.pem}
# monitoring:
#   prometheus: {host: prometheus.example, url: "http://prometheus.example:9090", ssh: {user: exec}}   # ssh: ask it too
#   grafana: {url: "https://grafana.example"}
#   portainer: {url: "https://portainer.example"}

# What the audit may do. What is switched off stays unproven and is named so.
# probing:
#   listeners: true                # open a component's port on its VM for some seconds, to prove the way to it
#   exec: true                     # run read-only scripts on the hosts
#   sip_stat_connect: true         # connect to SIP Servers and Stat Servers; nothing is sent to them
#   oauth_token: true              # ask Genesys Cloud for one token

# How long a step may take, in seconds.
# limits: {ssh: 10, script: 20, connect: 5, conversation: 15}

# How many working days each team usually needs, and how long proofs count.
# report: {lead_times: {network: 10d, dba: 5d}, valid_for: {connectivity: 7d, clock: 24h}}

# What a person has examined and vouches for. `readiness checks` lists the ids; days are YYYY-MM-DD.
# attestations:
#   - {check: planning.limitations-reviewed, target: site, by: Jane Doe, date: 2026-01-31, reference: CHG0000000}

# Risks that are accepted until a day. They never change what was observed.
# waivers:
#   - {check: vm.disk, target: excs-1, reason: extended in wave 2, approved_by: Change board, date: 2026-01-31,
#      expires: 2026-06-30}
"""
