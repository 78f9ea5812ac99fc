pidfile="{{.Dir}}/p.pid"; data_path="{{.Dir}}/data"; certificates="{{.Dir}}/certs"
plugin_paths={"/usr/lib/prosody/modules";"{{.Dir}}/modules"}
interfaces={"127.0.0.1"}; c2s_ports={ {{port .Server.Addr}} }; c2s_direct_tls_ports={ {{port .Server.DirectTLS}} }
s2s_ports={}; component_ports={ {{port .Server.Component}} }; http_ports={}; https_ports={}
modules_enabled={"roster";"saslauth";"tls";"disco";"ping";"presence";"message";"iq";"offline";"blocklist";"admin_shell";{{if .Group}}"groups";{{end}}}
modules_disabled={"s2s";"http"}
groups_file="{{.Dir}}/groups.txt"
authentication="internal_hashed"; c2s_require_encryption=true
log={ {levels={min="info"},to="console"} }
VirtualHost "{{.Domain}}"
  ssl={key="{{.Dir}}/certs/k.key";certificate="{{.Dir}}/certs/k.crt";protocol="{{if .TLS12}}tlsv1_2{{else}}tlsv1_2+{{end}}"}
{{- if .Privilege}}
  modules_enabled={"privilege"}
  privileged_entities={["{{.Observer}}"]={roster="get";presence="managed_entity"}}
{{- end}}
Component "{{.Gateway}}"
  component_secret="{{.GatewaySecret}}"
{{.More}}
