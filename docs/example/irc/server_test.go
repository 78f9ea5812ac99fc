package irc

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/setting"
)

const serverPassword = "secret of the server"

// server is a real IRC server, ngircd from Debian's package of that name, on a free port with TLS. It ends with the test.
type server struct {
	address string
	roots   setting.Roots // that its certificate is to be checked with
	config  string        // its file
	process *exec.Cmd
}

func startServer(t testing.TB) *server {
	t.Helper()
	dir := t.TempDir()
	s := &server{address: freeport.Address(t), config: filepath.Join(dir, "ngircd.conf")}
	_, port, _ := net.SplitHostPort(s.address)
	certificate, key := filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, certificate, key)
	write(t, s.config, []byte(fmt.Sprintf("[Global]\nName=irc.example.test\nInfo=test\nAdminEMail=admin@example.test\nListen=127.0.0.1\nPassword=%s\n"+
		"ServerUID=0\nServerGID=0\n[Limits]\nMaxConnectionsIP=0\nMaxPenaltyTime=0\n[Options]\nDNS=no\nIdent=no\nPAM=no\n[SSL]\nPorts=%s\nCertFile=%s\nKeyFile=%s\n",
		serverPassword, port, certificate, key)))
	roots, err := setting.ReadRoots(certificate)
	if err != nil {
		t.Fatal(err)
	}
	s.roots = roots
	s.start(t)
	t.Cleanup(s.kill)
	return s
}

// start starts the server and returns when it accepts users.
func (s *server) start(t testing.TB) {
	t.Helper()
	s.process = exec.Command("/usr/sbin/ngircd", "--nodaemon", "--config", s.config)
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.process.Start(); err != nil {
		t.Fatalf("%v: `make test` installs the server (scripts/install-test-packages)", err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", s.address)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("ngircd is not ready: %v", err)
		}
	}
}

func (s *server) kill() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

// hang makes the server say nothing until the test ends.
func (s *server) hang(t testing.TB) {
	t.Helper()
	if err := s.process.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.process.Process.Signal(syscall.SIGCONT) })
}

// user is somebody's IRC client. It ends with the test.
type user struct {
	conn  net.Conn
	lines *bufio.Scanner
}

func (s *server) login(t testing.TB, nick string) *user {
	t.Helper()
	conn, err := tls.Dial("tcp", s.address, &tls.Config{RootCAs: s.roots.Pool})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	u := &user{conn: conn, lines: bufio.NewScanner(conn)}
	u.does(t, " 001 ", "PASS :"+serverPassword, "NICK "+nick, "USER "+nick+" 0 * :"+nick)
	return u
}

// away sets or removes the user's mark, and returns when the server has confirmed that.
func (u *user) away(t testing.TB, away bool) {
	t.Helper()
	if away {
		u.does(t, " 306 ", "AWAY :lunch")
	} else {
		u.does(t, " 305 ", "AWAY")
	}
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
		if strings.Contains(u.lines.Text(), answer) {
			return
		}
	}
	t.Fatalf("no %q: %v", answer, u.lines.Err())
}

// writeCertificate writes net/http/httptest's certificate for 127.0.0.1, and its key.
func writeCertificate(t testing.TB, certificateFile, keyFile string) {
	t.Helper()
	web := httptest.NewTLSServer(nil)
	defer web.Close()
	key, err := x509.MarshalPKCS8PrivateKey(web.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, certificateFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}))
	write(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
}

func write(t testing.TB, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
