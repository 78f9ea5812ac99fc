// Package spreed is the protocol of web-meeting clients, which report their own user over HTTP again and again and fall silent when
// they go away. All there is to know of it is how long a silence means that nobody is there: the HTTP API takes the reports, and
// the expirer ends them.
//
// The daemon calls it.
package spreed

import "github.com/zarafa/presence/domain"

// Protocol is the name of the protocol in the API and in the configuration.
var Protocol = domain.MustProtocol("spreed")

// New returns the protocol: clients may update it, and a presence ends when it has not been repeated for longer than
// Config.AutoUnavailable.
func New(cfg Config) (domain.ClientProtocol, error) {
	if err := cfg.Validate(); err != nil {
		return domain.ClientProtocol{}, err
	}
	return domain.ClientProtocol{Protocol: Protocol, Expiry: domain.ExpiryPolicy{After: cfg.AutoUnavailable}}, nil
}
