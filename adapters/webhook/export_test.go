package webhook

import (
	"net"
	"net/http"
	"time"

	"github.com/zarafa/presence/domain"
)

// Hurry makes an exporter try again soon.
func (x *Exporter) Hurry() { x.schedule = []time.Duration{200 * time.Millisecond} }

// By has an exporter send by something else than the network.
func (x *Exporter) By(transport http.RoundTripper) { x.transport = transport }

// Resolve has an exporter ask another DNS server.
func (x *Exporter) Resolve(by *net.Resolver) { x.resolver = by }

// Body is the body of the message about a state.
func (x *Exporter) Body(state domain.State, at time.Time) []byte {
	return x.message(state, "", at).body
}

// CheckAddress refuses an address that no webhook may be sent to.
var CheckAddress = checkAddress
