package browsertest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// quit ends Firefox as the user's command Quit does, which WebDriver BiDi cannot: its own browser.close asks no page whether it may be closed.
// This speaks the protocol Marionette: a message is its length, a colon, and JSON. There must be no BiDi session.
func quit(ctx context.Context, profile string) error {
	port, err := os.ReadFile(filepath.Join(profile, "MarionetteActivePort"))
	if err != nil {
		return err
	}
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "tcp", "127.0.0.1:"+strings.TrimSpace(string(port)))
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	defer context.AfterFunc(ctx, func() { _ = connection.Close() })()
	reader := bufio.NewReader(connection)
	if _, err := receiveMarionette(reader); err != nil { // its greeting
		return err
	}
	for i, command := range []struct {
		name       string
		parameters object
	}{{"WebDriver:NewSession", object{}}, {"Marionette:Quit", object{"flags": []string{"eAttemptQuit"}}}} {
		text, err := json.Marshal([]any{0, i, command.name, command.parameters})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(connection, "%d:%s", len(text), text); err != nil {
			return err
		}
		answer, err := receiveMarionette(reader)
		if err != nil {
			return err
		}
		var parts []json.RawMessage // 1, the command's number, the error, the result
		if err := json.Unmarshal(answer, &parts); err != nil || len(parts) != 4 || string(parts[2]) != "null" {
			return fmt.Errorf("%s: %s", command.name, answer)
		}
	}
	return nil
}

func receiveMarionette(from *bufio.Reader) ([]byte, error) {
	prefix, err := from.ReadString(':')
	if err != nil {
		return nil, err
	}
	length, err := strconv.Atoi(strings.TrimSuffix(prefix, ":"))
	if err != nil {
		return nil, err
	}
	text := make([]byte, length)
	_, err = io.ReadFull(from, text)
	return text, err
}
