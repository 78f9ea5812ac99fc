package command

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zarafa/presence/daemon/config"
	"github.com/zarafa/presence/daemon/internal/wiring"
)

const quickstartUser = "markd@zarafa.com"

// The keys that --quickstart sets: the file of the secret, and the directory of the store.
const (
	authKey     = "auth.secret_file"
	storeKey    = "store.dir"
	servicesKey = "auth.services"
)

// useQuickstart sets the flags for the store's directory and the secret's file, unless they are given, to some in dir, and makes the
// secret if it is not there. The user whose token is printed becomes a service, unless others are named.
func useQuickstart(flags *pflag.FlagSet, dir string) error {
	if !flags.Changed(storeKey) {
		if err := flags.Set(storeKey, filepath.Join(dir, "store")); err != nil {
			return err
		}
	}
	if !flags.Changed(servicesKey) {
		if err := flags.Set(servicesKey, quickstartUser); err != nil { // so that the board shows everybody
			return err
		}
	}
	if flags.Changed(authKey) {
		return nil
	}
	file := filepath.Join(dir, "secret")
	if err := makeSecret(file); err != nil {
		return fmt.Errorf("making the secret: %w", err)
	}
	return flags.Set(authKey, file)
}

// makeSecret writes a new secret to a file, unless there is one. It appears in one step with its mode, so that no other user and no other
// daemon started at the same time ever sees less.
func makeSecret(file string) error {
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	err := makeFile(file, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, base64.StdEncoding.EncodeToString(random))
		return err
	}, os.Link)
	if errors.Is(err, os.ErrExist) {
		return nil // somebody else was faster
	}
	return err
}

// wayOut adds to an error what a newcomer can do about it: another daemon, often an earlier one, has the port or the store.
func wayOut(err error, quickstart string) error {
	switch {
	case err == nil || quickstart == "":
		return err
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w; if that is an earlier daemon end it, or choose another port: make run ARGS=--http.listen=127.0.0.1:8123", err)
	case strings.Contains(err.Error(), "is in use by another zarafa-presence"):
		return fmt.Errorf("%w, or try this one with another directory: %s serve --quickstart %s --http.listen=127.0.0.1:8123",
			err, os.Args[0], filepath.Clean(quickstart)+"2")
	}
	return err
}

const quickstartText = `
The daemon listens on %[1]s. Try it in another terminal:

  %[8]s -X PUT %[9]s -d '{"AuthenticationToken":"%[2]s","Type":"UserStatus","UserStatus":[{"user_id":"%[3]s","spreed":{"status":"available","message":"feeling chatty.."}}]}'

  %[8]s -X GET %[9]s -d '{"AuthenticationToken":"%[2]s","Type":"UserStatus","UserStatus":[{"user_id":"%[3]s"}]}'
%[10]s
The token lasts %[4]s. A fresh one: %[5]s token --%[6]s %[7]s %[3]s
Ctrl-C ends the daemon.

`

const quickstartBoard = `
or watch in a browser:

  %s

The link works once, within 30 seconds. Another one: %s board --quickstart %s --url %s
`

// printQuickstart prints what a newcomer can paste.
func printQuickstart(command *cobra.Command, settings *wiring.Settings, dir, address string) error {
	token, err := issue(settings, quickstartUser)
	if err != nil {
		return err
	}
	curl, base, err := curlTo(settings, address)
	if err != nil {
		return err
	}
	board := ""
	if base != unixBase { // where no browser gets
		link, err := boardLink(settings, base, quickstartUser)
		if err != nil {
			return err
		}
		board = fmt.Sprintf(quickstartBoard, link, os.Args[0], dir, base)
	}
	_, err = fmt.Fprintf(command.OutOrStdout(), quickstartText, address, token, quickstartUser,
		config.Duration(settings.Auth.TokenExpire), os.Args[0], authKey, settings.Auth.Secret.File(), curl, base, board)
	return err
}

// curlTo returns how curl reaches a daemon at an address, and under which URL: with TLS the certificate has a name, and may be one that only the
// daemon's administrator trusts.
func curlTo(settings *wiring.Settings, address string) (command, base string, err error) {
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		return "curl --unix-socket " + path, unixBase, nil
	}
	secure, err := settings.HTTP.ClientTLS()
	if err != nil || secure == nil {
		return "curl", address, err
	}
	at, err := url.Parse(address)
	if err != nil {
		return "", "", err
	}
	base = "https://" + net.JoinHostPort(secure.ServerName, at.Port()) + "/"
	return fmt.Sprintf("curl --cacert %s --connect-to ::%s:", settings.HTTP.TLSCertFile, at.Hostname()), base, nil
}
