package xmpptest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"syscall"

	"github.com/zarafa/presence/internal/freeport"
)

const ejabberdctlPath = "/usr/sbin/ejabberdctl"

// oneThread stops Erlang's threads from busy waiting for each other. On a busy machine they would make the start take twenty times as long.
const oneThread = "+S 1:1 +SDcpu 1:1 +SDio 1 +sbwt none +sbwtdcpu none +sbwtdio none"

type ejabberd struct {
	account *syscall.Credential
	api     string // host:port of its HTTP API, which is used because an ejabberdctl command takes most of a second
}

func (e *ejabberd) prepare(t TB, s *Server) {
	t.Helper()
	require(t, ejabberdctlPath)
	if s.options.Seeing == Privilege {
		t.Fatal("ejabberd does not support privileged accounts")
	}
	e.account = credential(t, "ejabberd")
	e.api = freeport.Address(t)
	certificate, key := s.Authority.Issue(t, s.Domain)
	s.write(t, "conf/cert.pem", slices.Concat(certificate, key))
	s.write(t, "conf/inetrc", []byte("{lookup,[\"file\",\"native\"]}.\n{host,{127,0,0,1}, [\"localhost\",\"hostalias\"]}.\n"))
	// With a fixed distribution port Erlang does not start its port mapper daemon, which would outlive the server.
	s.write(t, "conf/ejabberdctl.cfg", fmt.Appendf(nil,
		"INET_DIST_INTERFACE=127.0.0.1\nERL_DIST_PORT=%d\nERL_OPTIONS='%s'\nMNESIA_OPTIONS='-mnesia dump_log_write_threshold 1'\n", freeport.Take(t), oneThread))
	s.write(t, "conf/ejabberd.yml", []byte(e.config(s)))
	s.write(t, "logs/ejabberd.log", nil)
	s.write(t, "spool/.keep", nil)
	s.own(t, "ejabberd")
}

func (e *ejabberd) config(s *Server) string {
	_, port, _ := net.SplitHostPort(s.Addr)
	_, direct, _ := net.SplitHostPort(s.DirectTLS)
	_, api, _ := net.SplitHostPort(e.api)
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
  - {port: %[6]s, ip: "127.0.0.1", module: ejabberd_http, request_handlers: {/api: mod_http_api}}
api_permissions: {tests: {from: [mod_http_api], who: {ip: 127.0.0.1/8}, what: "*"}}
modules: {mod_http_api: {}, mod_disco: {}, mod_ping: {}, mod_roster: {}, mod_shared_roster: {}, mod_admin_extra: {}, mod_offline: {}}
`, s.Domain, s.dir, port, direct, options, api)
}

func (e *ejabberd) command(s *Server) *exec.Cmd {
	command := exec.Command(ejabberdctlPath, "--config-dir", s.path("conf"), "--ctl-config", s.path("conf/ejabberdctl.cfg"), "--logs", s.path("logs"),
		"--spool", s.path("spool"), "--node", "t@localhost", "foreground")
	command.Dir = s.dir
	command.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + s.path("spool"), "LANG=C.UTF-8"}
	command.SysProcAttr = &syscall.SysProcAttr{Credential: e.account}
	return command
}

// call calls a command of the HTTP API.
func (e *ejabberd) call(t TB, command string, arguments map[string]string) {
	t.Helper()
	body, err := json.Marshal(arguments)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no connection may outlive the test
	response, err := client.Post("http://"+e.api+"/api/"+command, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatalf("ejabberd: %s: %v", command, err)
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("ejabberd: %s: %s: %s", command, response.Status, answer)
	}
}

func (e *ejabberd) register(t TB, s *Server, user, password string) {
	t.Helper()
	e.call(t, "register", map[string]string{"user": user, "host": s.Domain, "password": password})
}

// share puts all users into the observer's roster, and only the observer into theirs.
func (e *ejabberd) share(t TB, s *Server) {
	t.Helper()
	for _, group := range []struct{ name, member, displayed string }{{"staff", "@all@", "observers"}, {"observers", Observer, "staff"}} {
		e.call(t, "srg_create", map[string]string{"group": group.name, "host": s.Domain, "label": group.name, "description": "", "display": group.displayed})
		e.call(t, "srg_user_add", map[string]string{"user": group.member, "host": s.Domain, "group": group.name, "grouphost": s.Domain})
	}
}

// stop does not send SIGTERM, which ends ejabberdctl at once, and ejabberd itself some time later.
func (e *ejabberd) stop(t TB, _ *Server) {
	t.Helper()
	e.call(t, "stop", map[string]string{})
}
