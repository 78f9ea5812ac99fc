package webhook

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"code.dny.dev/ssrf"
)

// Private networks and this machine are allowed, because intranets are what webhooks are for. Link-local and other special addresses are not.
var guardian = ssrf.New(
	ssrf.WithAnyPort(),
	ssrf.WithAllowedV4Prefixes(prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8")...),
	ssrf.WithAllowedV6Prefixes(prefixes("fc00::/7", "::1/128")...),
)

// metadata are the addresses, outside of the link-local ones, at which clouds tell a machine its secrets.
var metadata = prefixes("100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32", "fd00:ec2::254/128", "fd20:ce::254/128")

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// checkAddress refuses an address that no webhook may be sent to.
func checkAddress(ip netip.Addr) error {
	ip = ip.Unmap()
	for _, prefix := range metadata {
		if prefix.Contains(ip) {
			return fmt.Errorf("%s is not allowed: a cloud tells its machines secrets there", ip)
		}
	}
	if err := guardian.SafeAddr(ip); err != nil {
		return fmt.Errorf("%s is not allowed: it is link-local, or another special address", ip)
	}
	return nil
}

// control is a net.Dialer's Control: it sees the address after DNS, right before the connection is made.
func control(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return err
	}
	return checkAddress(ip)
}
