package xmpptest

import (
	_ "embed" // the configuration
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

//go:embed prosody.cfg.lua
var prosodyConfig string

type prosody struct{}

func (prosody) prepare(t TB, s *Server) {
	t.Helper()
	if _, err := os.Stat("/usr/lib/prosody/modules/mod_privilege"); err != nil && s.options.Seeing == Privilege {
		t.Fatalf(notInstalled, err)
	}
	certificate, key := s.Authority.Issue(t, Domain)
	s.write(t, "certs/k.crt", certificate)
	s.write(t, "certs/k.key", key)
	s.write(t, "data/.keep", nil)
	var groups strings.Builder
	groups.WriteString("[Staff]\n")
	for _, user := range s.options.Users {
		fmt.Fprintf(&groups, "%s=%s\n", s.JID(user), user)
	}
	s.write(t, "groups.txt", []byte(groups.String()))
	s.write(t, "modules/.keep", nil)
	for name, text := range s.options.Modules {
		s.write(t, "modules/mod_"+name+".lua", []byte(text))
	}
	s.configure(t, "prosody.cfg.lua", prosodyConfig, "")
	if os.Geteuid() == 0 { // Prosody refuses to run as root
		s.runAs(t, "prosody")
	}
}

func (prosody) command(s *Server) *exec.Cmd {
	return s.command("/usr/bin/prosody", "--config", s.path("prosody.cfg.lua"), "-F")
}

func (prosody) populate(t TB, s *Server) {
	t.Helper()
	for _, user := range s.options.Users {
		register := s.command("/usr/bin/prosodyctl", "--config", s.path("prosody.cfg.lua"), "register", user, Domain, s.Password(user))
		if output, err := register.CombinedOutput(); err != nil {
			t.Fatalf("prosodyctl register %s: %v\n%s", user, err, output)
		}
	}
}

// ReloadPrivilege makes Prosody load its privilege module anew, as its administrator can.
func (s *Server) ReloadPrivilege(t TB) {
	t.Helper()
	shell := s.command("/usr/bin/prosodyctl", "--config", s.path("prosody.cfg.lua"), "shell", "module", "reload", "privilege", Domain)
	if output, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("prosodyctl shell: %v\n%s", err, output)
	}
}

func (prosody) stop(_ TB, s *Server) { s.Signal(syscall.SIGTERM) }
