package conn

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/valyala/fasthttp"
)

// Proxies are the addresses of proxies that are believed when they name their client. So is whoever connects by a Unix socket, who has no address: the
// socket's mode says who can, a proxy on the same machine as a rule.
type Proxies []netip.Prefix

// ParseProxies reads addresses and networks, such as 127.0.0.1 and 10.0.0.0/8. It returns an error for each that is neither.
func ParseProxies(texts []string) (proxies Proxies, faults []error) {
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if address, single := netip.ParseAddr(text); single == nil {
			prefix, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%q is neither an address nor a network, e.g. 127.0.0.1 or 10.0.0.0/8", text))
			continue
		}
		proxies = append(proxies, prefix.Masked())
	}
	return proxies, faults
}

func (p Proxies) contain(address netip.Addr) bool {
	if !address.IsValid() {
		return true
	}
	for _, prefix := range p {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}

// Client returns the address of a request's client: the peer's, or if that is a trusted proxy, the last one in X-Forwarded-For that is not. It is
// the zero Addr if the peer has none and names none.
func (p Proxies) Client(ctx *fasthttp.RequestCtx) netip.Addr {
	client := AddressOf(ctx.RemoteAddr())
	if !p.contain(client) {
		return client
	}
	var named []string
	for _, line := range ctx.Request.Header.PeekAll(fasthttp.HeaderXForwardedFor) {
		named = append(named, strings.Split(string(line), ",")...)
	}
	for i := len(named) - 1; i >= 0; i-- {
		address, err := netip.ParseAddr(strings.TrimSpace(named[i]))
		if err != nil {
			return client // whoever wrote that is not believed any further
		}
		if client = address.Unmap(); !p.contain(client) {
			return client
		}
	}
	return client
}

// NameOf is how a peer is called in the log.
func NameOf(peer net.Addr) string {
	if _, ok := peer.(*net.UnixAddr); ok {
		return "the Unix socket"
	}
	return peer.String()
}

// AddressOf returns the IP address of a peer. It is the zero Addr for one that has none.
func AddressOf(peer net.Addr) netip.Addr {
	tcp, ok := peer.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// party is whose connections count together: an IPv6 network of 64 bits is given to one customer.
func party(address netip.Addr) netip.Addr {
	if address.Is6() {
		return netip.PrefixFrom(address, 64).Masked().Addr()
	}
	return address
}
