package xmpptest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"time"

	"github.com/zarafa/presence/internal/freeport"
)

// StartDNS starts a real DNS server (dnsmasq) with the given SRV records, each as service,target,port,priority,weight. localhost.test and
// example.test are 127.0.0.1; no other name exists. It returns the server's address. The server ends with the test.
func StartDNS(t TB, records ...string) string {
	t.Helper()
	const path = "/usr/sbin/dnsmasq"
	require(t, path)
	port := freeport.Take(t)
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	args := []string{"--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file=", "--user=root", "--bind-interfaces",
		"--listen-address=127.0.0.1", fmt.Sprintf("--port=%d", port), "--local=/test/", "--address=/localhost.test/127.0.0.1", "--address=/example.test/127.0.0.1"}
	for _, record := range records {
		args = append(args, "--srv-host="+record)
	}
	command := exec.Command(path, args...)
	server := launch(t, command, t.TempDir()+"/dnsmasq.log")
	t.Cleanup(server.Kill)
	resolver := Resolver(address)
	if err := poll(10*time.Second, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		found, err := resolver.LookupHost(ctx, "localhost.test")
		if err == nil && len(found) == 0 {
			err = errors.New("no address")
		}
		return err
	}); err != nil {
		t.Fatalf("dnsmasq is not ready: %v", err)
	}
	return address
}

// Resolver returns a resolver that asks the DNS server at an address.
func Resolver(address string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
}
