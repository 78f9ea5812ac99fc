package xmpptest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

const prosodyPath, prosodyctlPath = "/usr/bin/prosody", "/usr/bin/prosodyctl"

type prosody struct {
	account *syscall.Credential // nil: the user who runs the test
}

func (p *prosody) prepare(t TB, s *Server) {
	t.Helper()
	require(t, prosodyPath)
	if s.options.Seeing == Privilege {
		require(t, "/usr/lib/prosody/modules/mod_privilege")
	}
	if os.Geteuid() == 0 { // Prosody refuses to run as root
		p.account = credential(t, "prosody")
	}
	certificate, key := s.Authority.Issue(t, s.Domain)
	s.write(t, "certs/k.crt", certificate)
	s.write(t, "certs/k.key", key)
	s.write(t, "data/.keep", nil)
	var groups strings.Builder
	groups.WriteString("[Staff]\n")
	for _, user := range append([]string{Observer}, s.options.Users...) {
		fmt.Fprintf(&groups, "%s=%s\n", s.JID(user), user)
	}
	s.write(t, "groups.txt", []byte(groups.String()))
	s.write(t, "prosody.cfg.lua", []byte(p.config(s)))
	if p.account != nil {
		s.own(t, "prosody")
	}
}

func (p *prosody) config(s *Server) string {
	_, port, _ := net.SplitHostPort(s.Addr)
	_, direct, _ := net.SplitHostPort(s.DirectTLS)
	modules, privilege, protocol := "", "", "tlsv1_2+"
	switch s.options.Seeing {
	case Group:
		modules = `"groups";`
	case Privilege:
		privilege = fmt.Sprintf("  modules_enabled={\"privilege\"}\n  privileged_entities={[%q]={roster=\"get\";presence=\"managed_entity\"}}\n", s.JID(Observer))
	}
	if s.options.TLS12 {
		protocol = "tlsv1_2"
	}
	return fmt.Sprintf(`pidfile="%[1]s/p.pid"; data_path="%[1]s/data"; certificates="%[1]s/certs"
plugin_paths={"/usr/lib/prosody/modules"}
interfaces={"127.0.0.1"}; c2s_ports={%[2]s}; c2s_direct_tls_ports={%[3]s}
s2s_ports={}; http_ports={}; https_ports={}
modules_enabled={"roster";"saslauth";"tls";"disco";"ping";"presence";"message";"iq";"offline";%[4]s}
modules_disabled={"s2s";"http"}
groups_file="%[1]s/groups.txt"
authentication="internal_hashed"; c2s_require_encryption=true
log={{levels={min="info"},to="file",filename="%[1]s/prosody.log"}}
VirtualHost "%[5]s"
  ssl={key="%[1]s/certs/k.key";certificate="%[1]s/certs/k.crt";protocol="%[7]s"}
%[6]s`, s.dir, port, direct, modules, s.Domain, privilege, protocol)
}

func (p *prosody) command(s *Server) *exec.Cmd { return p.program(s, prosodyPath, "-F") }

func (p *prosody) program(s *Server, name string, args ...string) *exec.Cmd {
	command := exec.Command(name, append([]string{"--config", s.path("prosody.cfg.lua")}, args...)...)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: p.account}
	return command
}

func (p *prosody) register(t TB, s *Server, user, password string) {
	t.Helper()
	if output, err := p.program(s, prosodyctlPath, "register", user, s.Domain, password).CombinedOutput(); err != nil {
		t.Fatalf("prosodyctl register %s: %v\n%s", user, err, output)
	}
}

func (p *prosody) stop(_ TB, s *Server) { s.Signal(syscall.SIGTERM) }
