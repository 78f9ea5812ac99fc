package command

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/internal/natstest"
	"github.com/zarafa/presence/internal/process"
)

// startHAProxy runs HAProxy with the configuration that docs/operations.md shows, without TLS, in front of three daemons, and returns its URL.
func startHAProxy(t *testing.T, daemons []string) string {
	t.Helper()
	guide, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, config, found := strings.Cut(string(guide), "```\nfrontend presence\n")
	config, _, _ = strings.Cut("frontend presence\n"+config, "```")
	address := freeport.Address(t)
	for documented, here := range map[string]string{
		":443 ssl crt /etc/haproxy/presence.pem": address, "nats1.example.test:1234": daemons[0], "nats2.example.test:1234": daemons[1],
		"nats3.example.test:1234": daemons[2],
	} {
		found = found && strings.Contains(config, documented)
		config = strings.ReplaceAll(config, documented, here)
	}
	if !found {
		t.Fatalf("docs/operations.md has another example for HAProxy:\n%s", config)
	}
	log := t.TempDir() + "/log"
	proxy, err := process.Start(exec.Command("/usr/sbin/haproxy", "-db", "-f", write(t, "haproxy.cfg", config)), log)
	if err != nil {
		t.Fatalf("HAProxy: %v (scripts/install-test-packages installs it)", err)
	}
	t.Cleanup(func() {
		proxy.Kill()
		if t.Failed() {
			text, _ := os.ReadFile(log)
			t.Logf("HAProxy says:\n%s", text)
		}
	})
	return "http://" + address + "/"
}

// TestARollingRestartBehindHAProxy: with the configuration of the guide no request fails while one daemon after the other is restarted.
func TestARollingRestartBehindHAProxy(t *testing.T) {
	servers := natstest.Start(t, natstest.Options{Servers: 1})
	file := write(t, "zarafa-presence.yaml", fmt.Sprintf("auth: {secret: %s, services: [intranet@example.test]}\nprotocols: [spreed]\n", testSecret))
	var daemons []*exec.Cmd
	var addresses []string
	launch := func(address string) *exec.Cmd {
		program := start(t, nil, "serve", "--config", file, "--http.listen="+address, "--store.kind=nats", "--store.url="+servers.URL())
		eventually(t, "a daemon is ready", func() bool { return strings.Contains(program.Stderr.(*output).String(), "msg=started") })
		return program
	}
	for range 3 {
		addresses = append(addresses, freeport.Address(t))
		daemons = append(daemons, launch(addresses[len(addresses)-1]))
	}
	url := startHAProxy(t, addresses)
	body := fmt.Sprintf(`{"AuthenticationToken":%q,"Type":"UserStatus","UserStatus":[{"user_id":"%%s@example.test","spreed":{"status":"busy","message":""}}]}`,
		token(t, secretEnv, "intranet@example.test"))
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Timeout: 10 * time.Second, Transport: transport}
	send := func(method, user string) error {
		request, err := http.NewRequest(method, url, strings.NewReader(fmt.Sprintf(body, user)))
		if err != nil {
			return err
		}
		answer, err := client.Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		var text bytes.Buffer
		_, _ = io.Copy(&text, answer.Body)
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s %s", method, answer.Status, text.String())
		}
		return nil
	}
	eventually(t, "the proxy serves", func() bool { return send("GET", "first") == nil })
	var stop atomic.Bool
	var sent, failed atomic.Int64
	var sending sync.WaitGroup
	for i := range 6 {
		sending.Go(func() {
			for method := []string{"PUT", "GET"}[i%2]; !stop.Load(); sent.Add(1) {
				if err := send(method, fmt.Sprint("user", i)); err != nil {
					failed.Add(1)
					t.Log(err)
				}
			}
		})
	}
	for i, daemon := range daemons {
		time.Sleep(2 * time.Second) // the proxy looks every second
		if err := daemon.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		_ = daemon.Wait()
		launch(addresses[i])
	}
	time.Sleep(2 * time.Second)
	stop.Store(true)
	sending.Wait()
	t.Logf("%d of %d requests failed", failed.Load(), sent.Load())
	if failed.Load() > 0 || sent.Load() < 100 {
		t.Errorf("%d of %d requests failed", failed.Load(), sent.Load())
	}
}
