package webhook_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/zarafa/presence/adapters/webhook"
	"github.com/zarafa/presence/dns"
	"github.com/zarafa/presence/internal/webhooktest"
	"github.com/zarafa/presence/setting"
)

// A certificate that nobody trusts is no answer; one of ca_file is good. A proxy of the environment is not asked.
func TestTLS(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	receiver := webhooktest.StartTLS(t)
	c := config(receiver.URL)
	if result := create(t, c).Test(t.Context()); result.Err == nil || result.Status != 0 || !strings.Contains(result.Err.Error(), "certificate") {
		t.Errorf("of an unknown authority: %+v", result)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: receiver.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	roots, err := setting.ReadRoots(file)
	if err != nil {
		t.Fatal(err)
	}
	c.Roots = roots
	if result := create(t, c).Test(t.Context()); result.Err != nil {
		t.Errorf("of a known one: %+v", result)
	}
	c.URL = strings.Replace(receiver.URL, "127.0.0.1", "localhost", 1)
	if result := create(t, c).Test(t.Context()); result.Err == nil || !strings.Contains(result.Err.Error(), "localhost") {
		t.Errorf("for another name: %+v", result)
	}
}

// What came back is told as it was, and a redirect leads nowhere.
func TestTheAnswerOfATest(t *testing.T) {
	receiver, elsewhere := webhooktest.Start(t), webhooktest.Start(t)
	receiver.Respond(func(w http.ResponseWriter, _ *http.Request, _ webhooktest.Message) int {
		w.Header().Set("Location", elsewhere.URL)
		w.WriteHeader(http.StatusTemporaryRedirect)
		_, _ = fmt.Fprint(w, "go elsewhere")
		return http.StatusTemporaryRedirect
	})
	result := create(t, config(receiver.URL)).Test(t.Context())
	if result.Err == nil || result.Status != http.StatusTemporaryRedirect || string(result.Body) != "go elsewhere" || len(elsewhere.Messages()) != 0 {
		t.Errorf("a redirect is %+v", result)
	}
	receiver.Close()
	c := config(receiver.URL + "/?token=hushhush")
	if result := create(t, c).Test(t.Context()); result.Err == nil || strings.Contains(result.Err.Error(), "hushhush") || !strings.Contains(result.Err.Error(), "refused") {
		t.Errorf("nobody there is %v", result.Err)
	}
}

// Link-local addresses, those of clouds and other special ones are refused; private networks, this machine and the Internet are not.
func TestAddresses(t *testing.T) {
	for address, allowed := range map[string]bool{
		"10.1.2.3": true, "172.16.0.1": true, "192.168.1.1": true, "127.0.0.1": true, "100.64.0.1": true, "fd12:3456::1": true, "::1": true,
		"93.184.216.34": true, "2606:2800:220:1::1": true, "::ffff:10.1.2.3": true,
		"169.254.169.254": false, "169.254.0.1": false, "::ffff:169.254.169.254": false, "fe80::1": false, "fe80::1%eth0": false,
		"fd00:ec2::254": false, "fd20:ce::254": false, "100.100.100.200": false, "168.63.129.16": false, "192.0.0.192": false,
		"0.0.0.0": false, "::": false, "224.0.0.1": false, "ff02::1": false, "255.255.255.255": false, "64:ff9b::a9fe:a9fe": false, "2002:a9fe:a9fe::": false,
	} {
		if err := webhook.CheckAddress(netip.MustParseAddr(address)); (err == nil) != allowed {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// An address is looked at after DNS, each time.
func TestAddressesAfterDNS(t *testing.T) {
	receiver := webhooktest.Start(t)
	_, port, _ := strings.Cut(strings.TrimPrefix(receiver.URL, "http://"), ":")
	for address, want := range map[string]string{"169.254.169.254": "169.254.169.254 is not allowed", "127.0.0.1": ""} {
		x := create(t, config("http://metadata.example.test:"+port))
		x.Resolve(dns.NewResolver(nameServer(t, netip.MustParseAddr(address))))
		result := x.Test(t.Context())
		if want == "" && result.Err != nil || want != "" && (result.Err == nil || !strings.Contains(result.Err.Error(), want)) {
			t.Errorf("a name of %s: %v", address, result.Err)
		}
	}
}

// nameServer runs a DNS server by which every name has one address.
func nameServer(t *testing.T, address netip.Addr) string {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(context.Background(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = conn.Close(); <-done })
	go func() {
		defer close(done)
		buffer := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buffer[:n]) != nil {
				continue
			}
			m.Response, m.Additionals = true, nil
			if question := m.Questions[0]; question.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: question.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET},
					Body:   &dnsmessage.AResource{A: address.As4()},
				}}
			}
			if answer, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}
