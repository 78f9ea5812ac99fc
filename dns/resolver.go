// Package dns makes DNS queries that end when their context does. Sources that connect by a host name call it, inside this repository
// and outside it.
package dns

import (
	"context"
	"net"
	"time"
)

// NewResolver returns a resolver whose queries end with their context, and leave nothing running then. With net.DefaultResolver, a
// query can go on for several seconds until its time-out, and one that the C library makes cannot be ended at all.
//
// The resolver asks the server at an address, host:port, or the system's servers if that is empty.
func NewResolver(server string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if server != "" {
			address = server
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // reads and writes fail from then on
		return conn, nil
	}}
}
