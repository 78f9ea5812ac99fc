package command

import (
	"context"
	"log/slog"
	"net"
)

// notify tells the service manager what the daemon does, if it asks for it: one datagram to the socket that it names (sd_notify(3)).
// Failing to do so is no reason not to serve.
func (c *cli) notify(state string, log *slog.Logger) {
	name := c.getenv("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	conn, err := new(net.Dialer).DialContext(context.Background(), "unixgram", name)
	if err == nil {
		_, err = conn.Write([]byte(state))
		_ = conn.Close() // a datagram has been sent or not
	}
	if err != nil {
		log.Warn("cannot notify the service manager", "err", err)
	}
}
