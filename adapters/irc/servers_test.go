package irc

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/certtest"
	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/internal/process"
	"github.com/zarafa/presence/setting"
)

const serverPassword = "secret of the server"

// realServer is a real IRC server, of Debian's package of its name, on a free port. It ends with the test.
type realServer struct {
	program  string
	address  string
	roots    setting.Roots // that its certificate is to be checked with; zero: it speaks no TLS
	args     []string
	log      string
	process  *process.Process
	services *services // of inspircd
}

// startNgircd starts a server that has neither MONITOR nor accounts, with TLS and a password.
func startNgircd(t testing.TB) *realServer {
	t.Helper()
	dir := t.TempDir()
	authority := certtest.NewAuthority(t)
	certificate, key := authority.Issue(t, "127.0.0.1")
	certificateFile, keyFile := certtest.Write(t, dir, certificate, key)
	parameters, err := filepath.Abs("testdata/ffdhe2048.pem") // RFC 7919; else the server makes some, which takes seconds
	if err != nil {
		t.Fatal(err)
	}
	ca := write(t, dir, "ca.pem", string(authority.PEM))
	roots, err := setting.ReadRoots(ca)
	if err != nil {
		t.Fatal(err)
	}
	s := &realServer{program: "/usr/sbin/ngircd", address: freeport.Address(t), roots: roots, log: filepath.Join(dir, "log")}
	_, port, _ := net.SplitHostPort(s.address)
	config := write(t, dir, "ngircd.conf", fmt.Sprintf("[Global]\nName=irc.example.test\nInfo=test\nAdminEMail=admin@example.test\nListen=127.0.0.1\n"+
		"Password=%s\nServerUID=0\nServerGID=0\n[Limits]\nMaxConnectionsIP=0\nMaxPenaltyTime=0\n[Options]\nDNS=no\nIdent=no\nPAM=no\n"+
		"[SSL]\nPorts=%s\nCertFile=%s\nKeyFile=%s\nDHFile=%s\n", serverPassword, port, certificateFile, keyFile, parameters))
	s.args = []string{"--nodaemon", "--config", config}
	s.start(t)
	t.Cleanup(s.kill)
	return s
}

// startInspircd starts a server that monitors a number of nicks, with services and without TLS.
func startInspircd(t testing.TB, monitors int) *realServer {
	t.Helper()
	dir := t.TempDir()
	s := &realServer{program: "/usr/sbin/inspircd", address: freeport.Address(t), log: filepath.Join(dir, "log")}
	s.services = &services{address: freeport.Address(t), passwords: map[string]string{"watcher": accountPassword}}
	_, clients, _ := net.SplitHostPort(s.address)
	_, servers, _ := net.SplitHostPort(s.services.address)
	config := write(t, dir, "inspircd.conf", fmt.Sprintf(`<server name="irc.test" description="t" network="Test" id="1AA">
<admin name="a" nick="a" email="a@example.test">
<bind address="127.0.0.1" port="%s" type="clients"><bind address="127.0.0.1" port="%s" type="servers">
<connect name="all" allow="*" timeout="20" threshold="1000" localmax="1000" globalmax="1000" resolvehostnames="no" useident="no">
<module name="cap"><module name="ircv3"><module name="monitor"><monitor maxentries="%d"><module name="services_account"><module name="ircv3_servertime">
<module name="sasl"><module name="spanningtree"><sasl target="services.test"><uline server="services.test">
<link name="services.test" ipaddr="127.0.0.1" port="9" allowmask="127.0.0.1" sendpass="a" recvpass="b">
`, clients, servers, monitors))
	s.args = []string{"--config", config, "--nofork", "--runasroot", "--nopid"}
	s.start(t)
	t.Cleanup(func() { s.kill(); s.services.running.Wait() })
	return s
}

// start starts the server and returns when it accepts users.
func (s *realServer) start(t testing.TB) {
	t.Helper()
	var err error
	s.process, err = process.Start(exec.CommandContext(t.Context(), s.program, s.args...), s.log)
	if err != nil {
		t.Fatalf("%v: `make test` installs the server (scripts/install-test-packages)", err)
	}
	err = s.process.Await(20*time.Second, func() error {
		conn, err := net.Dial("tcp", s.address)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
	if err != nil {
		t.Fatalf("%s %v\n%s", s.program, err, s.process.Log())
	}
	if s.services != nil {
		s.services.start(t)
	}
}

func (s *realServer) kill() { s.process.Kill() }

// hang makes the server say nothing until the test ends.
func (s *realServer) hang(t testing.TB) {
	t.Helper()
	s.process.Freeze()
	t.Cleanup(func() { s.process.Signal(syscall.SIGCONT) })
}

// user is somebody's IRC client. It ends with the test.
type user struct {
	conn  net.Conn
	lines *bufio.Scanner
}

func (s *realServer) login(t testing.TB, nick string) *user {
	t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	if s.roots.File != "" {
		conn = tls.Client(conn, &tls.Config{RootCAs: s.roots.Pool, ServerName: "127.0.0.1"})
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	u := &user{conn: conn, lines: bufio.NewScanner(conn)}
	u.does(t, " 001 ", "PASS :"+serverPassword, "NICK "+nick, "USER "+strings.ToLower(nick)+" 0 * :"+nick)
	return u
}

// away sets or removes the user's mark, and returns when the server has confirmed that.
func (u *user) away(t testing.TB, text string) {
	t.Helper()
	if text != "" {
		u.does(t, " 306 ", "AWAY :"+text)
	} else {
		u.does(t, " 305 ", "AWAY")
	}
}

// takes takes another nick.
func (u *user) takes(t testing.TB, nick string) {
	t.Helper()
	u.does(t, "NICK :"+nick, "NICK "+nick)
}

func (u *user) quit(t testing.TB) {
	t.Helper()
	u.does(t, "ERROR", "QUIT")
	_ = u.conn.Close()
}

// does sends lines and waits for a line that contains the answer.
func (u *user) does(t testing.TB, answer string, lines ...string) {
	t.Helper()
	if _, err := fmt.Fprint(u.conn, strings.Join(lines, "\r\n")+"\r\n"); err != nil {
		t.Fatal(err)
	}
	for u.lines.Scan() {
		line := u.lines.Text()
		if strings.HasPrefix(line, "PING ") {
			_, _ = fmt.Fprintf(u.conn, "PONG %s\r\n", line[5:])
		}
		if strings.Contains(line, answer) {
			return
		}
	}
	t.Fatalf("no %q: %v", answer, u.lines.Err())
}

func write(t testing.TB, dir, name, content string) (file string) {
	t.Helper()
	file = filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
