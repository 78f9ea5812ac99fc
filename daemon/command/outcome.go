package command

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/daemon/internal/wiring"
	"github.com/zarafa/presence/domain"
)

// userPresence is what a command does with a user's presence on a protocol, on behalf of the user.
type userPresence struct {
	*client
	command        *cobra.Command
	user, protocol string
}

func (c *cli) presenceOf(command *cobra.Command, user, protocol string) (*userPresence, error) {
	if _, err := domain.ParseProtocol(protocol); err != nil {
		return nil, usageError("--protocol: %w", err)
	}
	client, err := c.client(command, user)
	return &userPresence{client, command, user, protocol}, err
}

func (u *userPresence) path() string { return "v1/users/" + url.PathEscape(u.user) + "/" + u.protocol }

func (u *userPresence) ask(method, path string, document any) ([]byte, error) {
	return u.client.ask(u.command.Context(), method, path, document)
}

// answer is what the daemon answers about the user over all protocols.
func (u *userPresence) answer() (*person, error) {
	text, err := u.ask(http.MethodGet, "v1/users/"+url.PathEscape(u.user), nil)
	if err != nil {
		return nil, err
	}
	found := new(person)
	if err := json.Unmarshal(text, found); err != nil {
		return nil, u.strange(err)
	}
	if err := found.check(); err != nil {
		return nil, u.strange(err)
	}
	return found, nil
}

// say prints what was done, and the answer.
func (u *userPresence) say(now *person, done string) error {
	_, err := fmt.Fprintln(u.command.OutOrStdout(), printable(done+now.outcome(u.protocol)))
	return err
}

// outcome says in one line how a user is, who decides that, until when, and what else a protocol says.
func (p *person) outcome(protocol string) string {
	text := fmt.Sprintf("%s is %s", p.User, p.Status)
	decides := p.Protocols[p.By]
	switch {
	case p.By == "" && p.Status != domain.Unavailable.String():
		return text + "; you see no more of this user than the status"
	case p.By == "":
		return text + ", because no protocol knows this user"
	case decides.Expires != nil:
		text += fmt.Sprintf(", decided by %s, until %s", p.By, decides.Expires.Local().Format(time.DateTime))
	case p.By == wiring.ByHand.String():
		text += fmt.Sprintf(", decided by %s, until `zarafa-presence clear %s`", p.By, p.User)
	default:
		text += ", decided by " + p.By
	}
	if own, there := p.Protocols[protocol]; there && protocol != p.By {
		text += fmt.Sprintf("; %s says %s, which does not count now", protocol, own.Status)
	}
	if p.Invisible {
		text += "; invisible to others"
	}
	return text
}
