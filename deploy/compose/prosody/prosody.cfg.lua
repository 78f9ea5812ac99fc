-- Prosody in compose.yaml. The account presence@example.test sees everybody's presence: docs/xmpp.md.
data_path = "/var/lib/prosody"
plugin_paths = { "/usr/lib/prosody/modules" }
certificates = "/etc/prosody/certs"
interfaces = { "*" }
modules_enabled = { "roster", "saslauth", "tls", "disco", "ping", "presence", "message", "iq", "offline", "blocklist", "limits" }
-- One server alone.
modules_disabled = { "s2s" }
authentication = "internal_hashed"
c2s_require_encryption = true
limits = { c2s = { rate = "100kb/s" } }
log = { { levels = { min = "info" }, to = "console" } }

VirtualHost "example.test"
    modules_enabled = { "privilege" }
    privileged_entities = {
        ["presence@example.test"] = { presence = "managed_entity" };
    }
