package xmpptest

import (
	"fmt"
	"net"
	"os/exec"
	"slices"
	"syscall"
	"testing"
)

const ejabberdctlPath = "/usr/sbin/ejabberdctl"

type ejabberd struct {
	account *syscall.Credential
}

func (e *ejabberd) prepare(t testing.TB, s *Server) {
	t.Helper()
	require(t, ejabberdctlPath)
	if s.options.Seeing == Privilege {
		t.Fatal("ejabberd gives no privilege to an account")
	}
	e.account = credential(t, "ejabberd")
	certificate, key := s.Authority.Issue(t, s.Domain)
	s.write(t, "conf/cert.pem", slices.Concat(certificate, key))
	s.write(t, "conf/inetrc", []byte("{lookup,[\"file\",\"native\"]}.\n{host,{127,0,0,1}, [\"localhost\",\"hostalias\"]}.\n"))
	// A distribution port of its own makes the port mapper daemon of Erlang unnecessary, which would outlive the server.
	s.write(t, "conf/ejabberdctl.cfg", fmt.Appendf(nil, "INET_DIST_INTERFACE=127.0.0.1\nERL_DIST_PORT=%d\n", freePort(t)))
	s.write(t, "conf/ejabberd.yml", []byte(e.config(s)))
	s.write(t, "logs/ejabberd.log", nil)
	s.write(t, "spool/.keep", nil)
	s.own(t, e.account)
}

func (e *ejabberd) config(s *Server) string {
	_, port, _ := net.SplitHostPort(s.Addr)
	_, direct, _ := net.SplitHostPort(s.DirectTLS)
	options := ""
	if s.options.TLS12 {
		options = `, protocol_options: ["no_tlsv1_3"]`
	}
	return fmt.Sprintf(`hosts: ["%[1]s"]
certfiles: ["%[2]s/conf/cert.pem"]
auth_method: internal
auth_password_format: scram
listen:
  - {port: %[3]s, ip: "127.0.0.1", module: ejabberd_c2s, starttls_required: true%[5]s}
  - {port: %[4]s, ip: "127.0.0.1", module: ejabberd_c2s, tls: true%[5]s}
modules: {mod_disco: {}, mod_ping: {}, mod_roster: {}, mod_shared_roster: {}, mod_admin_extra: {}, mod_offline: {}}
`, s.Domain, s.dir, port, direct, options)
}

func (e *ejabberd) command(s *Server, args ...string) *exec.Cmd {
	common := []string{"--config-dir", s.path("conf"), "--ctl-config", s.path("conf/ejabberdctl.cfg"), "--logs", s.path("logs"),
		"--spool", s.path("spool"), "--node", "t@localhost"}
	command := exec.Command(ejabberdctlPath, append(common, args...)...)
	command.Dir = s.dir
	command.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + s.path("spool"), "LANG=C.UTF-8"}
	command.SysProcAttr = &syscall.SysProcAttr{Credential: e.account}
	return command
}

func (e *ejabberd) start(t testing.TB, s *Server) *process {
	t.Helper()
	return launch(t, e.command(s, "foreground"), s.path("console.log"))
}

func (e *ejabberd) register(t testing.TB, s *Server, user, password string) {
	t.Helper()
	run(t, e.command(s, "register", user, s.Domain, password))
}

// share makes the observer see everybody, and everybody only the observer.
func (e *ejabberd) share(t testing.TB, s *Server) {
	t.Helper()
	for _, args := range [][]string{
		{"srg_create", "staff", s.Domain, "Staff", "all", "observers"},
		{"srg_user_add", "@all@", s.Domain, "staff", s.Domain},
		{"srg_create", "observers", s.Domain, "Observers", "watch", "staff"},
		{"srg_user_add", Observer, s.Domain, "observers", s.Domain},
	} {
		run(t, e.command(s, args...))
	}
}

func (e *ejabberd) stop(t testing.TB, s *Server) {
	t.Helper()
	run(t, e.command(s, "stop"))
}
