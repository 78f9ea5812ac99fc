package xmpptest

import (
	_ "embed" // the configuration
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"slices"

	"github.com/zarafa/presence/internal/freeport"
)

// oneThread stops Erlang's threads from busy waiting for each other. On a busy machine they would make the start take twenty times as long.
const oneThread = "+S 1:1 +SDcpu 1:1 +SDio 1 +sbwt none +sbwtdcpu none +sbwtdio none"

//go:embed ejabberd.yml
var ejabberdConfig string

type ejabberd struct {
	api string // host:port of its HTTP API, which is used because an ejabberdctl command takes most of a second
}

func (e *ejabberd) prepare(t TB, s *Server) {
	t.Helper()
	if s.options.Seeing == Privilege {
		t.Fatal("ejabberd does not support privileged accounts")
	}
	e.api = freeport.Address(t)
	certificate, key := s.Authority.Issue(t, Domain)
	s.write(t, "conf/cert.pem", slices.Concat(certificate, key))
	s.write(t, "conf/inetrc", []byte("{lookup,[\"file\",\"native\"]}.\n{host,{127,0,0,1}, [\"localhost\",\"hostalias\"]}.\n"))
	// With a fixed distribution port Erlang does not start its port mapper daemon, which would outlive the server.
	s.write(t, "conf/ejabberdctl.cfg", fmt.Appendf(nil,
		"INET_DIST_INTERFACE=127.0.0.1\nERL_DIST_PORT=%d\nERL_OPTIONS='%s'\nMNESIA_OPTIONS='-mnesia dump_log_write_threshold 1'\n", freeport.Take(t), oneThread))
	s.configure(t, "conf/ejabberd.yml", ejabberdConfig, e.api)
	s.write(t, "logs/ejabberd.log", nil)
	s.write(t, "spool/.keep", nil)
	s.runAs(t, "ejabberd")
}

func (e *ejabberd) command(s *Server) *exec.Cmd {
	return s.command("/usr/sbin/ejabberdctl", "--config-dir", s.path("conf"), "--ctl-config", s.path("conf/ejabberdctl.cfg"), "--logs", s.path("logs"),
		"--spool", s.path("spool"), "--node", "t@localhost", "foreground")
}

// call calls a command of the HTTP API.
func (e *ejabberd) call(t TB, command string, arguments url.Values) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no connection may outlive the test
	response, err := client.Get("http://" + e.api + "/api/" + command + "?" + arguments.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("ejabberd: %s: %s: %s", command, response.Status, answer)
	}
}

// populate can put all users into the observer's roster, and only the observer into theirs.
func (e *ejabberd) populate(t TB, s *Server) {
	t.Helper()
	for _, user := range s.options.Users {
		e.call(t, "register", url.Values{"user": {user}, "host": {Domain}, "password": {s.Password(user)}})
	}
	if s.options.Seeing != Group {
		return
	}
	for _, group := range []struct{ name, member, displayed string }{{"staff", "@all@", "observers"}, {"observers", Observer, "staff"}} {
		e.call(t, "srg_create", url.Values{"group": {group.name}, "host": {Domain}, "label": {group.name}, "description": {""}, "display": {group.displayed}})
		e.call(t, "srg_user_add", url.Values{"user": {group.member}, "host": {Domain}, "group": {group.name}, "grouphost": {Domain}})
	}
}

// stop does not send SIGTERM, which ends ejabberdctl at once, and ejabberd itself some time later.
func (e *ejabberd) stop(t TB, _ *Server) {
	t.Helper()
	e.call(t, "stop", nil)
}
