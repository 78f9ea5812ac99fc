package xmpp

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/zarafa/presence/dns"
	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/internal/process"
)

// startDNS starts a real DNS server (dnsmasq) with the given SRV records, each as service,target,port,priority,weight. localhost.test and
// example.test are 127.0.0.1; no other name exists. It returns a resolver that asks the server. The server ends with the test.
func startDNS(t testing.TB, records ...string) *net.Resolver {
	t.Helper()
	const path = "/usr/sbin/dnsmasq"
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: it is not installed; `make test` installs it (scripts/install-test-packages)", err)
	}
	t.Helper()
	port := freeport.Take(t)
	args := []string{"--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file=", "--user=root", "--bind-interfaces",
		"--listen-address=127.0.0.1", fmt.Sprintf("--port=%d", port), "--local=/test/", "--address=/localhost.test/127.0.0.1", "--address=/example.test/127.0.0.1"}
	for _, record := range records {
		args = append(args, "--srv-host="+record)
	}
	server, err := process.Start(exec.Command(path, args...), t.TempDir()+"/dnsmasq.log")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	resolver := dns.NewResolver(fmt.Sprintf("127.0.0.1:%d", port))
	err = server.Await(10*time.Second, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := resolver.LookupHost(ctx, "localhost.test")
		return err
	})
	if err != nil {
		t.Fatalf("dnsmasq %v\n%s", err, server.Log())
	}
	return resolver
}
