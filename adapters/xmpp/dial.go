package xmpp

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

const (
	dialWithin = 8 * time.Second // for the attempt to connect to one address
	maxTargets = 8               // addresses that are tried
)

// dial connects to the first of the server's addresses that answers.
func (s *Source) dial(ctx context.Context) (*net.TCPConn, error) {
	targets, err := s.targets(ctx)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Resolver: s.resolver, Timeout: dialWithin}
	var faults error // on one line
	for _, target := range targets {
		conn, err := dialer.DialContext(ctx, "tcp", target)
		if err == nil {
			return conn.(*net.TCPConn), nil
		}
		err = fmt.Errorf("connecting to the XMPP server %s: %w", target, err)
		if faults != nil {
			err = fmt.Errorf("%w; %w", faults, err)
		}
		faults = err
	}
	return nil, faults
}

// targets returns where to connect, as host:port, in the order to try: xmpp.host, else the SRV records in order of priority
// and weight (RFC 2782), else the domain itself on the standard port (RFC 6120, 3.2).
func (s *Source) targets(ctx context.Context) ([]string, error) {
	service, port := "xmpp-client", "5222" // RFC 6120, 14.7
	if s.config.TLS == DirectTLS {
		service, port = "xmpps-client", "5223" // XEP-0368
	}
	if s.config.Host != "" {
		host, port, err := splitHostPort(s.config.Host, port)
		return []string{net.JoinHostPort(host, port)}, err
	}
	_, records, err := s.resolver.LookupSRV(ctx, service, "tcp", s.own.asciiOf)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case len(records) == 1 && records[0].Target == ".":
		return nil, fmt.Errorf("the DNS of %s says that it offers no _%s._tcp service: set xmpp.host or xmpp.tls", s.own.host, service)
	case len(records) == 0:
		s.log.Debug("no SRV record is used, but the domain itself", "domain", s.own.host, "reason", err)
		return []string{net.JoinHostPort(s.own.asciiOf, port)}, nil
	}
	var targets []string
	for _, record := range records[:min(len(records), maxTargets)] {
		targets = append(targets, net.JoinHostPort(strings.TrimSuffix(record.Target, "."), strconv.Itoa(int(record.Port))))
	}
	return targets, nil
}
