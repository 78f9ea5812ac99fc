package command

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestAccessAndAuditLog: both files are written, opened again on SIGHUP, and have the request's id but no token and no message.
func TestAccessAndAuditLog(t *testing.T) {
	folder := t.TempDir()
	access, audit := filepath.Join(folder, "access.log"), filepath.Join(folder, "audit.log")
	d := serve(t, secretEnv, "--http.listen=127.0.0.1:0", "--log.access="+access, "--log.audit="+audit)
	mark := token(t, secretEnv, markd)
	send := func(method, path, body, id string, want int) {
		t.Helper()
		request, err := http.NewRequest(method, d.url+strings.TrimPrefix(path, "/"), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+mark)
		request.Header.Set("X-Request-Id", id)
		answer, err := (&http.Client{Transport: documented()}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want || answer.Header.Get("X-Request-Id") != id {
			t.Errorf("%s %s: %d, id %q", method, path, answer.StatusCode, answer.Header.Get("X-Request-Id"))
		}
	}
	contains := func(name, text string) func() bool {
		return func() bool { data, _ := os.ReadFile(name); return strings.Contains(string(data), text) }
	}
	send("PUT", "/v1/users/markd@zarafa.com/manual", `{"status":"busy","message":"hidden","until":"2100-01-01T00:00:00Z"}`, "first", 204)
	send("PUT", "/v1/users/alice@example.test/manual", `{"status":"busy","message":"hidden"}`, "forbidden", 403)
	eventually(t, "the access log has both requests", contains(access, "status=403"))
	eventually(t, "the audit log has both", contains(audit, `"request_id":"forbidden"`))
	for _, name := range []string{access, audit} {
		if err := os.Rename(name, name+".1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both files are there again", func() bool {
		_, one := os.Stat(access)
		_, two := os.Stat(audit)
		return one == nil && two == nil
	})
	send("DELETE", "/v1/users/markd@zarafa.com/manual", "", "last", 204)
	if code := d.terminate(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}

	text := map[string]string{}
	for _, name := range []string{access, access + ".1", audit, audit + ".1"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text[name] = string(data)
		for _, secret := range []string{"hidden", mark} {
			if strings.Contains(text[name], secret) {
				t.Errorf("%s has %q", name, secret)
			}
		}
	}
	if got := text[access]; strings.Count(got, "\n") != 1 || !strings.Contains(got, "method=DELETE route=/v1/users/:user/:protocol status=204") || !strings.Contains(got, "request_id=last") {
		t.Errorf("the new access log: %s", got)
	}
	var lines []map[string]any
	for line := range strings.Lines(text[audit+".1"] + text[audit]) {
		var read map[string]any
		if err := json.Unmarshal([]byte(line), &read); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		lines = append(lines, read)
	}
	for i, want := range []map[string]any{
		{"msg": "set", "outcome": "done", "by": markd, "user": markd, "protocol": "manual", "status": "busy", "until": "2100-01-01T00:00:00.000Z", "request_id": "first"},
		{"msg": "set", "outcome": "refused", "by": markd, "user": "alice@example.test", "protocol": "manual", "status": "busy", "request_id": "forbidden"},
		{"msg": "remove", "outcome": "done", "by": markd, "user": markd, "protocol": "manual", "request_id": "last"},
	} {
		if i >= len(lines) {
			t.Fatalf("%d lines in the audit log", len(lines))
		}
		for key, value := range want {
			if lines[i][key] != value {
				t.Errorf("line %d of the audit log: %v; want %s %v", i, lines[i], key, value)
			}
		}
	}
}
