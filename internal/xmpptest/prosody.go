package xmpptest

import (
	_ "embed" // the configuration
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

const prosodyPath, prosodyctlPath = "/usr/bin/prosody", "/usr/bin/prosodyctl"

//go:embed prosody.cfg.lua
var prosodyConfig string

type prosody struct{}

func (p prosody) prepare(t TB, s *Server) {
	t.Helper()
	require(t, prosodyPath)
	if s.options.Seeing == Privilege {
		require(t, "/usr/lib/prosody/modules/mod_privilege")
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
	s.configure(t, "prosody.cfg.lua", prosodyConfig, "")
	if os.Geteuid() == 0 { // Prosody refuses to run as root
		s.runAs(t, "prosody")
	}
}

func (p prosody) command(s *Server) *exec.Cmd {
	return s.command(prosodyPath, "--config", s.path("prosody.cfg.lua"), "-F")
}

func (p prosody) register(t TB, s *Server, user string) {
	t.Helper()
	register := s.command(prosodyctlPath, "--config", s.path("prosody.cfg.lua"), "register", user, s.Domain, s.Password(user))
	if output, err := register.CombinedOutput(); err != nil {
		t.Fatalf("prosodyctl register %s: %v\n%s", user, err, output)
	}
}

// share has nothing to do: the group is in the configuration.
func (p prosody) share(TB, *Server) {}

func (p prosody) stop(_ TB, s *Server) { s.Signal(syscall.SIGTERM) }
